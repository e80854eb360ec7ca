// What the dispatcher hands to the kernel of an instruction set.
#pragma once
#include "moments_plan.hpp"

namespace cambrian {

constexpr int kAtomsAtOnce = 8;

// Atoms go through in batches of kAtomsAtOnce. Which outputs are set says what to compute.
struct MomentJob {
  const MomentPlan *plan;
  cambrian_stars stars;
  int threads;
  const Program *folded;  // per species, or null
  const double *slope;    // n_atoms x n_features, or null
  const int64_t *order;   // atoms by species, or null: as they come
  const int64_t *batch;   // n_batches + 1 positions in the order; with `folded`, a batch has one species
  int64_t n_batches;
  double *features, *energies, *pull, *jacobian;
};

}  // namespace cambrian
