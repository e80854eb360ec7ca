// See deployed_workspace.hpp.
#include "deployed_workspace.hpp"

#include <cmath>

#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

template <class T>
void reach(std::vector<T> &values, int64_t n) {
  if (int64_t(values.size()) < n) values.resize(n + n / 8);
}

}  // namespace

const char *Workspace::look(const cambrian_stars &stars, int64_t n_species) {
  const int64_t n_atoms = stars.n_atoms, n_edges = stars.first[n_atoms];
  reach(distance, n_edges), reach(species, n_edges);
  int64_t strange = 0, together = 0;
#pragma omp parallel for num_threads(n_threads()) schedule(static) reduction(+ : strange, together)
  for (int64_t i = 0; i < n_atoms; ++i) {
    if (stars.species[i] < 0 || stars.species[i] >= n_species) ++strange;
    for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e) {
      const double *r = stars.r_ij + 3 * e;
      distance[e] = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
      species[e] = stars.species[stars.neighbor[e]];
      strange += species[e] < 0 || species[e] >= n_species;
      together += distance[e] == 0;
    }
  }
  if (strange) return "an atom is of an element that the potential does not have";
  return together ? "two atoms stand at the same place" : nullptr;
}

Edges Workspace::narrowed(const cambrian_stars &stars, double cutoff) {
  const int64_t n_atoms = stars.n_atoms;
  reach(first, n_atoms + 1);
  first[0] = 0;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
  for (int64_t i = 0; i < n_atoms; ++i) {
    int64_t count = 0;
    for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e) count += distance[e] < cutoff;
    first[i + 1] = count;
  }
  for (int64_t i = 0; i < n_atoms; ++i) first[i + 1] += first[i];
  const int64_t n_edges = first[n_atoms];
  reach(r_ij, 3 * n_edges), reach(near, n_edges), reach(near_species, n_edges), reach(neighbor, n_edges), reach(place, n_edges);
#pragma omp parallel for num_threads(n_threads()) schedule(static)
  for (int64_t i = 0; i < n_atoms; ++i) {
    int64_t to = first[i];
    for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e) {
      if (!(distance[e] < cutoff)) continue;
      for (int c = 0; c < 3; ++c) r_ij[3 * to + c] = stars.r_ij[3 * e + c];
      near[to] = distance[e], near_species[to] = species[e], neighbor[to] = stars.neighbor[e], place[to] = e;
      ++to;
    }
  }
  return {{n_atoms, first.data(), r_ij.data(), neighbor.data(), stars.species}, n_edges, near.data(), near_species.data()};
}

}  // namespace cambrian::deployed
