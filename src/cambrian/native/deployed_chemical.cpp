// The bispectrum with a density for each element (chemical.h) as a descriptor: features (B - zeros) scale.
//
// `two_j_max`, `self_in_all`; what WeightedNeighbors reads; `zeros` (n_species x K: by the atom's own), `scale` (K).
#include "chemical.h"

#include <new>
#include <numeric>

#include "deployed_weighted.hpp"

namespace cambrian::deployed {

namespace {

constexpr int64_t kMostChannels = 16, kMostTwoJ = 16;

struct Free {
  void operator()(cambrian_chemical *kernel) const { cambrian_chemical_free(kernel); }
};

class Chemical : public Descriptor {
 public:
  explicit Chemical(const Arrays &arrays) : n_species_(arrays.n_species()), neighbors_(arrays) {
    const int two_j_max = int(arrays.integer("two_j_max", 0, kMostTwoJ)), n_species = int(n_species_);
    const int self_in_all = int(arrays.integer("self_in_all", 0, 1));
    if (n_species_ > kMostChannels) arrays.refuse("it has more than 16 elements");
    kernel_.reset(cambrian_chemical_new(two_j_max, neighbors_.rfac0, neighbors_.rmin0, n_species, self_in_all));
    if (!kernel_) throw std::bad_alloc();
    n_ = cambrian_chemical_n_features(kernel_.get());
    const double *zeros = arrays.reals("zeros", {n_species_, n_}), *scale = arrays.reals("scale", {n_});
    zeros_.assign(zeros, zeros + n_species_ * n_);
    scale_.assign(scale, scale + n_);
  }

  double cutoff() const override { return neighbors_.cutoff(); }
  int64_t n_features() const override { return n_; }

  int features(const Edges &edges, Scratch &scratch, double *features) const override {
    const cambrian_channels given = channels_of(edges, scratch);
    if (const int status = cambrian_chemical_features(kernel_.get(), &given, features)) return status;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i) {
      const double *zeros = zeros_.data() + edges.stars.species[i] * n_;
      for (int64_t k = 0; k < n_; ++k) features[i * n_ + k] = (features[i * n_ + k] - zeros[k]) * scale_[k];
    }
    return 0;
  }

  int pull(const Edges &edges, Scratch &scratch, double *slope, double *pull) const override {
    const cambrian_channels given = channels_of(edges, scratch);
    const int64_t n_atoms = edges.stars.n_atoms;
    int64_t *row = scratch.integers(kRow, n_atoms);
    std::iota(row, row + n_atoms, int64_t(0));
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < n_atoms; ++i)
      for (int64_t k = 0; k < n_; ++k) slope[i * n_ + k] *= scale_[k];
    return cambrian_chemical_pull(kernel_.get(), &given, slope, row, nullptr, pull);
  }

  bool fold(const double *coefficients) override {
    raw_.assign(coefficients, coefficients + n_species_ * n_);
    constants_.assign(n_species_, 0);
    for (int64_t s = 0; s < n_species_; ++s)
      for (int64_t k = 0; k < n_; ++k) {
        raw_[s * n_ + k] *= scale_[k];
        constants_[s] -= raw_[s * n_ + k] * zeros_[s * n_ + k];
      }
    return true;
  }

  int folded(const Edges &edges, Scratch &scratch, double *energies, double *pull) const override {
    const cambrian_channels given = channels_of(edges, scratch);
    const int64_t *species = edges.stars.species;
    const int status = cambrian_chemical_pull(kernel_.get(), &given, raw_.data(), species, energies, pull);
    for (int64_t i = 0; !status && i < edges.stars.n_atoms; ++i) energies[i] += constants_[species[i]];
    return status;
  }

 private:
  enum { kRow = kOwn };

  cambrian_channels channels_of(const Edges &edges, Scratch &scratch) const {
    return {neighbors_.of(edges, scratch), edges.stars.species, edges.neighbor_species};
  }

  int64_t n_species_, n_;
  WeightedNeighbors neighbors_;
  std::vector<double> zeros_, scale_, raw_, constants_;
  std::unique_ptr<cambrian_chemical, Free> kernel_;
};

}  // namespace

std::unique_ptr<Descriptor> make_chemical(const Arrays &arrays) { return std::make_unique<Chemical>(arrays); }

}  // namespace cambrian::deployed
