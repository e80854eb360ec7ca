// What the dispatcher hands to the triangles of an instruction set.
#pragma once
#include <cstdint>
#include <vector>

#include "triangles.h"

namespace cambrian {

struct TrianglePoints {  // of one kind, padded to whole vectors with weights of zero: first, second and third coordinate
  int n = 0;
  std::vector<double> x, y, z, weight;
};

struct TrianglePlan {
  int n_species;
  double inverse[3];  // of the lengths
  std::vector<double> knots, rate, table;
  std::vector<int64_t> counts, first;
  std::vector<TrianglePoints> kinds;

  double cutoff() const { return knots.back(); }
};

struct TriangleJob {
  const TrianglePlan *plan;
  cambrian_stars stars;
  int threads;
  double *energies, *pull;
};

}  // namespace cambrian
