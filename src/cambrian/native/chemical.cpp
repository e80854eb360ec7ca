// The C ABI of the bispectrum with a density for each element.
#include "chemical.h"

#include <new>

#include "chemical_job.hpp"
#include "runtime.hpp"

namespace cambrian {
int run_chemical_baseline(const ChemicalJob &);
#ifdef CAMBRIAN_HAS_v3
int run_chemical_v3(const ChemicalJob &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_chemical_v4(const ChemicalJob &);
#endif
}  // namespace cambrian

using namespace cambrian;

struct cambrian_chemical {
  ChemicalTables *tables;
  double rfac0, rmin0;
  int n_channels;
  bool self_in_all;
};

namespace {

int run_in_use(const ChemicalJob &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_chemical_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_chemical_v3(job);
#endif
  return run_chemical_baseline(job);
}

int run(const cambrian_chemical *kernel, const cambrian_channels *stars, ChemicalJob job) {
  const cambrian_edges &edges = stars->edges;
  const int64_t n_edges = edges.first[edges.n_atoms];
  if (!finite(edges.r_ij, 3 * n_edges) || !finite(edges.cutoff, n_edges) || !finite(edges.weight, n_edges)) return 2;
  job.tables = kernel->tables;
  job.rfac0 = kernel->rfac0, job.rmin0 = kernel->rmin0;
  job.n_channels = kernel->n_channels, job.self_in_all = kernel->self_in_all;
  job.stars = *stars;
  job.threads = n_threads();
  return run_in_use(job);
}

}  // namespace

cambrian_chemical *cambrian_chemical_new(int two_j_max, double rfac0, double rmin0, int n_channels, int self_in_all) try {
  if (two_j_max < 0 || two_j_max > kMaxTwoJ || n_channels < 1 || n_channels > kMostChannels) return nullptr;
  return new cambrian_chemical{build_chemical_tables(two_j_max), rfac0, rmin0, n_channels, self_in_all != 0};
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_chemical_free(cambrian_chemical *kernel) {
  if (!kernel) return;
  free_chemical_tables(kernel->tables);
  delete kernel;
}

int64_t cambrian_chemical_n_features(const cambrian_chemical *kernel) {
  const int64_t n = kernel->n_channels;
  return n * n * n * kernel->tables->n_orders;
}

int cambrian_chemical_features(const cambrian_chemical *kernel, const cambrian_channels *stars, double *features) {
  ChemicalJob job{};
  job.features = features;
  return run(kernel, stars, job);
}

int cambrian_chemical_pull(const cambrian_chemical *kernel, const cambrian_channels *stars, const double *slopes,
                           const int64_t *row, double *energies, double *pull) {
  ChemicalJob job{};
  job.slopes = slopes;
  job.row = row;
  job.energies = energies;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_chemical_jacobian(const cambrian_chemical *kernel, const cambrian_channels *stars, double *features,
                               double *jacobian) {
  ChemicalJob job{};
  job.features = features;
  job.jacobian = jacobian;
  return run(kernel, stars, job);
}
