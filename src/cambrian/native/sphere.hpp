// Neighbors on the 3-sphere in vectors: their densities by levels, and the way back to them. Part of the kernels of the
// bispectrum; the equations are in bispectrum_tables.cpp.
//
//     V = sum_k w_k f(r_k) v(q_k),   dE/dq = sum over the levels below of g(Y) v: four linear forms of the same v,
//     E(q) by Euler's theorem: the level j is homogeneous of degree j in q, so that j E_j = q . dE_j/dq.
#pragma once
#include "bispectrum_tables.hpp"
#include "lanes.hpp"

#include <cstddef>

using namespace cambrian;

namespace {

constexpr double kPi = 3.14159265358979323846;

struct Staged {  // a neighbor inside its cutoff
  double x, y, z, cutoff, weight;
  int64_t edge;
};

// Fills the last block: weight 0, and far from any division by 0.
inline Staged idle(double rmin0) { return {1 + rmin0, 0, 0, 2 * (1 + rmin0), 0, -1}; }

struct Block {  // W neighbors of one atom
  vec n[3];     // direction
  vec cosine, sine, dangle, sine_over_r;
  vec f, df;  // weight times switch, and its derivative in r
  int64_t edge[W];
};

// Not by memcpy, which may go by halves that the loads then wait for.
inline void load(vec *v, const vec *from) {
  for (int k = 0; k < W; ++k) v[k] = from[k];
}

inline void make_block(double rfac0, double rmin0, const Staged *staged, Block &b) {
  vec d[3], cutoff, weight;
  for (int l = 0; l < W; ++l) {
    const Staged &s = staged[l];
    d[0][l] = s.x, d[1][l] = s.y, d[2][l] = s.z, cutoff[l] = s.cutoff, weight[l] = s.weight, b.edge[l] = s.edge;
  }
  const vec r = root(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-40);
  const vec inverse = 1 / r;
  for (int c = 0; c < 3; ++c) b.n[c] = d[c] * inverse;
  const vec rate = kPi / (cutoff - rmin0), phase = (r - rmin0) * rate;
  vec s, c;
  sine_cosine(phase, s, c);
  const mask below = r <= all(rmin0);
  b.f = weight * (below ? all(1) : 0.5 * c + 0.5);
  b.df = weight * (below ? all(0) : -0.5 * s * rate);
  sine_cosine(rfac0 * phase, b.sine, b.cosine);
  b.dangle = rfac0 * rate;
  b.sine_over_r = b.sine * inverse;
}

// v_j = (a* - b* x) v_{j-1} row by row; the middle row of even j is (b + a x) times the row above it.
template <bool kSum>
inline void next_level(int j, const Block &k, const vec *below, vec *v, vec *sum = nullptr) {
  const vec ar = k.cosine, ai = -k.sine * k.n[2], br = k.sine * k.n[1], bi = -k.sine * k.n[0];
  auto put = [&](vec *row, int ma, vec re, vec im) {
    row[2 * ma] = re, row[2 * ma + 1] = im;
    if constexpr (kSum) sum[row - v + 2 * ma] += re, sum[row - v + 2 * ma + 1] += im;
  };
  for (int mb = 0; 2 * mb < j; ++mb) {
    const vec *p = below + 2 * mb * j;
    vec *c = v + 2 * mb * (j + 1);
    vec lr = {}, li = {};
    for (int ma = 0; ma < j; ++ma) {
      const vec pr = p[2 * ma], pi = p[2 * ma + 1];
      put(c, ma, ar * pr + ai * pi - br * lr - bi * li, ar * pi - ai * pr - br * li + bi * lr);
      lr = pr, li = pi;
    }
    put(c, j, -br * lr - bi * li, bi * lr - br * li);
  }
  if (j % 2 == 0) {
    const int mb = j / 2;
    const vec *p = below + 2 * (mb - 1) * j;
    vec *c = v + 2 * mb * (j + 1);
    vec lr = {}, li = {};
    for (int ma = 0; ma <= mb; ++ma) {
      const vec pr = p[2 * ma], pi = p[2 * ma + 1];
      const vec re = br * pr - bi * pi + ar * lr - ai * li, im = br * pi + bi * pr + ar * li + ai * lr;
      put(c, ma, re, im);
      const bool odd = (ma + mb) % 2;
      c[2 * (j - ma)] = odd ? -re : re, c[2 * (j - ma) + 1] = odd ? im : -im;
      lr = pr, li = pi;
    }
  }
}

// The gradient's coefficients at the level below j, then one atom a row.
inline void make_gradient(const Tables &t, int j, const vec *y, vec *gradient, double *rows, int n_gradient) {
  const int from = t.level_independent[j - 1], to = t.level_independent[j];
  for (int i = from; i < to; ++i) {
    vec *g = gradient + 8 * i;  // (q0, q1, q2, q3) x (re, im)
    for (int pair = 0; pair < 2; ++pair) {
      vec even_re = {}, even_im = {}, odd_re = {}, odd_im = {};
      for (int k = t.share_first[2 * i + pair]; k < t.share_first[2 * i + pair + 1]; ++k) {
        const Share &s = t.shares[k];
        const vec re = y[2 * s.source], im = y[2 * s.source + 1];
        even_re += s.even_re * re, even_im += s.even_im * im, odd_re += s.odd_re * im, odd_im += s.odd_im * re;
      }
      const int even = pair ? 2 : 0, odd = pair ? 1 : 3;
      g[2 * even] = even_re, g[2 * even + 1] = even_im, g[2 * odd] = odd_re, g[2 * odd + 1] = odd_im;
    }
  }
  for (int i = 8 * from; i < 8 * to; i += W) {
    vec v[W];
    load(v, gradient + i);
    transpose(v);
    for (int l = 0; l < W; ++l) *reinterpret_cast<vec *>(rows + (size_t)l * n_gradient + i) = v[l];
  }
}

struct Slope {  // of the energy in q, and the energy itself
  vec q[4];
  vec value;
};

// What the level j >= 1 adds, from v of the level below.
inline void add_forms(const Tables &t, int j, const vec *v, const double *rows, const Block &k, Slope &slope) {
  const double *g = rows + 8 * t.level_independent[j - 1];
  vec re[4] = {}, im[4] = {};
  for (int mb = 0; 2 * mb < j; ++mb, v += 2 * j) {
    const int n = 2 * mb == j - 1 ? mb + 1 : j;
    for (int ma = 0; ma < n; ++ma, g += 8)
      for (int c = 0; c < 4; ++c) {
        re[c] += g[2 * c] * v[2 * ma];
        im[c] += g[2 * c + 1] * v[2 * ma + 1];
      }
  }
  const vec q[4] = {k.cosine, k.sine * k.n[0], k.sine * k.n[1], k.sine * k.n[2]};
  vec radial = {};
  for (int c = 0; c < 4; ++c) {
    const vec total = re[c] + im[c];
    slope.q[c] += total;
    radial += q[c] * total;
  }
  slope.value += radial * (1. / j);
}

inline void pull_of(const Block &k, const Slope &s, vec *pull) {
  const vec along = s.q[1] * k.n[0] + s.q[2] * k.n[1] + s.q[3] * k.n[2];
  const vec radial = k.dangle * (k.cosine * along - k.sine * s.q[0]) - k.sine_over_r * along;
  const vec common = k.f * radial + k.df * s.value, across = k.f * k.sine_over_r;
  for (int c = 0; c < 3; ++c) pull[c] = k.n[c] * common + across * s.q[1 + c];
}

}  // namespace
