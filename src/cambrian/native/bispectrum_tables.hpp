// Index and coupling tables of the bispectrum: what depends on two_j_max alone. Built once, read by every instruction set.
//
// Plain pointers, no containers: the kernels are compiled for several instruction sets, and an inline function of the
// standard library that they shared could be merged by the linker into the one an old processor cannot run.
#pragma once
#include <cstdint>

namespace cambrian {

constexpr int kMaxTwoJ = 16;
constexpr int kMaxRun = kMaxTwoJ / 2 + 1;

// One group of the quadratic form: U[first] * sum_t c_t U[start + t].
struct Group {
  uint16_t first, start;
};

// One term of the table that keeps the components apart: c * U[first] * U[second].
struct Term {
  uint16_t first, second;
  double c;
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

struct Component {  // one B of the canonical order j1 >= j2, j >= j1
  int j1, j2, j;
  int n_levels;
  int levels[3];      // distinct levels among (j, j1, j2), j first
  int out_end[3];     // in component_out: where the outs of each level end
  double top_weight;  // B = top_weight * sum over the outs of level j of Re(Y* U)
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
  int n_component_out;
  uint16_t *component_out;  // the outs of component 0, then of component 1 ...
  int *component_terms;     // n_component_out + 1: their ranges of terms
  Term *terms;
  int *share_first;   // 2 x independent of the levels below two_j_max, + 1: shares of (q0, q3), then of (q2, q1)
  Share *shares;
};

// Throws std::bad_alloc.
Tables *build_tables(int two_j_max);
void free_tables(Tables *tables);

}  // namespace cambrian
