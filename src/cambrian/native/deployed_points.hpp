// Sparse points of a kernel that is a power of a cosine:
//
//     E_i = sum over s of c_s u_s^exponent,      u_s = G_i . x_s / |G_i|
//
// over the points x_s of the element of atom i, unit vectors: `first` (n_species + 1), `points` (n x K), `coefficients` (n),
// `exponent`. With an exponent that is not whole, u below zero counts as zero. An empty environment has no energy.
#pragma once
#include "deployed_term.hpp"

namespace cambrian::deployed {

struct PointList {
  PointList(const Arrays &arrays, int64_t n_features);

  std::vector<int64_t> first;
  std::vector<double> points, coefficients;
};

struct Points : PointList {
  Points(const Arrays &arrays, int64_t n_features);

  double exponent;
};

}  // namespace cambrian::deployed
