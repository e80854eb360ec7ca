// The C ABI of the symmetry functions: handles, checks of what comes in, and the call into the instruction set in use.
#include "symmetry_functions.h"

#include <new>

#include "runtime.hpp"
#include "symmetry_job.hpp"

namespace cambrian {
int run_symmetry_baseline(const SymmetryJob &);
#ifdef CAMBRIAN_HAS_v3
int run_symmetry_v3(const SymmetryJob &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_symmetry_v4(const SymmetryJob &);
#endif
}  // namespace cambrian

using namespace cambrian;

struct cambrian_symmetry {
  const Plan *plan;
  Owner *owner;
};

struct cambrian_networks {
  Networks *networks;
};

namespace {

int run_in_use(const SymmetryJob &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_symmetry_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_symmetry_v3(job);
#endif
  return run_symmetry_baseline(job);
}

int run(const cambrian_symmetry *kernel, const cambrian_stars *stars, SymmetryJob job) {
  const int64_t n_atoms = stars->n_atoms;
  if (!finite(stars->r_ij, 3 * stars->first[n_atoms])) return 2;
  for (int64_t i = 0; i < n_atoms; ++i)
    if (stars->first[i + 1] - stars->first[i] > kMostNeighbors) return 3;
  job.plan = kernel->plan;
  job.stars = *stars;
  job.threads = n_threads();
  return run_in_use(job);
}

}  // namespace

cambrian_symmetry *cambrian_symmetry_new(int n_species, const double *weight, int64_t n_functions,
                                         const cambrian_symmetry_function *functions, int64_t n_compact,
                                         const cambrian_compact_function *compact,
                                         const cambrian_envelope *envelope) try {
  if (n_species < 0 || n_species > kMostSpecies) return nullptr;
  for (int64_t i = 0; i < n_functions; ++i)
    if (functions[i].kind != CAMBRIAN_RADIAL && !(functions[i].zeta >= 0 && functions[i].zeta <= kMostDegree)) return nullptr;
  for (int64_t i = 0; i < n_compact; ++i)
    if (compact[i].core < 0 || compact[i].core > kMostOrder) return nullptr;
  Owner *owner = nullptr;
  const Plan *plan = build_plan(n_species, weight, n_functions, functions, n_compact, compact, *envelope, owner);
  return new cambrian_symmetry{plan, owner};
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_symmetry_free(cambrian_symmetry *kernel) {
  if (!kernel) return;
  free_plan(kernel->owner);
  delete kernel;
}

int cambrian_symmetry_n_features(const cambrian_symmetry *kernel) { return kernel->plan->n_features; }

int cambrian_symmetry_features(const cambrian_symmetry *kernel, const cambrian_stars *stars, double *features) {
  SymmetryJob job{};
  job.features = features;
  return run(kernel, stars, job);
}

int cambrian_symmetry_pull(const cambrian_symmetry *kernel, const cambrian_stars *stars, const double *slope,
                           double *pull) {
  SymmetryJob job{};
  job.slope = slope;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_symmetry_energies_and_pull(const cambrian_symmetry *kernel, const cambrian_stars *stars,
                                        const double *slope, double *energies, double *pull) {
  SymmetryJob job{};
  job.slope = slope;
  job.energies = energies;
  job.pull = pull;
  return run(kernel, stars, job);
}

cambrian_networks *cambrian_networks_new(const cambrian_symmetry *kernel, int n_species, const int32_t *depths,
                                         const int32_t *sizes, const int32_t *activations, const double *values) try {
  if (n_species != kernel->plan->n_species) return nullptr;
  return new cambrian_networks{build_networks(n_species, kernel->plan->n_features, depths, sizes, activations, values)};
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_networks_free(cambrian_networks *networks) {
  if (!networks) return;
  free_networks(networks->networks);
  delete networks;
}

int cambrian_symmetry_networks(const cambrian_symmetry *kernel, const cambrian_networks *networks,
                               const cambrian_stars *stars, double *features, double *energies, double *pull) {
  SymmetryJob job{};
  job.networks = networks->networks;
  job.features = features;
  job.energies = energies;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_symmetry_jacobian(const cambrian_symmetry *kernel, const cambrian_stars *stars, double *features,
                               double *jacobian) {
  SymmetryJob job{};
  job.features = features;
  job.jacobian = jacobian;
  return run(kernel, stars, job);
}
