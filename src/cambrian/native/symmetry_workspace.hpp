// A thread's memory: the neighbors of one atom within one cutoff, and what the forward sweep leaves for the reverse one.
// Part of symmetry_kernel.cpp.
#pragma once
#include <cstring>

#include "pool.hpp"
#include "symmetry_job.hpp"
#include "symmetry_windows.hpp"

using namespace cambrian;

namespace {

typedef double quad __attribute__((vector_size(32), may_alias));

constexpr double kFar = 1e6;             // angstrom: where padding stands
constexpr int kRecord = 8;  // n_x n_y n_z r f f'/r 1/r, and one to spare

struct Star {  // the neighbors within a cutoff, species by species, each species padded to whole vectors
  int n;       // padded; one more vector of padding follows
  int first[kMostSpecies + 1], end[kMostSpecies];
  double *x, *y, *z, *weight;
  double *record;                        // n x kRecord
  vec *direction;                        // 3 a block
  vec *r, *inverse, *f, *fp;             // one a block
  vec *pull_x, *pull_y, *pull_z, *along;  // one a block; `along` multiplies r_j
  quad *scatter;                         // x, y, z, along: one a neighbor
  int64_t *edge;
};

struct Side {  // of W triplets: the angle and the window of the third side, for the reverse sweep
  vec cosine, f, fp, inverse;
};

struct Sums {  // of W triplets over channels: D, D_1 without and with r_s, and sum e P' (symmetry_triplets.hpp)
  vec all, eta, shift, turn;
};

struct Sight {  // of j and W neighbors k: the third side, and which of them make a pair
  vec apart, inverse, cosine, open;
};

struct Meeting {  // a window that j lies in, and the blocks of k that do too
  int channel, from, to;
  double value, slope;  // of j: C and C'/r
};

struct Push {  // on W neighbors k, see symmetry_compact.hpp
  vec along_j, along_k, cross;
};

struct Slope {  // of a function: what multiplies (1 + lam c)^zeta, and (1 + lam c)^(zeta-1) in the derivative by c
  double power, bend;
};

struct Space {  // what a thread works in: one atom and shell
  Star star;
  Pool<double> doubles;
  Pool<vec> vecs;
  Pool<quad> quads;
  Pool<int64_t> edges;
  Pool<vec> radial;         // exponentials of radial functions
  Pool<uint16_t> partners;  // the surviving k of every j, padded to whole vectors
  Pool<int> counts;         // how many, for every j of every group
  Pool<Side> sides;
  Pool<vec> exponentials;  // of every block and channel
  Pool<vec> windows;       // w and (dw/dr)/r of wide channels
  Pool<double> moments;    // A by segment, channel and monomial
  Pool<int> inside, reach;  // reach: of each window in each segment, its blocks
  Pool<double> squares;
  Pool<Sight> sights;
  Pool<Meeting> meetings;
  Pool<Push> pushes;
  Pool<vec> sums, run;
  Pool<Sums> along_run;
  Pool<Slope> slopes;
  Pool<double> row, slope, one, partials, gradient, network;
};

struct Spaces {  // one a shell: the forward sweeps of all come before the reverse ones
  Space **at = nullptr;
  int n = 0;
  Space &operator[](int i) {
    if (i >= n) {
      Space **grown = static_cast<Space **>(std::realloc(at, (i + 1) * sizeof(Space *)));
      if (!grown) throw std::bad_alloc();
      for (at = grown; n <= i; ++n) at[n] = new Space;
    }
    return *at[i];
  }
  ~Spaces() {
    for (int i = 0; i < n; ++i) delete at[i];
    std::free(at);
  }
};

thread_local Spaces workspace;

inline int padded(int n) { return (n + W - 1) / W * W; }

inline vec load(const double *p) {
  vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline double total(vec v) {
  double sum = 0;
  for (int l = 0; l < W; ++l) sum += v[l];
  return sum;
}

inline quad totals(vec a, vec b, vec c, vec d) {
  quad result;
  if constexpr (W == 2) {
    vec low[2] = {a, b}, high[2] = {c, d};
    const vec x = sums(low), y = sums(high);
    for (int l = 0; l < 2; ++l) result[l] = x[l], result[l + 2] = y[l];
  } else {
    vec v[W < 4 ? 4 : W] = {a, b, c, d};
    const vec x = sums(v);
    for (int l = 0; l < 4; ++l) result[l] = x[l];
  }
  return result;
}

}  // namespace
