// The bispectrum (bispectrum.h) as a descriptor: features (B - zeros) scale.
//
// `two_j_max`; what WeightedNeighbors reads; `zeros`, `scale` (K).
#include "bispectrum.h"

#include "deployed_weighted.hpp"

namespace cambrian::deployed {

namespace {

struct Free {
  void operator()(cambrian_bispectrum *kernel) const { cambrian_bispectrum_free(kernel); }
  void operator()(cambrian_bispectrum_linear *linear) const { cambrian_bispectrum_linear_free(linear); }
};

class Bispectrum : public Descriptor {
 public:
  explicit Bispectrum(const Arrays &arrays) : n_species_(arrays.n_species()), neighbors_(arrays) {
    const int two_j_max = int(arrays.integer("two_j_max", 0, 16));
    kernel_.reset(cambrian_bispectrum_new(two_j_max, neighbors_.rfac0, neighbors_.rmin0));
    if (!kernel_) throw std::bad_alloc();
    n_ = cambrian_bispectrum_n_features(kernel_.get());
    const double *zeros = arrays.reals("zeros", {n_}), *scale = arrays.reals("scale", {n_});
    zeros_.assign(zeros, zeros + n_);
    scale_.assign(scale, scale + n_);
  }

  double cutoff() const override { return neighbors_.cutoff(); }
  int64_t n_features() const override { return n_; }

  int features(const Edges &edges, Scratch &scratch, double *features) const override {
    const cambrian_edges given = neighbors_.of(edges, scratch);
    if (const int status = cambrian_bispectrum_features(kernel_.get(), &given, features)) return status;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i)
      for (int64_t k = 0; k < n_; ++k) features[i * n_ + k] = (features[i * n_ + k] - zeros_[k]) * scale_[k];
    return 0;
  }

  int pull(const Edges &edges, Scratch &scratch, double *slope, double *pull) const override {
    const cambrian_edges given = neighbors_.of(edges, scratch);
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i)
      for (int64_t k = 0; k < n_; ++k) slope[i * n_ + k] *= scale_[k];
    return cambrian_bispectrum_pull(kernel_.get(), &given, slope, pull);
  }

  bool fold(const double *coefficients) override {
    std::vector<double> raw(coefficients, coefficients + n_species_ * n_);
    constants_.assign(n_species_, 0);
    for (int64_t s = 0; s < n_species_; ++s)
      for (int64_t k = 0; k < n_; ++k) {
        raw[s * n_ + k] *= scale_[k];
        constants_[s] -= raw[s * n_ + k] * zeros_[k];
      }
    linear_.reset(cambrian_bispectrum_linear_new(kernel_.get(), int(n_species_), raw.data()));
    if (!linear_) throw std::bad_alloc();
    return true;
  }

  int folded(const Edges &edges, Scratch &scratch, double *energies, double *pull) const override {
    const cambrian_edges given = neighbors_.of(edges, scratch);
    const int64_t *species = edges.stars.species;
    const int status = cambrian_bispectrum_energies_and_pull(kernel_.get(), linear_.get(), &given, species, energies, pull);
    for (int64_t i = 0; !status && i < edges.stars.n_atoms; ++i) energies[i] += constants_[species[i]];
    return status;
  }

 private:
  int64_t n_species_, n_;
  WeightedNeighbors neighbors_;
  std::vector<double> zeros_, scale_, constants_;
  std::unique_ptr<cambrian_bispectrum, Free> kernel_;
  std::unique_ptr<cambrian_bispectrum_linear, Free> linear_;
};

}  // namespace

std::unique_ptr<Descriptor> make_bispectrum(const Arrays &arrays) { return std::make_unique<Bispectrum>(arrays); }

}  // namespace cambrian::deployed
