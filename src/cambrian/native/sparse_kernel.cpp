// The C ABI of sparse kernels: points padded for the instruction set in use, or folded into a quadratic form.
#include "sparse_kernel.h"

#include <cmath>
#include <new>

#include "runtime.hpp"
#include "sparse_job.hpp"

namespace cambrian {
int run_sparse_baseline(const SparseJob &);
#ifdef CAMBRIAN_HAS_v3
int run_sparse_v3(const SparseJob &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_sparse_v4(const SparseJob &);
#endif
}  // namespace cambrian

using namespace cambrian;

struct cambrian_sparse {
  SparsePlan plan;
};

namespace {

int run_in_use(const SparseJob &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_sparse_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_sparse_v3(job);
#endif
  return run_sparse_baseline(job);
}

// Exponent 1: one point, the sum of all. Exponent 2: B = sum over s of c_s x_s x_s.
SparsePoints folded(const SparsePlan &plan, int64_t n, const double *x, const double *c) {
  const int K = plan.soap->n_features, W = isa_width();
  SparsePoints found;
  found.form = plan.whole == 2;
  found.n_rows = (found.form ? K : 1) + W - 1;
  found.n_rows -= found.n_rows % W;
  found.rows.assign((size_t)found.n_rows * plan.n_column, 0);
  found.coefficients.assign(found.n_rows, 0);
  found.coefficients[0] = 1;
  for (int64_t s = 0; s < n; ++s)
    for (int i = 0; i < (found.form ? K : 1); ++i) {
      const double weight = c[s] * (found.form ? x[s * K + i] : 1);
      for (int k = 0; k < K; ++k) found.rows[(size_t)i * plan.n_column + k] += weight * x[s * K + k];
    }
  return found;
}

SparsePoints padded(const SparsePlan &plan, int64_t n, const double *x, const double *c) {
  const int K = plan.soap->n_features, W = isa_width();
  SparsePoints found;
  found.n_rows = int((n + W - 1) / W * W);
  found.rows.assign((size_t)found.n_rows * plan.n_column, 0);
  found.coefficients.assign(found.n_rows, 0);
  for (int64_t s = 0; s < n; ++s) {
    found.coefficients[s] = c[s];
    for (int k = 0; k < K; ++k) found.rows[s * plan.n_column + k] = x[s * K + k];
  }
  return found;
}

}  // namespace

cambrian_sparse *cambrian_sparse_new(const cambrian_soap *soap, double exponent, const int64_t *first,
                                     const double *points, const double *coefficients) try {
  auto *kernel = new cambrian_sparse;
  SparsePlan &p = kernel->plan;
  p.soap = &plan_of(soap);
  p.exponent = exponent;
  p.whole = exponent == std::floor(exponent) && exponent <= 64 ? int(exponent) : 0;
  const int K = p.soap->n_features, W = isa_width();
  p.n_column = (K + W - 1) / W * W;
  for (int s = 0; s < p.soap->n_species; ++s) {
    const int64_t n = first[s + 1] - first[s];
    const double *x = points + first[s] * K, *c = coefficients + first[s];
    const bool fold = p.whole == 1 || (p.whole == 2 && n > K);
    p.species.push_back(fold ? folded(p, n, x, c) : padded(p, n, x, c));
  }
  return kernel;
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_sparse_free(cambrian_sparse *kernel) { delete kernel; }

int cambrian_sparse_energies_and_pull(const cambrian_sparse *kernel, const cambrian_stars *stars, double *energies,
                                      double *pull, double *features) try {
  if (!finite(stars->r_ij, 3 * stars->first[stars->n_atoms])) return 2;
  return run_in_use({&kernel->plan, *stars, n_threads(), energies, pull, features});
} catch (const std::bad_alloc &) {
  return 1;
}
