// Heads that are polynomials of the features, of the first degree or the second, by element:
//
//     E_i = c_0 + c . G_i                     `constants` (n_species), `coefficients` (n_species x K)
//     E_i = c_0 + c . G_i + G_i A G_i / 2     `quadratic` (n_species x K x K, symmetric) besides
#include "deployed_term.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

class Linear : public Head {
 public:
  Linear(const Arrays &arrays, int64_t n_features) : n_(n_features) {
    const int64_t n_species = arrays.n_species();
    const double *constants = arrays.reals("constants", {n_species});
    const double *coefficients = arrays.reals("coefficients", {n_species, n_});
    constants_.assign(constants, constants + n_species);
    coefficients_.assign(coefficients, coefficients + n_species * n_);
  }

  void energies_and_slopes(const Edges &edges, const double *features, Scratch &, double *energies,
                           double *slopes) const override {
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i) {
      const int64_t s = edges.stars.species[i];
      const double *c = coefficients_.data() + s * n_, *G = features + i * n_;
      double energy = constants_[s];
      for (int64_t k = 0; k < n_; ++k) energy += c[k] * G[k], slopes[i * n_ + k] = c[k];
      energies[i] = energy;
    }
  }

  bool fold_into(Descriptor &descriptor) const override { return descriptor.fold(coefficients_.data()); }
  const double *constants() const override { return constants_.data(); }

 protected:
  int64_t n_;
  std::vector<double> constants_, coefficients_;
};

class Quadratic : public Linear {
 public:
  Quadratic(const Arrays &arrays, int64_t n_features) : Linear(arrays, n_features) {
    const double *given = arrays.reals("quadratic", {arrays.n_species(), n_, n_});
    quadratic_.assign(given, given + arrays.n_species() * n_ * n_);
  }

  void energies_and_slopes(const Edges &edges, const double *features, Scratch &, double *energies,
                           double *slopes) const override {
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i) {
      const int64_t s = edges.stars.species[i];
      const double *c = coefficients_.data() + s * n_, *A = quadratic_.data() + s * n_ * n_, *G = features + i * n_;
      double *slope = slopes + i * n_, energy = constants_[s];
      for (int64_t k = 0; k < n_; ++k) slope[k] = 0;
      for (int64_t l = 0; l < n_; ++l)
        for (int64_t k = 0; k < n_; ++k) slope[k] += G[l] * A[l * n_ + k];
      for (int64_t k = 0; k < n_; ++k) energy += (c[k] + 0.5 * slope[k]) * G[k], slope[k] += c[k];
      energies[i] = energy;
    }
  }

  bool fold_into(Descriptor &) const override { return false; }

 private:
  std::vector<double> quadratic_;
};

}  // namespace

std::unique_ptr<Head> make_linear(const Arrays &arrays, int64_t n_features) {
  return std::make_unique<Linear>(arrays, n_features);
}

std::unique_ptr<Head> make_quadratic(const Arrays &arrays, int64_t n_features) {
  return std::make_unique<Quadratic>(arrays, n_features);
}

}  // namespace cambrian::deployed
