// Sparse points of a Gaussian kernel:
//
//     E_i = sum over s of c_s exp(-|G_i - x_s|^2 / 2 length^2)
//
// over the points x_s of the element of atom i: `first` (n_species + 1), `points` (n x K), `coefficients` (n), `length`.
#include <cmath>

#include "deployed_points.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

class GaussianPoints : public Head {
 public:
  GaussianPoints(const Arrays &arrays, int64_t n_features) : n_(n_features), given_(arrays, n_features) {
    const double length = arrays.real("length");
    if (!(length > 0)) arrays.refuse("its length must be above 0");
    rate_ = 1 / (length * length);
    if (!std::isfinite(rate_)) arrays.refuse("its length is too short");
  }

  void energies_and_slopes(const Edges &edges, const double *features, Scratch &, double *energies,
                           double *slopes) const override {
#pragma omp parallel for num_threads(n_threads()) schedule(dynamic, 8)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i) {
      const double *G = features + i * n_;
      double *slope = slopes + i * n_, energy = 0;
      for (int64_t k = 0; k < n_; ++k) slope[k] = 0;
      const int64_t s = edges.stars.species[i];
      for (int64_t p = given_.first[s]; p < given_.first[s + 1]; ++p) {
        const double *x = given_.points.data() + p * n_;
        double square = 0;
        for (int64_t k = 0; k < n_; ++k) square += (G[k] - x[k]) * (G[k] - x[k]);
        const double value = given_.coefficients[p] * std::exp(-0.5 * rate_ * square);
        energy += value;
        for (int64_t k = 0; k < n_; ++k) slope[k] -= rate_ * value * (G[k] - x[k]);
      }
      energies[i] = energy;
    }
  }

 private:
  int64_t n_;
  double rate_;
  PointList given_;
};

}  // namespace

std::unique_ptr<Head> make_gaussian_points(const Arrays &arrays, int64_t n_features) {
  return std::make_unique<GaussianPoints>(arrays, n_features);
}

}  // namespace cambrian::deployed
