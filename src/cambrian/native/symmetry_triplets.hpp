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

// 2^(1-zeta) apart: (1 + lam c)^zeta, and (1 + lam c)^(zeta-1).
inline void raise(const Combination &c, vec cosine, vec &value, vec &lower) {
  vec base = 1 + c.lam * cosine;
  if (c.whole >= 0) {
    lower = all(1);
    vec power = base;
    for (int n = c.whole; n; n >>= 1, power *= power)
      if (n & 1) lower *= power;
  } else {  // rounding may leave less than zero, and the powers of zero have no derivative
    for (int l = 0; l < W; ++l) lower[l] = base[l] > 1e-15 ? std::pow(base[l], c.zeta - 1) : 0;
  }
  value = lower * base;
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

// kSum: sums of the functions, one vector a use, into `sum`.
template <bool kNarrow, bool kSum>
void look_at_block(const Walk &walk, int j, const uint16_t *k, Side &side, vec *exponentials, vec *sum) {
  const Star &s = walk.space.star;
  const double *own = s.record + kRecord * j;
  const Partner p = gather(s, k);
  side.cosine = own[0] * p.n[0] + own[1] * p.n[1] + own[2] * p.n[2];
  const vec dx = p.n[0] * p.r - s.x[j], dy = p.n[1] * p.r - s.y[j], dz = p.n[2] * p.r - s.z[j];
  const vec squared = larger(dx * dx + dy * dy + dz * dz, all(kSamePlace * kSamePlace));
  vec apart = {}, product = own[4] * p.f;
  if constexpr (kNarrow) {
    apart = root(squared);
    side.inverse = 1 / apart;
    fade(walk.fading, apart, side.f, side.fp);
    side.fp *= side.inverse;
    product *= side.f;
  }
  const vec sides = own[3] * own[3] + p.r * p.r + (kNarrow ? squared : vec{});
  int m = 0;
  for (const Channel &c : walk.group.channels) {
    vec distance = sides;
    if (c.shift != 0) {
      const vec a = p.r - c.shift, b = apart - c.shift;
      const double d = own[3] - c.shift;
      distance = d * d + a * a + (kNarrow ? b * b : vec{});
    }
    exponentials[m++] = exponential(-c.eta * distance);
  }
  if constexpr (kSum) {
    vec value[kMostCombinations], lower;
    for (int q = 0; q < walk.group.combinations.n; ++q) raise(walk.group.combinations.at[q], side.cosine, value[q], lower);
    m = 0;
    for (const Channel &c : walk.group.channels) {
      const vec e = product * exponentials[m++];
      for (int u = c.first; u < c.last; ++u) sum[u] += e * value[walk.group.uses.at[u].combination];
    }
  }
}

template <bool kNarrow, bool kSum>
void look_at_triplets(const Walk &walk, Cursor &at, double *row) {
  Space &space = walk.space;
  const Star &s = space.star;
  const Triplets &g = walk.group;
  const int n_channels = g.channels.n, last = s.end[g.second];
  const double limit = kNarrow ? walk.shell.cutoff : kFar / 10;
  vec *sum = nullptr;
  if constexpr (kSum) {
    sum = workspace.sums.hold(g.uses.n);
    std::memset(static_cast<void *>(sum), 0, g.uses.n * sizeof(vec));
  }
  space.counts.hold(at.count + s.end[g.first] - s.first[g.first], at.count);
  for (int j = s.first[g.first]; j < s.end[g.first]; ++j) {
    const int from = g.first == g.second ? j + 1 : s.first[g.second];
    uint16_t *k = space.partners.hold(at.partner + s.n + 2 * W, at.partner) + at.partner;
    const int n = find_partners(s, j, from, last, limit, k), n_blocks = (n + W - 1) / W;
    for (int l = n; l < n_blocks * W; ++l) k[l] = uint16_t(s.n);
    Side *side = space.sides.hold(at.block + n_blocks, at.block) + at.block;
    vec *e = space.exponentials.hold(at.exponential + n_blocks * n_channels, at.exponential) + at.exponential;
    for (int b = 0; b < n_blocks; ++b)
      look_at_block<kNarrow, kSum>(walk, j, k + W * b, side[b], e + n_channels * b, sum);
    space.counts.at[at.count++] = n;
    at.partner += n_blocks * W, at.block += n_blocks, at.exponential += n_blocks * n_channels;
  }
  if constexpr (kSum)
    for (int u = 0; u < g.uses.n; ++u) row[g.uses.at[u].feature] += g.uses.at[u].norm * total(sum[u]);
}

struct Pull {  // of W triplets: dE/dr_j = along_j r_j + cross r_k, dE/dr_k = along_k r_k + cross r_j
  vec along_j, along_k, cross;
};

template <bool kNarrow>
inline Pull pull_of_block(const Triplets &g, int first, int last, const double *own, const Partner &p, const Side &side,
                          const vec *exponentials, const double *slope) {
  vec value[kMostCombinations], lower[kMostCombinations];
  for (int q = 0; q < g.combinations.n; ++q) raise(g.combinations.at[q], side.cosine, value[q], lower[q]);
  vec sum = {}, with_eta = {}, with_shift = {}, turn = {};
  for (int m = first; m < last; ++m) {
    const Channel &c = g.channels.at[m];
    vec power = {}, bend = {};
    for (int u = c.first; u < c.last; ++u) {
      const Use &use = g.uses.at[u];
      const Combination &q = g.combinations.at[use.combination];
      const double s = slope[use.feature] * use.norm;
      power += s * value[use.combination];
      bend += (s * q.zeta * q.lam) * lower[use.combination];
    }
    const vec e = exponentials[m], term = e * power;
    sum += term;
    with_eta += c.eta * term;
    with_shift += (c.eta * c.shift) * term;
    turn += e * bend;
  }
  const double f = own[4], fp = own[5], inverse = own[6];
  const vec third = kNarrow ? side.f : all(1);
  const vec both = p.f * third, product = f * both, twice = 2 * product;
  const vec angle = product * turn * inverse * p.inverse;
  const vec back = angle * side.cosine;
  Pull pull;
  pull.along_j = fp * both * sum - twice * (with_eta - with_shift * inverse) - back * (p.r * inverse);
  pull.along_k = f * p.fp * third * sum - twice * (with_eta - with_shift * p.inverse) - back * (own[3] * p.inverse);
  pull.cross = angle;
  if constexpr (kNarrow) {
    const vec between = f * p.f * side.fp * sum - twice * (with_eta - with_shift * side.inverse);
    pull.along_j += between, pull.along_k += between, pull.cross -= between;
  }
  return pull;
}

// Channels first..last of the group only: all of them for forces, that of one function for its derivatives.
template <bool kNarrow>
void pull_triplets(const Walk &walk, Cursor &at, const double *slope, int first, int last) {
  const Space &space = walk.space;
  const Star &s = space.star;
  const Triplets &g = walk.group;
  const int n_channels = g.channels.n;
  for (int j = s.first[g.first]; j < s.end[g.first]; ++j) {
    const double *own = s.record + kRecord * j;
    const quad place = {s.x[j], s.y[j], s.z[j], 0}, unit = {0, 0, 0, 1};
    vec x = {}, y = {}, z = {}, along = {};
    for (int left = space.counts.at[at.count++]; left > 0; left -= W) {
      const uint16_t *k = space.partners.at + at.partner;
      const Partner p = gather(s, k);
      const Pull pull = pull_of_block<kNarrow>(g, first, last, own, p, space.sides.at[at.block],
                                               space.exponentials.at + at.exponential, slope);
      const vec reach = pull.cross * p.r;
      x += reach * p.n[0], y += reach * p.n[1], z += reach * p.n[2], along += pull.along_j;
      alignas(64) double cross[W], along_k[W];
      std::memcpy(cross, &pull.cross, sizeof cross), std::memcpy(along_k, &pull.along_k, sizeof along_k);
      for (int l = 0; l < (left < W ? left : W); ++l) s.scatter[k[l]] += cross[l] * place + along_k[l] * unit;
      at.partner += W, ++at.block, at.exponential += n_channels;
    }
    s.scatter[j] += totals(x, y, z, along);
  }
}

}  // namespace
