// The C ABI: handles, coefficients folded into the couplings, batches of atoms, and the choice of instruction set at load.
#include "bispectrum.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "bispectrum_job.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace cambrian {
int run_baseline(const Job &);
#ifdef CAMBRIAN_HAS_v3
int run_v3(const Job &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_v4(const Job &);
#endif
}  // namespace cambrian

using namespace cambrian;

namespace {

struct InstructionSet {
  const char *name;
  int width;
  Kernel run;
};

InstructionSet choose() {
  const char *forced = std::getenv("CAMBRIAN_NATIVE_ISA");
  [[maybe_unused]] auto wanted = [&](const char *name) { return !forced || !*forced || !std::strcmp(forced, name); };
#if defined(CAMBRIAN_HAS_v3) || defined(CAMBRIAN_HAS_v4)
  __builtin_cpu_init();
#endif
#ifdef CAMBRIAN_HAS_v4
  if (wanted("v4") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
    return {"v4", 8, run_v4};
#endif
#ifdef CAMBRIAN_HAS_v3
  if (wanted("v3") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    return {"v3", 4, run_v3};
#endif
  return {"baseline", 2, run_baseline};
}

const InstructionSet isa = choose();
int forced_threads = 0;

int n_threads() {
#ifdef _OPENMP
  return forced_threads > 0 ? forced_threads : omp_get_max_threads();
#else
  return 1;
#endif
}

}  // namespace

struct cambrian_bispectrum {
  Tables *tables;
  double rfac0, rmin0;
};

struct cambrian_bispectrum_linear {
  int n_species;
  std::vector<double> folded;
  std::vector<const double *> rows;
};

namespace {

// Here and not in the kernels: compiled with -ffast-math, those cannot tell.
bool finite(const double *x, int64_t n) {
  uint64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    uint64_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    found |= ((bits >> 52 & 0x7ff) + 1) >> 11;
  }
  return !found;
}

int run(const cambrian_bispectrum *kernel, const cambrian_edges *edges, Job job,
        const cambrian_bispectrum_linear *linear = nullptr, const int64_t *species = nullptr) try {
  const int64_t n_atoms = edges->n_atoms, n_edges = edges->first[n_atoms];
  if (!finite(edges->r_ij, 3 * n_edges) || !finite(edges->cutoff, n_edges) || !finite(edges->weight, n_edges)) return 2;
  std::vector<int64_t> order, batch{0}, batch_species;
  if (linear) {  // stable, by species: the folded couplings of a batch are of one species
    std::vector<int64_t> next(linear->n_species + 1, 0);
    for (int64_t i = 0; i < n_atoms; ++i) ++next[species[i] + 1];
    for (int s = 0; s < linear->n_species; ++s) {
      for (int64_t at = next[s]; at < next[s] + next[s + 1]; at += isa.width) {
        const int64_t end = next[s] + next[s + 1];
        batch.push_back(at + isa.width < end ? at + isa.width : end);
        batch_species.push_back(s);
      }
      next[s + 1] += next[s];
    }
    order.resize(n_atoms);
    for (int64_t i = 0; i < n_atoms; ++i) order[next[species[i]]++] = i;
    job.folded = linear->rows.data();
    job.order = order.data();
    job.batch_species = batch_species.data();
  } else {
    for (int64_t at = 0; at < n_atoms; at += isa.width) batch.push_back(at + isa.width < n_atoms ? at + isa.width : n_atoms);
  }
  job.tables = kernel->tables;
  job.rfac0 = kernel->rfac0;
  job.rmin0 = kernel->rmin0;
  job.edges = *edges;
  job.threads = n_threads();
  job.batch = batch.data();
  job.n_batches = int64_t(batch.size()) - 1;
  return isa.run(job);
} catch (const std::bad_alloc &) {
  return 1;
}

}  // namespace

const char *cambrian_native_isa(void) { return isa.name; }
void cambrian_native_set_threads(int threads) { forced_threads = threads; }

cambrian_bispectrum *cambrian_bispectrum_new(int two_j_max, double rfac0, double rmin0) try {
  if (two_j_max < 0 || two_j_max > kMaxTwoJ) return nullptr;
  return new cambrian_bispectrum{build_tables(two_j_max), rfac0, rmin0};
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_bispectrum_free(cambrian_bispectrum *kernel) {
  if (!kernel) return;
  free_tables(kernel->tables);
  delete kernel;
}

int cambrian_bispectrum_n_features(const cambrian_bispectrum *kernel) { return kernel->tables->n_features; }

cambrian_bispectrum_linear *cambrian_bispectrum_linear_new(const cambrian_bispectrum *kernel, int n_species,
                                                           const double *coefficients) try {
  const Tables &t = *kernel->tables;
  auto *linear = new cambrian_bispectrum_linear{n_species, std::vector<double>(size_t(n_species) * t.n_terms), {}};
  for (int s = 0; s < n_species; ++s) {
    double *row = linear->folded.data() + size_t(s) * t.n_terms;
    for (int k = 0; k < t.n_terms; ++k) row[k] = t.coupling[k] * coefficients[size_t(s) * t.n_features + t.feature[k]];
    linear->rows.push_back(row);
  }
  return linear;
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_bispectrum_linear_free(cambrian_bispectrum_linear *linear) { delete linear; }

int cambrian_bispectrum_features(const cambrian_bispectrum *kernel, const cambrian_edges *edges, double *features) {
  Job job{};
  job.features = features;
  return run(kernel, edges, job);
}

int cambrian_bispectrum_pull(const cambrian_bispectrum *kernel, const cambrian_edges *edges, const double *slope,
                             double *pull) {
  Job job{};
  job.slope = slope;
  job.pull = pull;
  return run(kernel, edges, job);
}

int cambrian_bispectrum_energies_and_pull(const cambrian_bispectrum *kernel, const cambrian_bispectrum_linear *linear,
                                          const cambrian_edges *edges, const int64_t *species, double *energies,
                                          double *pull) {
  Job job{};
  job.energies = energies;
  job.pull = pull;
  return run(kernel, edges, job, linear, species);
}

int cambrian_bispectrum_jacobian(const cambrian_bispectrum *kernel, const cambrian_edges *edges, double *features,
                                 double *jacobian) {
  Job job{};
  job.features = features;
  job.jacobian = jacobian;
  return run(kernel, edges, job);
}
