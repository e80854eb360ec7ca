// Functions of compact support. Part of symmetry_kernel.cpp.
//
// Neighbors of a species stand by distance here: those inside a window C are a few blocks in a row, and the rest costs
// nothing. With P = sum over functions of one window of slope A(theta), F = C(r_j) C(r_k) C(r_jk), for each window:
//
//     E = F P            (dE/dr_j)/r_j = C'(r_j)/r_j C(r_k) C(r_jk) P, and so for k and jk
//     dE/dc = F P'       dc/dr_j = (n_k - c n_j)/r_j
//
// so that dE/dr_j = along_j r_j + cross r_k and dE/dr_k = along_k r_k + cross r_j. Nothing is kept for the reverse sweep
// but the windows: the angles cost less than the memory they would take.
#pragma once
#include "symmetry_triplets.hpp"

namespace {

constexpr double kNearlyStraight = 1e-12;  // of 1 - |cos|

// std::sort would be shared with other instruction sets.
inline void sort_by(const double *key, int *order, int n) {
  for (int gap : {701, 301, 132, 57, 23, 10, 4, 1})
    for (int i = gap; i < n; ++i) {
      const int held = order[i];
      int at = i;
      for (; at >= gap && key[order[at - gap]] > key[held]; at -= gap) order[at] = order[at - gap];
      order[at] = held;
    }
}

// g and its derivative by r.
inline void ring(const Interval &in, bool asymmetric, vec r, vec &value, vec &slope) {
  const vec away = (r - in.middle) * in.inverse, x = smaller(away < all(0) ? -away : away, all(1));
  const vec rate = away < all(0) ? all(-in.inverse) : all(in.inverse);
  ring(in.bell, asymmetric ? x * (2 - x) : x, value, slope);
  slope *= asymmetric ? rate * (2 - 2 * x) : rate;
}

// Of |t| <= 1, after fdlibm: the series of arcsin on either side of 60 degrees.
inline vec arc_cosine(vec t) {
  constexpr double half_circle = 3.14159265358979323846;
  const vec size = t < all(0) ? -t : t;
  const mask outer = size > all(0.5);
  const vec z = outer ? larger(0.5 - 0.5 * size, all(0)) : size * size, s = outer ? root(z) : size;
  vec over = all(3.47933107596021167570e-05), under = all(7.70381505559019352791e-02);
  for (double k : {7.91534994289814532176e-04, -4.00555345006794114027e-02, 2.01212532134862925881e-01,
                   -3.25565818622400915405e-01, 1.66666666666666657415e-01})
    over = over * z + k;
  for (double k : {-6.88283971605453293030e-01, 2.02094576023350569471e+00, -2.40339491173441421878e+00, 1.})
    under = under * z + k;
  const vec sine = s + s * (z * over / under), angle = outer ? 2 * sine : 0.5 * half_circle - sine;
  return t < all(0) ? half_circle - angle : angle;
}

struct Angle {
  vec cosine, angle, inverse_sine;
  mask straight;
};

inline Angle angle_of(vec cosine) {
  const vec size = cosine < all(0) ? -cosine : cosine;
  const vec inside = smaller(larger(cosine, all(-1)), all(1));
  const vec square = larger((1 - size) * (1 + size), all(kNearlyStraight));
  return {cosine, arc_cosine(inside), 1 / root(square), size >= all(1 - kNearlyStraight)};
}

// A and its derivative by the cosine.
inline void climb(const Hill &h, const Angle &a, vec &value, vec &slope) {
  ring(h.interval, false, a.angle, value, slope);
  slope *= -a.inverse_sine;
  if (!lanes_in(a.straight)) return;
  const mask folded = a.straight & (a.cosine > all(0)), straight = a.straight & (a.cosine < all(0));
  value = folded ? h.folded.value + h.folded.slope * (1 - a.cosine) : value;
  slope = folded ? all(-h.folded.slope) : slope;
  value = straight ? h.straight.value + h.straight.slope * (1 + a.cosine) : value;
  slope = straight ? all(h.straight.slope) : slope;
}

inline int first_beyond(const Star &s, int from, int to, double limit) {  // of those farther than the limit
  while (from < to) {
    const int middle = (from + to) / 2;
    s.record[kRecord * middle + 3] > limit ? to = middle : from = middle + 1;
  }
  return from;
}

inline const vec *window_at(const Space &space, int window, int block) {  // C and C'/r
  return space.windows.at + 2 * (size_t(window) * (space.star.n / W) + block);
}

inline const int *reach_of(const Shell &shell, const Space &space, int window, int segment) {  // blocks from, to
  return space.reach.at + 2 * (window * shell.n_segments + segment);
}

void fill_windows(const Shell &shell, Space &space) {
  const Star &s = space.star;
  space.windows.hold(size_t(2) * shell.windows.n * (s.n / W));
  space.reach.hold(size_t(2) * shell.windows.n * shell.n_segments);
  for (int m = 0; m < shell.windows.n; ++m) {
    const Window &w = shell.windows.at[m];
    for (int k = 0; k < shell.n_segments; ++k) {
      int *reach = const_cast<int *>(reach_of(shell, space, m, k));
      reach[0] = first_beyond(s, s.first[k], s.end[k], w.lower) / W;
      reach[1] = (first_beyond(s, s.first[k], s.end[k], w.upper) + W - 1) / W;
      for (int b = reach[0]; b < reach[1]; ++b) {
        vec *to = const_cast<vec *>(window_at(space, m, b));
        ring(w.interval, w.asymmetric, s.r[b], to[0], to[1]);
        const vec weight = load(s.weight + W * b);
        to[0] *= weight, to[1] *= weight * s.inverse[b];
      }
    }
  }
}

void look_at_compact(const Shell &shell, const CompactRadial &radial, Space &space, double *row) {
  const int *reach = reach_of(shell, space, radial.window, radial.segment);
  vec sum = {};
  for (int b = reach[0]; b < reach[1]; ++b) sum += window_at(space, radial.window, b)[0];
  row[radial.feature] += total(sum);
}

void pull_compact(const Shell &shell, const CompactRadial &radial, Space &space, const double *slope) {
  const int *reach = reach_of(shell, space, radial.window, radial.segment);
  for (int b = reach[0]; b < reach[1]; ++b)
    space.star.along[b] += slope[radial.feature] * window_at(space, radial.window, b)[1];
}

struct Pairs {  // of one j: windows that it lies in, and the blocks of k that any of them reaches
  int n_meetings = 0, from = 0, to = 0;
};

// Only windows with one of the uses first..last.
inline Pairs meet(const Shell &shell, const Compact &g, int j, int first, int last, Space &space) {
  const Star &s = space.star;
  const int start = g.first == g.second ? j + 1 : s.first[g.second];
  Pairs found{0, s.n / W, 0};
  Meeting *meetings = space.meetings.hold(g.channels.n);
  for (int m = 0; m < g.channels.n; ++m) {
    const CompactChannel &c = g.channels.at[m];
    const int *own = reach_of(shell, space, c.window, g.first), *reach = reach_of(shell, space, c.window, g.second);
    if (c.first >= last || c.last <= first || j / W < own[0] || j / W >= own[1]) continue;
    const vec *at = window_at(space, c.window, j / W);
    const int from = reach[0] > start / W ? reach[0] : start / W;
    if (at[0][j % W] == 0 || from >= reach[1]) continue;
    meetings[found.n_meetings++] = {m, from, reach[1], at[0][j % W], at[1][j % W]};
    found.from = from < found.from ? from : found.from;
    found.to = reach[1] > found.to ? reach[1] : found.to;
  }
  return found;
}

inline Sight *look_across(const Compact &g, int j, const Pairs &pairs, Space &space) {
  const Star &s = space.star;
  const double *own = s.record + kRecord * j;
  const int start = g.first == g.second ? j + 1 : s.first[g.second];
  Sight *sights = space.sights.hold(pairs.to - pairs.from);
  for (int b = pairs.from; b < pairs.to; ++b) {
    Sight &sight = sights[b - pairs.from];
    const vec *n = s.direction + 3 * b;
    const vec dx = load(s.x + W * b) - s.x[j], dy = load(s.y + W * b) - s.y[j], dz = load(s.z + W * b) - s.z[j];
    const vec squared = dx * dx + dy * dy + dz * dz, least = all(kSamePlace * kSamePlace);
    sight.open = squared > least ? all(1) : all(0);
    for (int l = 0; l < W && W * b + l < start; ++l) sight.open[l] = 0;
    sight.apart = root(larger(squared, least));
    sight.inverse = 1 / sight.apart;
    sight.cosine = own[0] * n[0] + own[1] * n[1] + own[2] * n[2];
  }
  return sights;
}

// A and dA/dcos of every hill, or of one, at every block: hill after hill.
inline const vec *climb_all(const Compact &g, const Sight *sights, int n, int only, Space &space) {
  vec *found = space.run.hold(size_t(2) * n * g.hills.n);
  for (int b = 0; b < n; ++b) {
    const Angle angle = angle_of(sights[b].cosine);
    for (int q = only < 0 ? 0 : only; q < (only < 0 ? g.hills.n : only + 1); ++q)
      climb(g.hills.at[q], angle, found[2 * (q * n + b)], found[2 * (q * n + b) + 1]);
  }
  return found;
}

template <bool kNarrow>
void look_at_compact(const Shell &shell, const Compact &g, Space &space, double *row) {
  const Star &s = space.star;
  vec *sum = space.sums.hold(g.uses.n);
  std::memset(static_cast<void *>(sum), 0, g.uses.n * sizeof(vec));
  for (int j = s.first[g.first]; j < s.end[g.first]; ++j) {
    const Pairs pairs = meet(shell, g, j, 0, g.uses.n, space);
    if (!pairs.n_meetings) continue;
    const int n = pairs.to - pairs.from;
    const Sight *sights = look_across(g, j, pairs, space);
    const vec *hills = climb_all(g, sights, n, -1, space);
    for (int i = 0; i < pairs.n_meetings; ++i) {
      const Meeting &met = space.meetings.at[i];
      const CompactChannel &c = g.channels.at[met.channel];
      const Window &w = shell.windows.at[c.window];
      for (int b = met.from; b < met.to; ++b) {
        const Sight &sight = sights[b - pairs.from];
        vec product = met.value * window_at(space, c.window, b)[0] * sight.open;
        if constexpr (kNarrow) {
          vec third, slope;
          ring(w.interval, w.asymmetric, sight.apart, third, slope);
          product *= third;
        }
        const vec *at = hills + 2 * (b - pairs.from);
        for (int u = c.first; u < c.last; ++u) sum[u] += product * at[2 * n * g.uses.at[u].hill];
      }
    }
  }
  for (int u = 0; u < g.uses.n; ++u) row[g.uses.at[u].feature] += total(sum[u]);
}

struct Turned {  // sums over the functions of one window: slope A, and slope dA/dcos
  vec power, bend;
};

template <bool kNarrow>
inline void push(const Star &s, int j, int b, const Meeting &met, const Window &w, const vec *window, const Sight &sight,
                 const Turned &turned, Push &pushed) {
  vec third = all(1), third_slope = {};
  if constexpr (kNarrow) ring(w.interval, w.asymmetric, sight.apart, third, third_slope);
  const vec open = sight.open * third, own_inverse = all(s.record[kRecord * j + 6]);
  const vec angle = met.value * window[0] * open * turned.bend * own_inverse * s.inverse[b];
  const vec back = angle * sight.cosine;
  pushed.along_j += met.slope * window[0] * open * turned.power - back * (s.r[b] * own_inverse);
  pushed.along_k += met.value * window[1] * open * turned.power - back * (s.record[kRecord * j + 3] * s.inverse[b]);
  pushed.cross += angle;
  if constexpr (kNarrow) {
    const vec between = met.value * window[0] * sight.open * third_slope * sight.inverse * turned.power;
    pushed.along_j += between, pushed.along_k += between, pushed.cross -= between;
  }
}

// Onto the stars of j and of the blocks.
inline void spread(const Push *pushes, int j, const Pairs &pairs, const Star &s) {
  vec x = {}, y = {}, z = {}, along = {};
  for (int b = pairs.from; b < pairs.to; ++b) {
    const Push &p = pushes[b - pairs.from];
    s.pull_x[b] += p.cross * s.x[j], s.pull_y[b] += p.cross * s.y[j], s.pull_z[b] += p.cross * s.z[j];
    s.along[b] += p.along_k;
    x += p.cross * load(s.x + W * b), y += p.cross * load(s.y + W * b), z += p.cross * load(s.z + W * b);
    along += p.along_j;
  }
  s.scatter[j] += totals(x, y, z, along);
}

// Uses first..last only: all of them for forces, one for the derivatives of one function.
void pull_compact(const Shell &shell, const Compact &g, Space &space, const double *slope, int first, int last) {
  const Star &s = space.star;
  const int only = last == first + 1 ? g.uses.at[first].hill : -1;
  for (int j = s.first[g.first]; j < s.end[g.first]; ++j) {
    const Pairs pairs = meet(shell, g, j, first, last, space);
    if (!pairs.n_meetings) continue;
    const int n = pairs.to - pairs.from;
    const Sight *sights = look_across(g, j, pairs, space);
    const vec *hills = climb_all(g, sights, n, only, space);
    Push *pushes = space.pushes.hold(n);
    std::memset(static_cast<void *>(pushes), 0, n * sizeof(Push));
    for (int i = 0; i < pairs.n_meetings; ++i) {
      const Meeting &met = space.meetings.at[i];
      const CompactChannel &c = g.channels.at[met.channel];
      const Window &w = shell.windows.at[c.window];
      const int from = c.first > first ? c.first : first, to = c.last < last ? c.last : last;
      for (int b = met.from; b < met.to; ++b) {
        const vec *at = hills + 2 * (b - pairs.from), *window = window_at(space, c.window, b);
        Turned turned = {};
        for (int u = from; u < to; ++u) {
          const CompactUse &use = g.uses.at[u];
          turned.power += slope[use.feature] * at[2 * n * use.hill];
          turned.bend += slope[use.feature] * at[2 * n * use.hill + 1];
        }
        const Sight &sight = sights[b - pairs.from];
        Push &pushed = pushes[b - pairs.from];
        g.narrow ? push<true>(s, j, b, met, w, window, sight, turned, pushed) : push<false>(s, j, b, met, w, window, sight, turned, pushed);
      }
    }
    spread(pushes, j, pairs, s);
  }
}

}  // namespace
