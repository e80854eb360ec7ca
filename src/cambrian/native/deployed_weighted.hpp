// Neighbors as the bispectrum takes them: a cutoff for each pair of species, a weight for each, and how distances fill the
// half circle. `rfac0`, `rmin0`; `cutoffs` (n_species x n_species: center, neighbor), `weights` (n_species, of neighbors).
#pragma once
#include <algorithm>
#include <vector>

#include "bispectrum.h"
#include "deployed_term.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

class WeightedNeighbors {
 public:
  double rfac0, rmin0;

  explicit WeightedNeighbors(const Arrays &arrays)
      : rfac0(arrays.real("rfac0")), rmin0(arrays.real("rmin0")), n_species_(arrays.n_species()) {
    const double *cutoffs = arrays.positives("cutoffs", {n_species_, n_species_});
    const double *weights = arrays.reals("weights", {n_species_});
    cutoffs_.assign(cutoffs, cutoffs + n_species_ * n_species_);
    weights_.assign(weights, weights + n_species_);
    if (!(rfac0 > 0 && rfac0 <= 1)) arrays.refuse("rfac0 must be above 0 and at most 1");
    if (!(rmin0 >= 0 && rmin0 <= 0.5 * *std::min_element(cutoffs_.begin(), cutoffs_.end())))
      arrays.refuse("rmin0 must be within 0 and half of the shortest cutoff");
  }

  double cutoff() const { return *std::max_element(cutoffs_.begin(), cutoffs_.end()); }

  cambrian_edges of(const Edges &edges, Scratch &scratch) const {
    const cambrian_stars &s = edges.stars;
    double *cutoff = scratch.doubles(kEdgeValues, edges.n_edges), *weight = scratch.doubles(kEdgeSlopes, edges.n_edges);
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < s.n_atoms; ++i) {
      const double *row = cutoffs_.data() + s.species[i] * n_species_;
      for (int64_t e = s.first[i]; e < s.first[i + 1]; ++e)
        cutoff[e] = row[edges.neighbor_species[e]], weight[e] = weights_[edges.neighbor_species[e]];
    }
    return {s.n_atoms, s.first, s.r_ij, cutoff, weight};
  }

 private:
  int64_t n_species_;
  std::vector<double> cutoffs_, weights_;
};

}  // namespace cambrian::deployed
