// Wide functions of whole zeta by moments. Part of symmetry_kernel.cpp.
//
//     A_abc = sum_j w_j x^a y^b z^c of the directions,  I_p = sum_{a+b+c=p} p!/(a! b! c!) A_abc B_abc
//
// On the unit sphere A_abc = A_(a+2)bc + A_a(b+2)c + A_ab(c+2), so only the two highest degrees are summed over
// neighbors, and in the reverse sweep only they meet them: phi(n) = sum of partials x monomials = (n . grad phi) / p.
#pragma once
#include "symmetry_workspace.hpp"

namespace {

struct Powers {
  vec x[kMostDegree + 1], y[kMostDegree + 1], z[kMostDegree + 1];
};

inline void raise_all(int degree, const vec *n, Powers &p) {
  p.x[0] = p.y[0] = p.z[0] = all(1);
  for (int d = 1; d <= degree; ++d)
    p.x[d] = p.x[d - 1] * n[0], p.y[d] = p.y[d - 1] * n[1], p.z[d] = p.z[d - 1] * n[2];
}

inline vec *monomials(int degree, const Powers &p, vec *out) {
  for (int b = 0; b <= degree; ++b)
    for (int c = 0; c <= degree - b; ++c) *out++ = p.x[degree - b - c] * (p.y[b] * p.z[c]);
  return out;
}

// Calls with (degree, index, indices of the three monomials two degrees up) for every monomial below the top two.
template <class F>
inline void each_trace(int degree, F visit) {
  for (int b = 0; b <= degree; ++b)
    for (int c = 0; c <= degree - b; ++c) {
      const int up = first_monomial(degree + 2);
      visit(first_monomial(degree) + monomial(degree, b, c), up + monomial(degree + 2, b, c),
            up + monomial(degree + 2, b + 2, c), up + monomial(degree + 2, b, c + 2));
    }
}

inline int lowest_summed(const Wide &w) { return w.degree > 0 ? w.degree - 1 : 0; }

inline bool same_moments(const WideUse &a, const WideUse &b) {
  return a.channel == b.channel && a.first == b.first && a.second == b.second;
}

// Where a group begins in what the forward sweep leaves.
struct WideCursor {
  size_t window = 0, moment = 0;
};

inline void sum_moments(const Wide &w, Space &space, int segment, vec *windows, double *moments, double *norms) {
  const int from = first_monomial(lowest_summed(w)), n_summed = w.n_moments - from, n_channels = w.channels.n;
  const int room = padded(n_summed);
  Star &s = space.star;
  vec *sum = space.sums.hold(size_t(n_channels) * (room + 1) + n_summed), *own = sum + n_channels * room;
  vec *values = own + n_channels;
  std::memset(static_cast<void *>(sum), 0, size_t(n_channels) * (room + 1) * sizeof(vec));
  Powers powers;
  for (int b = s.first[segment] / W; b < s.first[segment + 1] / W; ++b) {
    raise_all(w.degree, s.direction + 3 * b, powers);
    vec *next = values;
    for (int d = lowest_summed(w); d <= w.degree; ++d) next = monomials(d, powers, next);
    for (int m = 0; m < n_channels; ++m) {
      const RadialUse &c = w.channels.at[m];
      const vec away = s.r[b] - c.shift, e = exponential(-c.eta * away * away), window = e * s.f[b];
      windows[2 * (b * n_channels + m)] = window;
      windows[2 * (b * n_channels + m) + 1] = e * s.fp[b] - (2 * c.eta) * (1 - c.shift * s.inverse[b]) * window;
      own[m] += window * window;
      vec *to = sum + m * room;
      for (int t = 0; t < n_summed; ++t) to[t] += window * values[t];
    }
  }
  for (int m = 0; m < n_channels; ++m) {
    double *a = moments + m * w.n_moments;
    for (int t = 0; t < n_summed; ++t) a[from + t] = total(sum[m * room + t]);
    for (int d = w.degree - 2; d >= 0; --d)
      each_trace(d, [&](int at, int x, int y, int z) {
        if (d < lowest_summed(w)) a[at] = a[x] + a[y] + a[z];
      });
    norms[m] = total(own[m]);
  }
}

void look_at_wide(const Shell &shell, const Wide &w, Space &space, WideCursor &at, double *row) {
  Star &s = space.star;
  const int n_channels = w.channels.n, n_segments = shell.n_segments;
  vec *windows = space.windows.hold(at.window + size_t(2) * n_channels * (s.n / W), at.window) + at.window;
  const size_t size = size_t(n_segments) * n_channels;
  double *moments = space.moments.hold(at.moment + size * (w.n_moments + 1), at.moment) + at.moment;
  double *norms = moments + size * w.n_moments;
  for (int segment = 0; segment < n_segments; ++segment)
    sum_moments(w, space, segment, windows, moments + segment * n_channels * w.n_moments, norms + segment * n_channels);
  at.window += size_t(2) * n_channels * (s.n / W), at.moment += size * (w.n_moments + 1);
  if (!row) return;
  double sums[kMostDegree + 1];
  for (int u = 0; u < w.uses.n; ++u) {
    const WideUse &use = w.uses.at[u];
    const double *a = moments + (use.first * n_channels + use.channel) * w.n_moments;
    const double *b = moments + (use.second * n_channels + use.channel) * w.n_moments;
    for (int p = 0; p <= w.degree && !(u && same_moments(use, w.uses.at[u - 1])); ++p) {
      sums[p] = 0;
      for (int t = first_monomial(p); t < first_monomial(p + 1); ++t) sums[p] += w.multinomial[t] * a[t] * b[t];
    }
    double value = -use.own * norms[use.first * n_channels + use.channel];
    for (int p = 0; p <= w.degree; ++p) value += use.by_degree[p] * sums[p];
    row[use.feature] += value;
  }
}

// dE/dA of every segment and channel, carried up to the two highest degrees; behind them the slopes of sum w^2.
inline double *partials_of(const Shell &shell, const Wide &w, Space &space, const double *moments, const double *slope) {
  const int n_channels = w.channels.n;
  const size_t size = size_t(shell.n_segments) * n_channels;
  double *partials = space.partials.hold(size * (w.n_moments + 1)), *own = partials + size * w.n_moments;
  std::memset(partials, 0, size * (w.n_moments + 1) * sizeof(double));
  for (int u = 0; u < w.uses.n;) {
    const WideUse &use = w.uses.at[u];
    const int first = use.first * n_channels + use.channel, second = use.second * n_channels + use.channel;
    double shares[kMostDegree + 1] = {};
    bool any = false;
    for (; u < w.uses.n && same_moments(use, w.uses.at[u]); ++u) {
      const double s = slope[w.uses.at[u].feature];
      any = any || s != 0;
      own[first] += s * w.uses.at[u].own;
      for (int p = 0; p <= w.degree; ++p) shares[p] += s * w.uses.at[u].by_degree[p];
    }
    if (!any) continue;
    const double *a = moments + first * w.n_moments, *b = moments + second * w.n_moments;
    double *pa = partials + first * w.n_moments, *pb = partials + second * w.n_moments;
    for (int p = 0; p <= w.degree; ++p)
      for (int t = first_monomial(p); t < first_monomial(p + 1); ++t) {
        const double c = shares[p] * w.multinomial[t];
        const double to_a = c * b[t], to_b = c * a[t];
        pa[t] += to_a;
        pb[t] += to_b;
      }
  }
  for (size_t k = 0; k < size; ++k) {
    double *p = partials + k * w.n_moments;
    for (int d = 0; d < lowest_summed(w); ++d)
      each_trace(d, [&](int at, int x, int y, int z) { p[x] += p[at], p[y] += p[at], p[z] += p[at]; });
  }
  return partials;
}

// The three derivatives of a homogeneous polynomial, monomial by monomial one degree down.
inline double *derivatives(int degree, const double *p, double *out) {
  for (int b = 0; b < degree; ++b)
    for (int c = 0; c < degree - b; ++c) {
      *out++ = (degree - b - c) * p[monomial(degree, b, c)];
      *out++ = (b + 1) * p[monomial(degree, b + 1, c)];
      *out++ = (c + 1) * p[monomial(degree, b, c + 1)];
    }
  return out;
}

void pull_wide(const Shell &shell, const Wide &w, Space &space, WideCursor &at, const double *slope) {
  Star &s = space.star;
  const int n_channels = w.channels.n, low = lowest_summed(w);
  const vec *windows = space.windows.at + at.window;
  const size_t size = size_t(shell.n_segments) * n_channels;
  const double *partials = partials_of(shell, w, space, space.moments.at + at.moment, slope);
  const double *own = partials + size * w.n_moments;
  at.window += size_t(2) * n_channels * (s.n / W), at.moment += size * (w.n_moments + 1);
  const int n_low = low > 0 ? n_monomials(low - 1) : 0, n_high = w.degree > 0 ? n_monomials(w.degree - 1) : 0;
  double *gradient = space.gradient.hold(size_t(n_channels) * 3 * (n_low + n_high));
  vec *values = space.sums.hold(n_low + n_high);
  Powers powers;
  for (int segment = 0; segment < shell.n_segments; ++segment) {
    const double *of_segment = partials + segment * n_channels * w.n_moments;
    double *next = gradient;
    for (int m = 0; m < n_channels; ++m) {
      const double *p = of_segment + m * w.n_moments;
      if (low > 0) next = derivatives(low, p + first_monomial(low), next);
      if (w.degree > 0) next = derivatives(w.degree, p + first_monomial(w.degree), next);
    }
    for (int b = s.first[segment] / W; b < s.first[segment + 1] / W; ++b) {
      const vec *n = s.direction + 3 * b;
      raise_all(w.degree, n, powers);
      if (low > 0) monomials(low - 1, powers, values);
      if (w.degree > 0) monomials(w.degree - 1, powers, values + n_low);
      vec gx = {}, gy = {}, gz = {}, along = {};
      const double *g = gradient;
      for (int m = 0; m < n_channels; ++m) {
        const double *p = of_segment + m * w.n_moments;
        const vec window = windows[2 * (b * n_channels + m)], slope_over_r = windows[2 * (b * n_channels + m) + 1];
        vec part[2][3] = {};
        const vec *value = values;
        for (int h = 0; h < 2; ++h)
          for (int t = 0; t < (h ? n_high : n_low); ++t, g += 3, ++value)
            for (int c = 0; c < 3; ++c) part[h][c] += g[c] * *value;
        vec phi = low == 0 ? all(p[0]) : vec{};
        vec radial[2];
        for (int h = 0; h < 2; ++h) radial[h] = part[h][0] * n[0] + part[h][1] * n[1] + part[h][2] * n[2];
        if (low > 0) phi += radial[0] * (1. / low);
        if (w.degree > 0) phi += radial[1] * (1. / w.degree);
        const vec outward = radial[0] + radial[1], over_r = window * s.inverse[b];
        gx += over_r * (part[0][0] + part[1][0] - outward * n[0]);
        gy += over_r * (part[0][1] + part[1][1] - outward * n[1]);
        gz += over_r * (part[0][2] + part[1][2] - outward * n[2]);
        along += slope_over_r * (phi - 2 * own[segment * n_channels + m] * window);
      }
      s.pull_x[b] += gx, s.pull_y[b] += gy, s.pull_z[b] += gz, s.along[b] += along;
    }
  }
}

}  // namespace
