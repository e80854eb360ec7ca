// Memory of one evaluation, kept for the next: edges narrowed to the cutoff of a term, and the scratch of terms.
#pragma once
#include "deployed_term.hpp"

namespace cambrian::deployed {

struct Workspace {
  Scratch scratch;  // of terms
  std::vector<double> distance, energies, pull, r_ij, near;
  std::vector<int64_t> species, first, place, neighbor, near_species;

  // Distances and species of all edges; a sentence where something is wrong with them, else null.
  const char *look(const cambrian_stars &stars, int64_t n_species);

  // Those below the cutoff; `place` says where each stood.
  Edges narrowed(const cambrian_stars &stars, double cutoff);
};

}  // namespace cambrian::deployed
