// What the dispatcher hands to the kernel of an instruction set.
#pragma once
#include "symmetry_network.hpp"
#include "symmetry_plan.hpp"

namespace cambrian {

// Which outputs are set says what to compute.
struct SymmetryJob {
  const Plan *plan;
  cambrian_stars stars;
  int threads;
  const Networks *networks;  // or null
  const double *slope;       // n_atoms x n_features, or null
  double *features, *energies, *pull, *jacobian;
};

constexpr int kMostNeighbors = 60000;

}  // namespace cambrian
