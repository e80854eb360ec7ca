// Angular functions of unit vectors and the gradients of their weighted sums, neighbors in the lanes. Part of
// moments_kernel.cpp; the equations of the harmonics are in math/spherical_harmonics.py.
#pragma once
#include "moments_workspace.hpp"

namespace {

constexpr int kMostDegree = 32;

inline int polar_index(int l, int m) { return l * (l + 1) / 2 + m; }

struct Azimuth {  // Re and Im of (x + iy)^m
  vec c[kMostDegree + 1], s[kMostDegree + 1];
};

inline void powers(int degree, const vec *n, Azimuth &a) {
  a.c[0] = all(1), a.s[0] = vec{};
  for (int m = 1; m <= degree; ++m) {
    a.c[m] = n[0] * a.c[m - 1] - n[1] * a.s[m - 1];
    a.s[m] = n[0] * a.s[m - 1] + n[1] * a.c[m - 1];
  }
}

void harmonics(const MomentPlan &p, const Block &k) {
  Azimuth a;
  powers(p.degree, k.n, a);
  vec *q = k.polar, *y = k.angular;
  const double *r = p.recursion;
  for (int l = 0; l <= p.degree; ++l, q += l, y += 2 * l - 1) {
    for (int m = 0; m <= l; ++m, r += 3) {
      vec value = all(r[0]);
      if (m < l) value *= k.n[2] * q[m - l];
      if (m < l - 1) value -= r[1] * q[m - l - (l - 1)];
      q[m] = value;
      y[m] = value * a.c[m];
      if (m) y[l + m] = value * a.s[m];
    }
  }
}

void products(const MomentPlan &p, const Block &k) {
  k.angular[0] = all(1);
  for (int i = 1; i < p.n_columns; ++i) k.angular[i] = k.n[p.axis[i]] * k.angular[p.parent[i]];
}

// g = sum over k of weight[k] grad Y_k.
void pull_harmonics(const MomentPlan &p, const Block &k, const vec *weight, vec *g) {
  Azimuth a;
  powers(p.degree, k.n, a);
  vec gx = {}, gy = {}, gz = {};
  for (int m = 0; m <= p.degree; ++m) {
    vec ac = {}, as = {};
    for (int l = m; l <= p.degree; ++l) {
      const vec c = weight[l * l + m], s = m ? weight[l * l + l + m] : vec{};
      const vec *q = k.polar + polar_index(l, m);
      ac += c * q[0];
      as += s * q[0];
      if (m < l) gz += p.recursion[3 * polar_index(l, m) + 2] * q[1] * (c * a.c[m] + s * a.s[m]);
    }
    if (m) {
      gx += double(m) * (a.c[m - 1] * ac + a.s[m - 1] * as);
      gy += double(m) * (a.c[m - 1] * as - a.s[m - 1] * ac);
    }
  }
  g[0] = gx, g[1] = gy, g[2] = gz;
}

void pull_products(const MomentPlan &p, const Block &k, const vec *weight, vec *g) {
  vec x = {}, y = {}, z = {};
  for (int i = 0; i < p.n_raised; ++i) {
    const int *up = p.raised + 3 * i;
    const double *count = p.count + 3 * i;
    const vec own = k.angular[i];
    x += count[0] * weight[up[0]] * own;
    y += count[1] * weight[up[1]] * own;
    z += count[2] * weight[up[2]] * own;
  }
  g[0] = x, g[1] = y, g[2] = z;
}

// grad[3 k + c] of every column.
void gradients(const MomentPlan &p, const Block &k, vec *grad) {
  if (p.family == CAMBRIAN_MONOMIALS) {
    grad[0] = grad[1] = grad[2] = vec{};
    for (int i = 1; i < p.n_columns; ++i) {
      for (int c = 0; c < 3; ++c) grad[3 * i + c] = k.n[p.axis[i]] * grad[3 * p.parent[i] + c];
      grad[3 * i + p.axis[i]] += k.angular[p.parent[i]];
    }
    return;
  }
  Azimuth a;
  powers(p.degree, k.n, a);
  for (int l = 0; l <= p.degree; ++l)
    for (int m = 0; m <= l; ++m) {
      const vec *q = k.polar + polar_index(l, m);
      const vec raised = m < l ? p.recursion[3 * polar_index(l, m) + 2] * q[1] : vec{};
      const vec c = m ? double(m) * a.c[m - 1] * q[0] : vec{}, s = m ? double(m) * a.s[m - 1] * q[0] : vec{};
      vec *even = grad + 3 * (l * l + m), *odd = grad + 3 * (l * l + l + m);
      even[0] = c, even[1] = -s, even[2] = raised * a.c[m];
      if (m) odd[0] = s, odd[1] = c, odd[2] = raised * a.s[m];
    }
}

}  // namespace
