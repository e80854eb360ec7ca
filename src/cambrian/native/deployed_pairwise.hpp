// Terms that are half a curve of the distance for each pair: E_i = 1/2 sum over j of V_st(r_ij), with s, t the elements.
#pragma once
#include "deployed_term.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

// Place of a pair among (1,1), (1,2) ... (2,2) ...
inline int64_t row_of(int64_t s, int64_t t, int64_t n_species) {
  const int64_t low = s < t ? s : t, high = s < t ? t : s;
  return low * n_species - low * (low - 1) / 2 + high - low;
}

// `curve(pair, distance, slope)` gives V and its slope below the cutoff of the pair, (s, t) in the order s n + t.
template <class Curve>
int add_pairs(const Edges &edges, int64_t n_species, const double *cutoffs, double *energies, double *pull, Curve curve) {
  const cambrian_stars &stars = edges.stars;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
  for (int64_t i = 0; i < stars.n_atoms; ++i) {
    double energy = 0;
    for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e) {
      const int64_t pair = stars.species[i] * n_species + edges.neighbor_species[e];
      const double r = edges.distance[e];
      double slope = 0;
      if (r < cutoffs[pair]) energy += 0.5 * curve(pair, r, slope);
      const double along = 0.5 * slope / r;
      for (int c = 0; c < 3; ++c) pull[3 * e + c] = along * stars.r_ij[3 * e + c];
    }
    energies[i] = energy;
  }
  return 0;
}

}  // namespace cambrian::deployed
