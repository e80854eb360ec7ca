// The C ABI of the bispectrum: handles, coefficients folded into the couplings, and batches of atoms.
#include "bispectrum.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

#include "bispectrum_job.hpp"
#include "runtime.hpp"

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

int run_in_use(const Job &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_v3(job);
#endif
  return run_baseline(job);
}

int run(const cambrian_bispectrum *kernel, const cambrian_edges *edges, Job job,
        const cambrian_bispectrum_linear *linear = nullptr, const int64_t *species = nullptr) try {
  const int64_t n_atoms = edges->n_atoms, n_edges = edges->first[n_atoms], width = isa_width();
  if (!finite(edges->r_ij, 3 * n_edges) || !finite(edges->cutoff, n_edges) || !finite(edges->weight, n_edges)) return 2;
  std::vector<int64_t> order, batch{0}, batch_species;
  if (linear) {  // stable, by species: the folded couplings of a batch are of one species
    std::vector<int64_t> next(linear->n_species + 1, 0);
    for (int64_t i = 0; i < n_atoms; ++i) ++next[species[i] + 1];
    for (int s = 0; s < linear->n_species; ++s) {
      for (int64_t at = next[s]; at < next[s] + next[s + 1]; at += width) {
        const int64_t end = next[s] + next[s + 1];
        batch.push_back(at + width < end ? at + width : end);
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
    for (int64_t at = 0; at < n_atoms; at += width) batch.push_back(at + width < n_atoms ? at + width : n_atoms);
  }
  job.tables = kernel->tables;
  job.rfac0 = kernel->rfac0;
  job.rmin0 = kernel->rmin0;
  job.edges = *edges;
  job.threads = n_threads();
  job.batch = batch.data();
  job.n_batches = int64_t(batch.size()) - 1;
  return run_in_use(job);
} catch (const std::bad_alloc &) {
  return 1;
}

}  // namespace

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
  auto *linear = new cambrian_bispectrum_linear{n_species, std::vector<double>(std::size_t(n_species) * t.n_terms), {}};
  for (int s = 0; s < n_species; ++s) {
    double *row = linear->folded.data() + std::size_t(s) * t.n_terms;
    for (int k = 0; k < t.n_terms; ++k) row[k] = t.coupling[k] * coefficients[std::size_t(s) * t.n_features + t.feature[k]];
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

int cambrian_bispectrum_rows(const cambrian_bispectrum *kernel, const cambrian_edges *edges, const int64_t *neighbor,
                             const int64_t *block, int n_blocks, const int64_t *structure, int64_t n_structures,
                             double *features, double *forces, double *strain) try {
  Job job{};
  job.features = features;
  job.neighbor = neighbor;
  job.block = block;
  job.structure = structure;
  job.row = int64_t(n_blocks) * padded(kernel->tables->n_features);
  job.n_forces = 3 * edges->n_atoms * job.row;
  const std::size_t size = std::size_t(job.n_forces + 6 * n_structures * job.row);
  std::vector<std::vector<double>> sums(n_threads(), std::vector<double>(size));
  std::vector<double *> places;
  for (auto &of_thread : sums) places.push_back(of_thread.data());
  job.sums = places.data();
  const int status = run(kernel, edges, job);
  for (std::size_t t = 1; t < sums.size(); ++t)
    for (std::size_t k = 0; k < size; ++k) sums[0][k] += sums[t][k];
  std::copy(sums[0].begin(), sums[0].begin() + job.n_forces, forces);
  std::copy(sums[0].begin() + job.n_forces, sums[0].end(), strain);
  return status;
} catch (const std::bad_alloc &) {
  return 1;
}
