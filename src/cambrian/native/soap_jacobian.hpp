// The Jacobian of the power spectrum, neighbors in the lanes:
//
//     dp_st/dr = (dc_s) . c_t: two outer products over n and n' a direction, V = sum over m of (Y, dY) c_t
#pragma once
#include "soap_moments.hpp"

namespace {

struct JacobianBuffers {
  vec *g, *v, *rows;  // (value and slope, l, n); (species, value and slopes, l, n); (3, columns)

  JacobianBuffers(const SoapPlan &p, SoapBuffers &b) {
    g = b.take<vec>(2 * b.LN);
    v = b.take<vec>((size_t)4 * p.n_species * b.LN);
    rows = b.take<vec>((size_t)3 * (p.n_features + W));
  }
};

// G and dG/dr of one block from neighbor by neighbor to lane by lane; empty lanes hold zeros.
inline void turn(const SoapBuffers &b, int k, vec *g) {
  for (int i = 0; i < 2 * b.LN; i += W) {
    for (int lane = 0; lane < W; ++lane)
      g[i + lane] = b.block[k].edge[lane] < 0 ? vec{} : load(b.radial(k, lane) + i);
    transpose(g + i);
  }
}

// V[0 .. 3][l][n'] of one block: the harmonics and their derivatives against the sums of one species.
inline void project(const SoapPlan &p, const SoapBuffers &b, const vec *y, const double *c, vec *V) {
  const int N = p.n_max, R = p.n_row, H = b.H, LN = b.LN;
  for (int l = 0; l <= p.l_max; ++l)
    for (int n = 0; n < N; ++n) {
      vec v = {}, x = {}, dy = {}, z = {};
      for (int h = l * l; h < (l + 1) * (l + 1); ++h) {
        const double k = c[h * R + n];
        v += k * y[h], x += k * y[H + h], dy += k * y[2 * H + h], z += k * y[3 * H + h];
      }
      const int i = l * R + n;
      V[i] = v, V[LN + i] = x, V[2 * LN + i] = dy, V[3 * LN + i] = z;
    }
}

inline void block_jacobian(const SoapPlan &p, const SoapBuffers &b, const JacobianBuffers &j, const vec *u, int own) {
  const int N = p.n_max, LN = b.LN, stride = p.n_features + W;
  const vec *g = j.g, *dg = j.g + LN;
  std::memset(j.rows, 0, sizeof(vec) * 3 * stride);
  for (const SoapPair &pair : p.pairs) {
    if (pair.s != own && pair.t != own) continue;
    const bool same = pair.s == pair.t, first_moves = own == pair.s;
    const vec *V = j.v + (size_t)4 * (first_moves ? pair.t : pair.s) * LN;
    vec *out = j.rows + pair.start;
    for (int l = 0; l <= p.l_max; ++l)
      for (int n = 0; n < N; ++n)
        for (int m = same ? n : 0; m < N; ++m, ++out) {
          const int mine = l * p.n_row + (first_moves ? n : m), other = l * p.n_row + (first_moves ? m : n);
          vec along = dg[mine] * V[other];
          vec x = g[mine] * V[LN + other], y = g[mine] * V[2 * LN + other], z = g[mine] * V[3 * LN + other];
          if (same) {
            along += dg[other] * V[mine];
            x += g[other] * V[LN + mine], y += g[other] * V[2 * LN + mine], z += g[other] * V[3 * LN + mine];
          }
          const double factor = same && n == m ? 1 : std::sqrt(2.);
          out[0] = factor * (x + u[0] * along);
          out[stride] = factor * (y + u[1] * along);
          out[2 * stride] = factor * (z + u[2] * along);
        }
  }
}

// Lanes cover all edges but those beyond the cutoff.
inline void clear_beyond(const SoapPlan &p, const cambrian_stars &stars, int64_t atom, double *jacobian) {
  for (int64_t e = stars.first[atom]; e < stars.first[atom + 1]; ++e) {
    const double *r = stars.r_ij + 3 * e;
    if (!(r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < p.cutoff() * p.cutoff()))
      std::memset(jacobian + 3 * e * p.n_features, 0, sizeof(double) * 3 * p.n_features);
  }
}

inline void write_jacobian(const SoapPlan &p, const SoapBuffers &b, const JacobianBuffers &j, double *jacobian) {
  const int K = p.n_features, stride = K + W;
  for (int s = 0; s < p.n_species; ++s)
    for (int k = b.block_first[s]; k < b.block_first[s + 1]; ++k) {
      const SoapBlock &block = b.block[k];
      turn(b, k, j.g);
      for (int t = 0; t < p.n_species; ++t)
        project(p, b, b.harmonics(k), b.c + (size_t)t * b.n_moments, j.v + (size_t)4 * t * b.LN);
      block_jacobian(p, b, j, block.u, s);
      for (int c = 0; c < 3; ++c)
        for (int i = 0; i < K; i += W) {
          vec v[W];
          std::memcpy(v, j.rows + c * stride + i, sizeof v);
          transpose(v);
          const size_t bytes = sizeof(double) * (K - i < W ? K - i : W);
          for (int lane = 0; lane < W; ++lane)
            if (block.edge[lane] >= 0) std::memcpy(jacobian + (3 * block.edge[lane] + c) * K + i, v + lane, bytes);
        }
    }
}

}  // namespace
