// Index and coupling tables of the bispectrum: what depends on two_j_max alone. Built once, read by every instruction set.
//
// Plain pointers, no containers: the kernels are compiled for several instruction sets, and an inline function of the
// standard library that they shared could be merged by the linker into the one an old processor cannot run.
#pragma once
#include <cstdint>

namespace cambrian {

constexpr int kMaxTwoJ = 16;
constexpr int kMaxRun = kMaxTwoJ / 2 + 1;
constexpr int kRowPad = 8;  // the widest vector

// One group of the quadratic form: U[first] * sum_t c_t U[start + t].
struct Group {
  uint16_t first, start;
};

// Products U[first] U[second] of one pair of levels (j1 >= j2) with the same sums of projections: every level j that they
// couple to takes its own sum of them. Levels descend, so that those of j >= j1, which B itself needs, stand first.
struct Bundle {
  uint16_t n_products, n_outs, n_tops;
};
struct Product {
  uint16_t first, second;
};

// The full plane from the stored half: U[full] = U[half], or sign * conj(U[half]).
struct Source {
  int half;
  double sign;  // 0: a plain copy
};

// A share of Y[source] in the gradient's form: even (re, im) adds to q0 or q2, odd (re, im) to q3 or q1.
struct Share {
  uint16_t source;
  double even_re, even_im, odd_re, odd_im;
};

// dB/dU of one component at one of its levels: (re, im) of the independent elements, from `start` of a row of all parts.
struct Part {
  int feature, level, start;
};

struct Component {  // one B of the canonical order j1 >= j2, j >= j1
  int j1, j2, j;
  int top;            // its part of level j
  double top_weight;  // B = top_weight * sum over that part of Re(Y* U)
};

struct Tables {
  int two_j_max;
  int n_features;
  int n_half;         // stored half plane, mb <= j/2, in the order of (j, mb, ma)
  int n_independent;  // without the mirrored part of the middle rows of even j
  int n_full;
  int level_half[kMaxTwoJ + 2];
  int level_independent[kMaxTwoJ + 2];
  int *half_of;       // independent -> half
  Source *source;     // full, ordered by (m, m', j): one weight's levels are neighbors in memory
  int n_groups, n_terms;
  Group *groups;      // by out, then by length of the run
  int *run_count;     // independent x kMaxRun: how many groups of each length
  double *coupling;   // one a term, in the order of the groups
  uint16_t *feature;  // the B each term belongs to
  Component *components;
  int level_part[kMaxTwoJ + 2];  // parts by level
  Part *parts;
  int n_row;                // length of a row of all parts
  int n_bundles;
  Bundle *bundles;
  Product *products;        // of all bundles, in their order
  double *bundle_coupling;  // n_outs for every product
  int *bundle_out;          // n_outs for every bundle: places in the row of parts
  int *share_first;   // 2 x independent of the levels below two_j_max, + 1: shares of (q0, q3), then of (q2, q1)
  Share *shares;
};

// Throws std::bad_alloc.
Tables *build_tables(int two_j_max);
void free_tables(Tables *tables);

}  // namespace cambrian
