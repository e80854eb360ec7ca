// Matrix products of a few rows (atoms) with many (points), all rows of whole vectors: tiles that stay in registers.
#pragma once
#include "soap_neighbors.hpp"

namespace {

constexpr int ROWS = 3;                    // of a tile
constexpr int COLUMNS = W > 2 ? W : 2 * W;  // vectors of a tile of the second product

// u[r][0 .. W) = a[r] . b[0 .. W), each a sum over `length` numbers
template <int R>
inline void dot_tile(const double *a, const double *b, int length, double *u, int u_stride) {
  vec sum[R][W] = {};
  for (int k = 0; k < length; k += W) {
    vec x[R];
#pragma GCC unroll 3
    for (int r = 0; r < R; ++r) x[r] = load(a + r * length + k);
#pragma GCC unroll 8
    for (int s = 0; s < W; ++s) {
      const vec y = load(b + s * length + k);
#pragma GCC unroll 3
      for (int r = 0; r < R; ++r) sum[r][s] += x[r] * y;
    }
  }
  for (int r = 0; r < R; ++r) store(u + r * u_stride, sums(sum[r]));
}

// u (n, m) = a bT for a (n, length), b (m, length); m a multiple of W
inline void dots(const double *a, int n, const double *b, int m, int length, double *u, int u_stride) {
  for (int s = 0; s < m; s += W) {
    const double *points = b + (size_t)s * length;
    int r = 0;
    for (; r + ROWS <= n; r += ROWS) dot_tile<ROWS>(a + r * length, points, length, u + r * u_stride + s, u_stride);
    for (; r < n; ++r) dot_tile<1>(a + r * length, points, length, u + r * u_stride + s, u_stride);
  }
}

template <int R, int V>
inline void sum_tile(const double *t, int t_stride, const double *b, int m, int length, double *out) {
  vec sum[R][V];
#pragma GCC unroll 3
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[r][v] = load(out + r * length + v * W);
  for (int s = 0; s < m; ++s, b += length) {
    vec x[R];
#pragma GCC unroll 3
    for (int r = 0; r < R; ++r) x[r] = all(t[r * t_stride + s]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const vec y = load(b + v * W);
#pragma GCC unroll 3
      for (int r = 0; r < R; ++r) sum[r][v] += x[r] * y;
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(out + r * length + v * W, sum[r][v]);
}

template <int V>
inline void sum_columns(const double *t, int t_stride, int n, const double *b, int m, int length, double *out) {
  int r = 0;
  for (; r + ROWS <= n; r += ROWS) sum_tile<ROWS, V>(t + r * t_stride, t_stride, b, m, length, out + r * length);
  for (; r < n; ++r) sum_tile<1, V>(t + r * t_stride, t_stride, b, m, length, out + r * length);
}

// out (n, length) += t b for t (n, m), b (m, length)
inline void add_sums(const double *t, int t_stride, int n, const double *b, int m, int length, double *out) {
  int k = 0;
  for (; k + COLUMNS * W <= length; k += COLUMNS * W)
    sum_columns<COLUMNS>(t, t_stride, n, b + k, m, length, out + k);
  for (; k < length; k += W) sum_columns<1>(t, t_stride, n, b + k, m, length, out + k);
}

}  // namespace
