// Angular functions by pairs of neighbors. Part of symmetry_kernel.cpp.
//
// For every j, the k nearer to it than the cutoff are listed, and go through W at a time. The forward sweep leaves for
// the reverse one the list, the angles, the third window and the exponentials. With P = sum over functions of one
// gaussian of slope 2^(1-zeta) (1 + lam c)^zeta, e = exp(-eta sum of (r - r_s)^2 over sides), F = f_j f_k f_jk:
//
//     E = F sum_m e_m P_m                          D = sum_m e_m P_m,  D_1 = sum_m eta_m e_m P_m (1 - r_s / r)
//     (dE/dr_j)/r_j = f'_j/r_j f_k f_jk D - 2 F D_1,  and so for k and jk
//     dE/dc = F sum_m e_m P'_m                     dc/dr_j = (n_k - c n_j)/r_j
#pragma once
#include "symmetry_workspace.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace {

constexpr double kSamePlace = 1e-5;  // angstrom: nearer than this two neighbors are one

inline unsigned lanes_in(mask m) {
#if defined(__AVX512DQ__) && CAMBRIAN_WIDTH == 8
  return _mm512_movepi64_mask(reinterpret_cast<__m512i &>(m));
#elif defined(__AVX__) && CAMBRIAN_WIDTH == 4
  return _mm256_movemask_pd(reinterpret_cast<__m256d &>(m));
#elif defined(__SSE2__) && CAMBRIAN_WIDTH == 2
  return _mm_movemask_pd(reinterpret_cast<__m128d &>(m));
#else
  unsigned bits = 0;
  for (int l = 0; l < W; ++l) bits |= unsigned(m[l] & 1) << l;
  return bits;
#endif
}

typedef uint16_t short_lanes __attribute__((vector_size(2 * W), may_alias));

struct Compaction {  // for each set of lanes, their numbers in front
  uint16_t lanes[1 << W][W];
  constexpr Compaction() : lanes() {
    for (int bits = 0; bits < 1 << W; ++bits)
      for (int l = 0, n = 0; l < W; ++l)
        if (bits >> l & 1) lanes[bits][n++] = uint16_t(l);
  }
};
alignas(64) constexpr Compaction compaction;

// The neighbors k of `from`..`end` nearer to j than the limit, in order; `out` has room for a vector more.
inline int find_partners(const Star &s, int j, int from, int end, double limit, uint16_t *out) {
  const vec x = all(s.x[j]), y = all(s.y[j]), z = all(s.z[j]), furthest = all(limit * limit),
            nearest = all(kSamePlace * kSamePlace);
  int n = 0, k = from / W * W;
  unsigned wanted = ~0u << (from - k);
  for (; k < end; k += W, wanted = ~0u) {
    const vec dx = load(s.x + k) - x, dy = load(s.y + k) - y, dz = load(s.z + k) - z;
    const vec squared = dx * dx + dy * dy + dz * dz;
    const unsigned bits = lanes_in((squared < furthest) & (squared > nearest)) & wanted;
    short_lanes found;
    std::memcpy(&found, compaction.lanes[bits & ((1u << W) - 1)], sizeof found);
    found += uint16_t(k);
    std::memcpy(out + n, &found, sizeof found);
    n += __builtin_popcount(bits);
  }
  return n;
}

struct Partner {  // W neighbors
  vec n[3], r, f, fp, inverse;
};

inline Partner gather(const Star &s, const uint16_t *k) {
  vec v[kRecord];
  for (int h = 0; h < kRecord; h += W) {
    for (int l = 0; l < W; ++l) v[h + l] = load(s.record + kRecord * k[l] + h);
    transpose(v + h);
  }
  return {{v[0], v[1], v[2]}, v[3], v[4], v[5], v[6]};
}

inline vec to_the(int n, vec x) {  // n >= 1
  while (!(n & 1)) x *= x, n >>= 1;
  vec value = x;
  while (n >>= 1) {
    x *= x;
    if (n & 1) value *= x;
  }
  return value;
}

// (1 + lam c)^zeta and, where asked for, (1 + lam c)^(zeta-1) of n vectors.
template <bool kLower>
inline void raise(const Combination &c, const Side *sides, int n, vec *value, vec *lower) {
  for (int b = 0; b < n; ++b) value[b] = 1 + c.lam * sides[b].cosine;
  if (c.whole == 0) {
    if (kLower)
      for (int b = 0; b < n; ++b) lower[b] = all(1);
  } else if (c.whole > 0) {
    for (int b = 0; b < n; ++b) {
      const vec power = to_the(c.whole, value[b]);
      value[b] *= power;
      if (kLower) lower[b] = power;
    }
  } else {  // rounding may leave less than zero, and the powers of zero have no derivative
    for (int b = 0; b < n; ++b) {
      vec power;
      for (int l = 0; l < W; ++l) power[l] = value[b][l] > 1e-15 ? std::pow(value[b][l], c.zeta - 1) : 0;
      value[b] *= power;
      if (kLower) lower[b] = power;
    }
  }
}

struct Cursor {  // where a group begins in what the forward sweep left
  size_t partner = 0, count = 0, block = 0, exponential = 0;
};

struct Walk {
  const Shell &shell;
  const Triplets &group;
  const Fade &fading;
  Space &space;
};

struct Run {  // the partners of one j, block by block
  int j, n;
  const uint16_t *partners;
  Side *sides;
  vec *exponentials;  // n a channel
};

// Angles, third windows, F into `product` and the sum of squared sides into `reach`.
template <bool kNarrow>
inline void measure_sides(const Walk &walk, const Run &run, vec *product, vec *reach) {
  const Star &s = walk.space.star;
  const double *own = s.record + kRecord * run.j, x = s.x[run.j], y = s.y[run.j], z = s.z[run.j];
  for (int b = 0; b < run.n; ++b) {
    const Partner p = gather(s, run.partners + W * b);
    Side &side = run.sides[b];
    side.cosine = own[0] * p.n[0] + own[1] * p.n[1] + own[2] * p.n[2];
    product[b] = own[4] * p.f;
    reach[b] = own[3] * own[3] + p.r * p.r;
    if constexpr (kNarrow) {
      const vec dx = p.n[0] * p.r - x, dy = p.n[1] * p.r - y, dz = p.n[2] * p.r - z;
      const vec squared = larger(dx * dx + dy * dy + dz * dz, all(kSamePlace * kSamePlace)), apart = root(squared);
      side.inverse = 1 / apart;
      fade(walk.fading, apart, side.f, side.fp);
      side.fp *= side.inverse;
      product[b] *= side.f;
      reach[b] += squared;
    }
  }
}

// Exponentials of all channels of the run.
template <bool kNarrow>
inline void fill_exponentials(const Walk &walk, const Run &run, const vec *reach) {
  const Star &s = walk.space.star;
  const double own = s.record[kRecord * run.j + 3];
  const int n = run.n;
  vec *e = run.exponentials;
  for (const Channel &c : walk.group.channels) {
    if (c.times) {
      const vec *base = run.exponentials + n * c.base;
      for (int b = 0; b < n; ++b) e[b] = to_the(c.times, base[b]);
    } else if (c.shift == 0) {
      for (int b = 0; b < n; ++b) e[b] = exponential(-c.eta * reach[b]);
    } else {
      for (int b = 0; b < n; ++b) {
        const vec a = gather(s, run.partners + W * b).r - c.shift;
        vec sum = (own - c.shift) * (own - c.shift) + a * a;
        if constexpr (kNarrow) {
          const vec third = 1 / run.sides[b].inverse - c.shift;
          sum += third * third;
        }
        e[b] = exponential(-c.eta * sum);
      }
    }
    e += n;
  }
}

inline void add_run(const Triplets &g, const Run &run, const vec *product, vec *values, vec *sum) {
  const int n = run.n;
  for (int q = 0; q < g.combinations.n; ++q) raise<false>(g.combinations.at[q], run.sides, n, values + q * n, nullptr);
  const vec *e = run.exponentials;
  for (const Channel &c : g.channels) {
    for (int u = c.first; u < c.last; ++u) {
      const vec *value = values + g.uses.at[u].combination * n;
      vec total = sum[u];
      for (int b = 0; b < n; ++b) total += product[b] * e[b] * value[b];
      sum[u] = total;
    }
    e += n;
  }
}

template <bool kNarrow>
void look_at_triplets(const Walk &walk, Cursor &at, double *row) {
  Space &space = walk.space;
  const Star &s = space.star;
  const Triplets &g = walk.group;
  const int n_channels = g.channels.n, last = s.end[g.second], room = s.n / W + 1;
  const double limit = kNarrow ? walk.shell.cutoff : kFar / 10;
  vec *sum = space.sums.hold(g.uses.n), *work = space.run.hold(size_t(room) * (2 + g.combinations.n));
  std::memset(static_cast<void *>(sum), 0, g.uses.n * sizeof(vec));
  space.counts.hold(at.count + s.end[g.first] - s.first[g.first], at.count);
  for (int j = s.first[g.first]; j < s.end[g.first]; ++j) {
    const int from = g.first == g.second ? j + 1 : s.first[g.second];
    uint16_t *k = space.partners.hold(at.partner + s.n + 2 * W, at.partner) + at.partner;
    const int count = find_partners(s, j, from, last, limit, k), n = (count + W - 1) / W;
    for (int l = count; l < n * W; ++l) k[l] = uint16_t(s.n);
    const Run run{j, n, k, space.sides.hold(at.block + n, at.block) + at.block,
                  space.exponentials.hold(at.exponential + n * n_channels, at.exponential) + at.exponential};
    measure_sides<kNarrow>(walk, run, work, work + room);
    fill_exponentials<kNarrow>(walk, run, work + room);
    if (row) add_run(g, run, work, work + 2 * room, sum);
    space.counts.at[at.count++] = count;
    at.partner += n * W, at.block += n, at.exponential += n * n_channels;
  }
  if (row)
    for (int u = 0; u < g.uses.n; ++u) row[g.uses.at[u].feature] += g.uses.at[u].norm * total(sum[u]);
}

inline const Slope *slopes_of(const Triplets &g, const double *slope, Space &space) {
  Slope *slopes = space.slopes.hold(g.uses.n);
  for (int u = 0; u < g.uses.n; ++u) {
    const Combination &q = g.combinations.at[g.uses.at[u].combination];
    const double s = slope[g.uses.at[u].feature] * g.uses.at[u].norm;
    slopes[u] = {s, s * q.zeta * q.lam};
  }
  return slopes;
}

// Uses first..last only: all of them for forces, one for the derivatives of one function.
inline void sum_channels(const Triplets &g, const Run &run, const Slope *slopes, int first, int last, vec *work,
                         Sums *sums) {
  const int n = run.n;
  vec *value = work, *lower = work + n * g.combinations.n;
  const bool alone = last == first + 1;
  for (int q = 0; q < g.combinations.n; ++q)
    if (!alone || q == g.uses.at[first].combination)
      raise<true>(g.combinations.at[q], run.sides, n, value + q * n, lower + q * n);
  std::memset(static_cast<void *>(sums), 0, n * sizeof(Sums));
  for (int m = 0; m < g.channels.n; ++m) {
    const Channel &c = g.channels.at[m];
    const int from = c.first > first ? c.first : first, to = c.last < last ? c.last : last;
    if (from >= to) continue;
    const vec *e = run.exponentials + m * n;
    for (int b = 0; b < n; ++b) {
      vec power = {}, bend = {};
      for (int u = from; u < to; ++u) {
        const int at = g.uses.at[u].combination * n + b;
        power += slopes[u].power * value[at];
        bend += slopes[u].bend * lower[at];
      }
      const vec term = e[b] * power;
      sums[b].all += term;
      sums[b].eta += c.eta * term;
      sums[b].shift += (c.eta * c.shift) * term;
      sums[b].turn += e[b] * bend;
    }
  }
}

struct Pull {  // of W triplets: dE/dr_j = along_j r_j + cross r_k, dE/dr_k = along_k r_k + cross r_j
  vec along_j, along_k, cross;
};

template <bool kNarrow>
inline Pull pull_of(const double *own, const Partner &p, const Side &side, const Sums &sums) {
  const double f = own[4], fp = own[5], inverse = own[6];
  const vec third = kNarrow ? side.f : all(1);
  const vec both = p.f * third, twice = 2 * f * both;
  const vec angle = f * both * sums.turn * inverse * p.inverse;
  const vec back = angle * side.cosine;
  Pull pull;
  pull.along_j = fp * both * sums.all - twice * (sums.eta - sums.shift * inverse) - back * (p.r * inverse);
  pull.along_k = f * p.fp * third * sums.all - twice * (sums.eta - sums.shift * p.inverse) - back * (own[3] * p.inverse);
  pull.cross = angle;
  if constexpr (kNarrow) {
    const vec between = f * p.f * side.fp * sums.all - twice * (sums.eta - sums.shift * side.inverse);
    pull.along_j += between, pull.along_k += between, pull.cross -= between;
  }
  return pull;
}

template <bool kNarrow>
inline void pull_run(const Star &s, const Run &run, int count, const Sums *sums) {
  const double *own = s.record + kRecord * run.j;
  const quad place = {s.x[run.j], s.y[run.j], s.z[run.j], 0}, unit = {0, 0, 0, 1};
  vec x = {}, y = {}, z = {}, along = {};
  for (int b = 0; b < run.n; ++b) {
    const uint16_t *k = run.partners + W * b;
    const Partner p = gather(s, k);
    const Pull pull = pull_of<kNarrow>(own, p, run.sides[b], sums[b]);
    const vec reach = pull.cross * p.r;
    x += reach * p.n[0], y += reach * p.n[1], z += reach * p.n[2], along += pull.along_j;
    alignas(64) double cross[W], along_k[W];
    std::memcpy(cross, &pull.cross, sizeof cross), std::memcpy(along_k, &pull.along_k, sizeof along_k);
    for (int l = 0; l < (count - W * b < W ? count - W * b : W); ++l)
      s.scatter[k[l]] += cross[l] * place + along_k[l] * unit;
  }
  s.scatter[run.j] += totals(x, y, z, along);
}

template <bool kNarrow>
void pull_triplets(const Walk &walk, Cursor &at, const double *slope, int first, int last) {
  Space &space = walk.space;
  const Star &s = space.star;
  const Triplets &g = walk.group;
  const Slope *slopes = slopes_of(g, slope, space);
  const int n_channels = g.channels.n, room = s.n / W + 1;
  vec *work = space.run.hold(size_t(room) * 2 * g.combinations.n);
  Sums *sums = space.along_run.hold(room);
  for (int j = s.first[g.first]; j < s.end[g.first]; ++j) {
    const int count = space.counts.at[at.count++], n = (count + W - 1) / W;
    const Run run{j, n, space.partners.at + at.partner, space.sides.at + at.block, space.exponentials.at + at.exponential};
    sum_channels(g, run, slopes, first, last, work, sums);
    pull_run<kNarrow>(s, run, count, sums);
    at.partner += n * W, at.block += n, at.exponential += n * n_channels;
  }
}

}  // namespace
