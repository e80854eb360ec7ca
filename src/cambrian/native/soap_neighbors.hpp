// Neighbors of one atom in blocks of vectors, each of one species: radial functions, harmonics and their derivatives.
// Part of soap_kernel.cpp.
#pragma once
#include "lanes.hpp"
#include "soap_job.hpp"

using namespace cambrian;

namespace {

// e^x for -700 < x <= 0: 2^k from the bits of the sum, and a series on |r| < ln 2 / 2.
inline vec decay(vec x) {
  const vec t = x * 1.4426950408889634 + 0x1.8p52;
  const mask bits = reinterpret_cast<const mask &>(t);
  const mask k = bits - 0x4338000000000000ll;
  const vec steps = __builtin_convertvector(k, vec);
  const vec r = (x - steps * 0.693147180369123816490) - steps * 1.90821492927058770002e-10;
  constexpr double series[] = {1. / 6227020800., 1. / 479001600., 1. / 39916800., 1. / 3628800., 1. / 362880.,
                               1. / 40320.,      1. / 5040.,      1. / 720.,      1. / 120.,     1. / 24.,
                               1. / 6.,          1. / 2.,         1.,             1.};
  vec sum = all(1. / 87178291200.);
  for (double c : series) sum = sum * r + c;
  const mask power = (k + 1023) << 52;
  return sum * reinterpret_cast<const vec &>(power);
}

struct SoapBlock {  // W neighbors of one species
  vec u[3];         // direction
  int64_t edge[W];  // -1 where a lane is empty
};

// The arrays of one block: G and dG/dr (l, n); Y (h); dY/dr (3, h), already across the edge and divided by r.
struct SoapArrays {
  vec *g, *dg, *y, *dy;
};

inline void radial(const SoapPlan &p, vec r, vec f, vec df, const SoapArrays &a) {
  const int N = p.n_max;
  const vec r2 = r * r;
  vec power = all(1), below = vec{};  // r^l, l r^(l-1)
  for (int l = 0; l <= p.l_max; ++l) {
    vec *g = a.g + l * N, *dg = a.dg + l * N;
    for (int n = 0; n < N; ++n) g[n] = dg[n] = vec{};
    for (int k = 0; k < N; ++k) {
      const double e = p.exponents[l * N + k];
      vec x = -e * r2;
      x = x < all(-690) ? all(-690) : x;
      const vec primitive = decay(x), slope = -2 * e * r * primitive;
      const double *mixing = p.mixing.data() + (l * N + k) * N;
      for (int n = 0; n < N; ++n) g[n] += mixing[n] * primitive, dg[n] += mixing[n] * slope;
    }
    const vec now = power * f, change = below * f + power * df;
    for (int n = 0; n < N; ++n) {
      const vec value = g[n];
      g[n] = now * value, dg[n] = now * dg[n] + change * value;
    }
    below = (l + 1.) * power;
    power *= r;
  }
}

// Columns by l: m = 0 .. l, then -1 .. -l.
inline void harmonics(const SoapPlan &p, const vec *u, vec inverse, const SoapArrays &a) {
  constexpr int M = 14;
  const int n = p.l_max + 1, H = n * n;
  vec c[M], s[M], q[3][M];
  c[0] = all(1), s[0] = vec{};
  for (int m = 1; m < n; ++m) c[m] = u[0] * c[m - 1] - u[1] * s[m - 1], s[m] = u[0] * s[m - 1] + u[1] * c[m - 1];
  for (int l = 0; l < n; ++l) {
    vec *now = q[l % 3], *one = q[(l + 2) % 3], *two = q[(l + 1) % 3];
    for (int m = 0; m < l; ++m) {
      now[m] = p.upper[l * n + m] * u[2] * one[m];
      if (m < l - 1) now[m] -= p.lower[l * n + m] * two[m];
    }
    now[l] = all(p.diagonal[l]);
    vec *y = a.y + l * l, *dx = a.dy + l * l, *dy = dx + H, *dz = dy + H;
    for (int m = 0; m <= l; ++m) {
      const vec up = m < l ? p.raising[l * n + m] * now[m + 1] : vec{};
      const vec low_c = m ? m * c[m - 1] : vec{}, low_s = m ? m * s[m - 1] : vec{};
      y[m] = now[m] * c[m];
      dx[m] = now[m] * low_c, dy[m] = -now[m] * low_s, dz[m] = up * c[m];
      if (m) {
        y[l + m] = now[m] * s[m];
        dx[l + m] = now[m] * low_s, dy[l + m] = now[m] * low_c, dz[l + m] = up * s[m];
      }
    }
  }
  for (int h = 0; h < H; ++h) {
    vec *dx = a.dy + h, *dy = dx + H, *dz = dy + H;
    const vec along = u[0] * *dx + u[1] * *dy + u[2] * *dz;
    *dx = (*dx - u[0] * along) * inverse, *dy = (*dy - u[1] * along) * inverse, *dz = (*dz - u[2] * along) * inverse;
  }
}

}  // namespace
