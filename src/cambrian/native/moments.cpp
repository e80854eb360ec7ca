// The C ABI of polynomials of moments: handles, coefficients folded into the products, and batches of atoms.
#include "moments.h"

#include <new>

#include "batches.hpp"
#include "moments_job.hpp"
#include "runtime.hpp"

namespace cambrian {
int run_moments_baseline(const MomentJob &);
#ifdef CAMBRIAN_HAS_v3
int run_moments_v3(const MomentJob &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_moments_v4(const MomentJob &);
#endif
}  // namespace cambrian

using namespace cambrian;

struct cambrian_moments {
  const MomentPlan *plan;
  PlanOwner *owner;
};

struct cambrian_moments_linear {
  const Program *programs;
  ProgramOwner *owner;
};

namespace {

int run_in_use(const MomentJob &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_moments_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_moments_v3(job);
#endif
  return run_moments_baseline(job);
}

int run(const cambrian_moments *kernel, const cambrian_stars *stars, MomentJob job) try {
  const int64_t n_atoms = stars->n_atoms;
  if (!finite(stars->r_ij, 3 * stars->first[n_atoms])) return 2;
  const Batches batches = job.folded ? Batches(n_atoms, kAtomsAtOnce, kernel->plan->n_species, stars->species)
                                     : Batches(n_atoms, kAtomsAtOnce);
  job.plan = kernel->plan;
  job.stars = *stars;
  job.threads = n_threads();
  job.order = job.folded ? batches.order.data() : nullptr;
  job.batch = batches.first.data();
  job.n_batches = batches.count();
  return run_in_use(job);
} catch (const std::bad_alloc &) {
  return 1;
}

}  // namespace

cambrian_moments *cambrian_moments_new(const cambrian_polynomial *polynomial) try {
  PlanOwner *owner = nullptr;
  const MomentPlan *plan = build_moment_plan(*polynomial, owner);
  return new cambrian_moments{plan, owner};
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_moments_free(cambrian_moments *kernel) {
  if (!kernel) return;
  free_moment_plan(kernel->owner);
  delete kernel;
}

cambrian_moments_linear *cambrian_moments_linear_new(const cambrian_moments *kernel, const double *coefficients) try {
  ProgramOwner *owner = nullptr;
  const Program *programs = build_programs(*kernel->owner, kernel->plan->n_species, coefficients, owner);
  return new cambrian_moments_linear{programs, owner};
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_moments_linear_free(cambrian_moments_linear *linear) {
  if (!linear) return;
  free_programs(linear->owner);
  delete linear;
}

int cambrian_moments_features(const cambrian_moments *kernel, const cambrian_stars *stars, double *features) {
  MomentJob job{};
  job.features = features;
  return run(kernel, stars, job);
}

int cambrian_moments_pull(const cambrian_moments *kernel, const cambrian_stars *stars, const double *slope, double *pull) {
  MomentJob job{};
  job.slope = slope;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_moments_energies_and_pull(const cambrian_moments *kernel, const cambrian_moments_linear *linear,
                                       const cambrian_stars *stars, double *energies, double *pull) {
  MomentJob job{};
  job.folded = linear->programs;
  job.energies = energies;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_moments_jacobian(const cambrian_moments *kernel, const cambrian_stars *stars, double *features,
                              double *jacobian) {
  MomentJob job{};
  job.features = features;
  job.jacobian = jacobian;
  return run(kernel, stars, job);
}
