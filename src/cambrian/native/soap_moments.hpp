// Sums over neighbors, power spectrum, and their adjoints; n in the lanes.
//
//     c_s[h][n] = sum over neighbors of species s of G_ln(r) Y_h,   h = (l, m)
//     p_st[l][n][n'] = sum over m of c_s[h][n] c_t[h][n']
//     dE/dr = u sum D_s[h][n] Y_h dG_ln/dr + sum D_s[h][n] G_ln dY_h/dr,   D = dE/dc
#pragma once
#include <array>
#include <cmath>
#include <utility>

#include "soap_neighbors.hpp"

namespace {

// One degree, 2l+1 = M: a vector of n at a time, all m in registers.
template <int M>
void sum_degree(const SoapBuffers &b, int begin, int end, double *c) {
  constexpr int l = (M - 1) / 2;
  for (int v = 0; v < b.n_row; v += W) {
    vec sum[M] = {};
    for (int k = begin; k < end; ++k) {
      const double *y = reinterpret_cast<const double *>(b.harmonics(k) + l * l);
      for (int lane = 0; lane < W && b.block[k].edge[lane] >= 0; ++lane) {
        const vec g = load(b.radial(k, lane) + l * b.n_row + v);
#pragma GCC unroll 25
        for (int m = 0; m < M; ++m) sum[m] += y[m * W + lane] * g;
      }
    }
#pragma GCC unroll 25
    for (int m = 0; m < M; ++m) store(c + (l * l + m) * b.n_row + v, sum[m]);
  }
}

using SumDegree = void (*)(const SoapBuffers &, int, int, double *);
template <int... L>
constexpr std::array<SumDegree, sizeof...(L)> sum_degrees(std::integer_sequence<int, L...>) {
  return {&sum_degree<2 * L + 1>...};
}
constexpr auto sums_of_degree = sum_degrees(std::make_integer_sequence<int, 13>{});

// c of every species, the atom itself included.
inline void sum_neighbors(const SoapPlan &p, int own, const SoapBuffers &b, double *c) {
  for (int s = 0; s < p.n_species; ++s, c += b.n_moments) {
    for (int l = 0; l <= p.l_max; ++l) sums_of_degree[l](b, b.block_first[s], b.block_first[s + 1], c);
    if (own == s)
      for (int n = 0; n < p.n_max; ++n) c[n] += p.alone[n];
  }
}

inline void write_features(const SoapPlan &p, const SoapBuffers &b, const double *c, double *out) {
  const int N = p.n_max, R = p.n_row;
  const double twice = std::sqrt(2.);
  for (const SoapPair &pair : p.pairs) {
    const double *cs = c + (size_t)pair.s * b.n_moments, *ct = c + (size_t)pair.t * b.n_moments;
    const bool same = pair.s == pair.t;
    for (int l = 0; l <= p.l_max; ++l)
      for (int n = 0; n < N; ++n) {
        const int begin = same ? n : 0;
        for (int v = begin / W * W; v < R; v += W) {
          vec sum = {};
          for (int h = l * l; h < (l + 1) * (l + 1); ++h) sum += cs[h * R + n] * load(ct + h * R + v);
          store(b.table + v, sum * twice);
        }
        if (same) b.table[n] /= twice;
        std::memcpy(out, b.table + begin, sizeof(double) * (N - begin));
        out += N - begin;
      }
  }
}

// d += A c of one degree, for the rows of A in b.table.
inline void multiply_degree(const SoapBuffers &b, int N, int l, const double *A, const double *c, double *d) {
  const int R = b.n_row;
  for (int h = l * l; h < (l + 1) * (l + 1); ++h)
    for (int v = 0; v < R; v += W) {
      vec sum = load(d + h * R + v);
      for (int n = 0; n < N; ++n) sum += c[h * R + n] * load(A + n * R + v);
      store(d + h * R + v, sum);
    }
}

// D = dE/dc, and E = 1/2 D . c, since every feature is a product of two.
inline double gradient(const SoapPlan &p, const SoapBuffers &b, const double *c, const double *slope) {
  const int N = p.n_max, R = p.n_row, all_moments = p.n_species * b.n_moments;
  const double twice = std::sqrt(2.);
  double *A = b.table, *T = b.table + N * R;
  std::memset(b.d, 0, sizeof(double) * all_moments);
  std::memset(A, 0, sizeof(double) * 2 * N * R);
  for (const SoapPair &pair : p.pairs) {
    const size_t s = (size_t)pair.s * b.n_moments, t = (size_t)pair.t * b.n_moments;
    const bool same = pair.s == pair.t;
    for (int l = 0; l <= p.l_max; ++l) {
      for (int n = 0; n < N; ++n)
        for (int m = same ? n : 0; m < N; ++m) {
          const double x = twice * *slope++;
          A[n * R + m] = x, (same ? A : T)[m * R + n] = x;
          if (same && n == m) A[n * R + n] = twice * x;
        }
      if (same) {
        multiply_degree(b, N, l, A, c + s, b.d + s);
      } else {
        multiply_degree(b, N, l, T, c + t, b.d + s);
        multiply_degree(b, N, l, A, c + s, b.d + t);
      }
    }
  }
  vec energy = {};
  for (int i = 0; i < all_moments; i += W) energy += load(c + i) * load(b.d + i);
  double sum = 0;
  for (int lane = 0; lane < W; ++lane) sum += energy[lane];
  return 0.5 * sum;
}

// What D pulls at one neighbor: along the edge, and along x, y, z across it; their sums over lanes are due.
template <int M>
void pull_degree(const SoapBuffers &b, const double *g, const double *y, const double *d, vec *pull) {
  constexpr int l = (M - 1) / 2;
  const int H = b.H * W;
  for (int v = 0; v < b.n_row; v += W) {
    vec along = {}, px = {}, py = {}, pz = {};
#pragma GCC unroll 25
    for (int m = 0; m < M; ++m) {
      const vec now = load(d + (l * l + m) * b.n_row + v);
      const double *of = y + (l * l + m) * W;
      along += of[0] * now, px += of[H] * now, py += of[2 * H] * now, pz += of[3 * H] * now;
    }
    const vec value = load(g + l * b.n_row + v), slope = load(g + b.LN + l * b.n_row + v);
    pull[0] += along * slope, pull[1] += px * value, pull[2] += py * value, pull[3] += pz * value;
  }
}

using PullDegree = void (*)(const SoapBuffers &, const double *, const double *, const double *, vec *);
template <int... L>
constexpr std::array<PullDegree, sizeof...(L)> pull_degrees(std::integer_sequence<int, L...>) {
  return {&pull_degree<2 * L + 1>...};
}
constexpr auto pulls_of_degree = pull_degrees(std::make_integer_sequence<int, 13>{});

inline double total(vec x) {
  double sum = 0;
  for (int lane = 0; lane < W; ++lane) sum += x[lane];
  return sum;
}

inline void write_pull(const SoapPlan &p, const SoapBuffers &b, double *out) {
  for (int s = 0; s < p.n_species; ++s) {
    const double *d = b.d + (size_t)s * b.n_moments;
    for (int k = b.block_first[s]; k < b.block_first[s + 1]; ++k) {
      const SoapBlock &block = b.block[k];
      for (int lane = 0; lane < W && block.edge[lane] >= 0; ++lane) {
        const double *y = reinterpret_cast<const double *>(b.harmonics(k)) + lane, *g = b.radial(k, lane);
        vec pull[4] = {};
        for (int l = 0; l <= p.l_max; ++l) pulls_of_degree[l](b, g, y, d, pull);
        const double along = total(pull[0]);
        for (int c = 0; c < 3; ++c) out[3 * block.edge[lane] + c] = along * block.u[c][lane] + total(pull[1 + c]);
      }
    }
  }
}

}  // namespace
