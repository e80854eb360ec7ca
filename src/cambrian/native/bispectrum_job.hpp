// What the dispatcher hands to the kernel of an instruction set.
#pragma once
#include <cstdint>

#include "bispectrum.h"
#include "bispectrum_tables.hpp"

namespace cambrian {

// Atoms go through in batches of one vector width. Which outputs are set says what to compute.
struct Job {
  const Tables *tables;
  double rfac0, rmin0;
  cambrian_edges edges;
  int threads;
  const double *const *folded;  // per species: coupling times coefficient, one a term; or null
  const double *slope;          // n_atoms x n_features, or null
  const int64_t *order;         // atoms by species, or null: as they come
  const int64_t *batch;         // n_batches + 1 positions in the order; a batch has one species
  const int64_t *batch_species;
  int64_t n_batches;
  double *features, *energies, *pull, *jacobian;
  const int64_t *neighbor, *block, *structure;  // of fitting rows
  double *const *sums;              // per thread: forces, then strain; or null
  int64_t row, n_forces;            // length of a row of sums, and of all forces
};

constexpr int kPad = 8;
static inline int padded(int n_features) { return (n_features + kPad - 1) / kPad * kPad; }

using Kernel = int (*)(const Job &);  // 0, or 1 when memory ran out

}  // namespace cambrian
