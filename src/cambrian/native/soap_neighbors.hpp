// Neighbors of one atom, species by species in blocks of vectors: harmonics with neighbors in the lanes, radial functions
// with n in the lanes.
#pragma once
#include <cstdlib>
#include <cstring>

#include "lanes.hpp"
#include "soap_job.hpp"

using namespace cambrian;

namespace {

inline vec load(const double *from) {
  vec x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
inline void store(double *to, vec x) { std::memcpy(to, &x, sizeof x); }

struct SoapBlock {  // W neighbors of one species
  vec u[3], inverse;
  double r[W];
  int64_t edge[W];  // -1 where a lane is empty
};

// Memory for the neighbors of one atom, and for one atom's sums c and their slopes d = dE/dc.
struct SoapBuffers {
  char *next;
  size_t used = 0;
  SoapBlock *block;
  int *block_first;  // n_species + 1
  vec *y;            // (block, value and slopes along x, y, z, h)
  double *g;         // (neighbor, value and slope, l, n)
  double *c, *d;     // (species, h, n)
  double *table;     // (n, n')
  int n_row, LN, H, n_moments;

  template <class T>
  T *take(size_t n) {
    T *p = next ? reinterpret_cast<T *>(next + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
  SoapBuffers(const SoapPlan &p, char *memory, int max_neighbors) : next(memory) {
    const size_t blocks = max_neighbors / W + p.n_species + 1;
    n_row = p.n_row, H = p.n_harmonics(), LN = (p.l_max + 1) * n_row, n_moments = H * n_row;
    block = take<SoapBlock>(blocks);
    block_first = take<int>(p.n_species + 1);
    y = take<vec>(blocks * 4 * H);
    g = take<double>(blocks * W * 2 * LN);
    c = take<double>((size_t)p.n_species * n_moments);
    d = take<double>((size_t)p.n_species * n_moments);
    table = take<double>((size_t)2 * p.n_max * n_row);
  }
  vec *harmonics(int k) const { return y + (size_t)k * 4 * H; }
  double *radial(int k, int lane) const { return g + (size_t)(k * W + lane) * 2 * LN; }
};

// Memory that a thread keeps from call to call.
struct SoapMemory {
  char *start = nullptr;
  size_t size = 0;
  ~SoapMemory() { std::free(start); }
  bool reserve(size_t needed) {
    if (size >= needed) return true;
    std::free(start);
    start = static_cast<char *>(std::aligned_alloc(64, (needed + 63) / 64 * 64));
    size = start ? needed : 0;
    return start;
  }
};

inline int most_neighbors(const cambrian_stars &stars) {
  int64_t longest = 0;
  for (int64_t i = 0; i < stars.n_atoms; ++i) {
    const int64_t count = stars.first[i + 1] - stars.first[i];
    longest = count > longest ? count : longest;
  }
  return int(longest);
}

// Edges inside the cutoff by species, in whole blocks; an empty lane stands at 1 and is left out of all sums.
inline void stage(const SoapPlan &p, const cambrian_stars &stars, int64_t atom, const SoapBuffers &b) {
  const double reach = p.cutoff() * p.cutoff();
  int n = 0;
  for (int s = 0; s < p.n_species; ++s) {
    b.block_first[s] = n / W;
    for (int64_t e = stars.first[atom]; e < stars.first[atom + 1]; ++e) {
      const double *r = stars.r_ij + 3 * e;
      if ((p.n_species > 1 && stars.species[stars.neighbor[e]] != s) ||
          !(r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < reach))
        continue;
      SoapBlock &block = b.block[n / W];
      for (int c = 0; c < 3; ++c) block.u[c][n % W] = r[c];
      block.edge[n++ % W] = e;
    }
    for (; n % W; ++n) {
      SoapBlock &block = b.block[n / W];
      for (int c = 0; c < 3; ++c) block.u[c][n % W] = c == 2;
      block.edge[n % W] = -1;
    }
  }
  b.block_first[p.n_species] = n / W;
  for (int k = 0; k < n / W; ++k) {
    SoapBlock &block = b.block[k];
    const vec r = root(block.u[0] * block.u[0] + block.u[1] * block.u[1] + block.u[2] * block.u[2]);
    block.inverse = 1 / r;
    for (int c = 0; c < 3; ++c) block.u[c] *= block.inverse;
    std::memcpy(block.r, &r, sizeof r);
  }
}

// G, and with SLOPES dG/dr behind it.
template <bool SLOPES>
inline void radial(const SoapPlan &p, double r, double *g) {
  int s = 0;
  while (s + 1 < int(p.counts.size()) && r >= p.knots[s + 1]) ++s;
  const double x = (r - p.knots[s]) * p.rate[s];
  int64_t inside = int64_t(x);
  inside = inside < p.counts[s] ? inside : p.counts[s] - 1;
  const vec t = all(2 * (x - inside) - 1), scale = all(2 * p.rate[s]);
  const int LN = (p.l_max + 1) * p.n_row;
  const double *a = p.table.data() + (p.first[s] + inside) * CAMBRIAN_SOAP_ORDERS * LN;
  for (int i = 0; i < LN; i += W) {
    vec value = load(a + (CAMBRIAN_SOAP_ORDERS - 1) * LN + i), slope = {};
#pragma GCC unroll 10
    for (int k = CAMBRIAN_SOAP_ORDERS - 2; k >= 0; --k) {
      if (SLOPES) slope = slope * t + value;
      value = value * t + load(a + k * LN + i);
    }
    store(g + i, value);
    if (SLOPES) store(g + LN + i, slope * scale);
  }
}

// Columns by l: m = 0 .. l, then -1 .. -l. With SLOPES, behind Y its derivatives along x, y, z: across the edge, over r.
template <bool SLOPES>
inline void harmonics(const SoapPlan &p, const vec *u, vec inverse, vec *Y) {
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
    vec *y = Y + l * l;
    for (int m = 0; m <= l; ++m) {
      y[m] = now[m] * c[m];
      if (m) y[l + m] = now[m] * s[m];
      if (!SLOPES) continue;
      vec *dx = y + H, *dy = dx + H, *dz = dy + H;
      const vec up = m < l ? p.raising[l * n + m] * now[m + 1] : vec{};
      const vec low_c = m ? m * c[m - 1] * now[m] : vec{}, low_s = m ? m * s[m - 1] * now[m] : vec{};
      dx[m] = low_c, dy[m] = -low_s, dz[m] = up * c[m];
      if (m) dx[l + m] = low_s, dy[l + m] = low_c, dz[l + m] = up * s[m];
    }
  }
  if (!SLOPES) return;
  for (int h = 0; h < H; ++h) {
    vec *dx = Y + H + h, *dy = dx + H, *dz = dy + H;
    const vec along = u[0] * *dx + u[1] * *dy + u[2] * *dz;
    *dx = (*dx - u[0] * along) * inverse, *dy = (*dy - u[1] * along) * inverse, *dz = (*dz - u[2] * along) * inverse;
  }
}

template <bool SLOPES>
inline void expand(const SoapPlan &p, const SoapBuffers &b) {
  for (int k = 0; k < b.block_first[p.n_species]; ++k) {
    const SoapBlock &block = b.block[k];
    harmonics<SLOPES>(p, block.u, block.inverse, b.harmonics(k));
    for (int lane = 0; lane < W; ++lane)
      if (block.edge[lane] >= 0) radial<SLOPES>(p, block.r[lane], b.radial(k, lane));
  }
}

}  // namespace
