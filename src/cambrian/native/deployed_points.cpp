// The head of sparse points, for descriptors that do not take them into their own sweep. See deployed_points.hpp.
#include "deployed_points.hpp"

#include <cmath>

#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

constexpr double kEmpty = 1e-12, kHighest = 64;  // length of G of an empty environment; exponent

double power(double u, int n) {
  double value = 1;
  for (; n; n >>= 1, u *= u)
    if (n & 1) value *= u;
  return value;
}

class PointsHead : public Head {
 public:
  PointsHead(const Arrays &arrays, int64_t n_features) : n_(n_features), given_(arrays, n_features) {}

  void energies_and_slopes(const Edges &edges, const double *features, Scratch &, double *energies,
                           double *slopes) const override {
#pragma omp parallel for num_threads(n_threads()) schedule(dynamic, 8)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i)
      energies[i] = of_atom(edges.stars.species[i], features + i * n_, slopes + i * n_);
  }

  bool fold_into(Descriptor &descriptor) const override { return descriptor.fold(given_); }

 private:
  double of_atom(int64_t s, const double *G, double *slope) const {
    double square = 0, energy = 0, along = 0;
    for (int64_t k = 0; k < n_; ++k) square += G[k] * G[k], slope[k] = 0;
    if (square < kEmpty * kEmpty) return 0;
    const double inverse = 1 / std::sqrt(square);
    const bool whole = given_.exponent == std::floor(given_.exponent);
    for (int64_t p = given_.first[s]; p < given_.first[s + 1]; ++p) {
      const double *x = given_.points.data() + p * n_;
      double u = 0;
      for (int64_t k = 0; k < n_; ++k) u += G[k] * x[k];
      u *= inverse;
      if (!whole && u <= 0) continue;
      const double below = whole ? power(u, int(given_.exponent) - 1) : std::pow(u, given_.exponent - 1);
      const double c = given_.coefficients[p] * below, push = given_.exponent * c;
      energy += c * u, along += push * u;
      for (int64_t k = 0; k < n_; ++k) slope[k] += push * x[k];
    }
    for (int64_t k = 0; k < n_; ++k) slope[k] = inverse * (slope[k] - along * inverse * G[k]);
    return energy;
  }

  int64_t n_;
  Points given_;
};

}  // namespace

PointList::PointList(const Arrays &arrays, int64_t n_features) {
  const int64_t n_species = arrays.n_species(), n = arrays.length("points");
  if (n < 1) arrays.refuse("it has no points");
  const double *x = arrays.reals("points", {n, n_features}), *c = arrays.reals("coefficients", {n});
  const int64_t *begins = arrays.integers("first", {n_species + 1}, 0, n);
  for (int64_t s = 0; s < n_species; ++s)
    if (begins[s + 1] < begins[s]) arrays.refuse("its array first must rise");
  if (begins[0] != 0 || begins[n_species] != n) arrays.refuse("its array first must end with the number of points");
  first.assign(begins, begins + n_species + 1);
  points.assign(x, x + n * n_features);
  coefficients.assign(c, c + n);
}

Points::Points(const Arrays &arrays, int64_t n_features) : PointList(arrays, n_features), exponent(arrays.real("exponent")) {
  if (!(exponent >= 1 && exponent <= kHighest)) arrays.refuse("its exponent must be within 1 and 64");
}

std::unique_ptr<Head> make_points(const Arrays &arrays, int64_t n_features) {
  return std::make_unique<PointsHead>(arrays, n_features);
}

}  // namespace cambrian::deployed
