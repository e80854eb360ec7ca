// The C ABI of SOAP: handles, and the plan of columns, recursions and radial pieces.
#include "soap.h"

#include <cmath>
#include <new>

#include "runtime.hpp"
#include "soap_job.hpp"

namespace cambrian {
int run_soap_baseline(const SoapJob &);
#ifdef CAMBRIAN_HAS_v3
int run_soap_v3(const SoapJob &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_soap_v4(const SoapJob &);
#endif
}  // namespace cambrian

using namespace cambrian;

struct cambrian_soap {
  SoapPlan plan;
};

const SoapPlan &cambrian::plan_of(const cambrian_soap *kernel) { return kernel->plan; }

namespace {

int run_in_use(const SoapJob &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_soap_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_soap_v3(job);
#endif
  return run_soap_baseline(job);
}

int run(const cambrian_soap *kernel, const cambrian_stars *stars, SoapJob job) try {
  if (!finite(stars->r_ij, 3 * stars->first[stars->n_atoms])) return 2;
  job.plan = &kernel->plan;
  job.stars = *stars;
  job.threads = n_threads();
  return run_in_use(job);
} catch (const std::bad_alloc &) {
  return 1;
}

// Real harmonics in Racah's normalization, as in math/spherical_harmonics.py.
void plan_harmonics(SoapPlan &p) {
  const int n = p.l_max + 1;
  p.upper.assign(n * n, 0), p.lower.assign(n * n, 0), p.raising.assign(n * n, 0), p.diagonal.assign(n, 1);
  for (int l = 1; l < n; ++l) {
    if (l > 1) p.diagonal[l] = p.diagonal[l - 1] * std::sqrt((2. * l - 1) / (2. * l));
    for (int m = 0; m < l; ++m) p.upper[l * n + m] = (2 * l - 1) / std::sqrt(double(l * l - m * m));
    for (int m = 0; m < l - 1; ++m)
      p.lower[l * n + m] = std::sqrt(double((l - 1) * (l - 1) - m * m) / double(l * l - m * m));
    for (int m = 0; m < l; ++m)
      p.raising[l * n + m] = std::sqrt((l - m) * (l + m + 1.)) * (m == 0 ? std::sqrt(0.5) : 1);
  }
}

void plan_columns(SoapPlan &p) {
  const int n = p.n_max, degrees = p.l_max + 1;
  p.n_features = 0;
  for (int s = 0; s < p.n_species; ++s)
    for (int t = s; t < p.n_species; ++t) {
      p.pairs.push_back({s, t, p.n_features});
      p.n_features += degrees * (s == t ? n * (n + 1) / 2 : n * n);
    }
}

void plan_radial(SoapPlan &p, const cambrian_soap_arrays &a) {
  p.knots.assign(a.knots, a.knots + a.n_segments + 1);
  p.counts.assign(a.counts, a.counts + a.n_segments);
  int64_t pieces = 0;
  for (int64_t s = 0; s < a.n_segments; ++s) {
    p.first.push_back(pieces);
    p.rate.push_back(a.counts[s] / (a.knots[s + 1] - a.knots[s]));
    pieces += a.counts[s];
  }
  const int64_t rows = pieces * CAMBRIAN_SOAP_ORDERS * (p.l_max + 1);
  p.table.assign(rows * p.n_row, 0);
  for (int64_t row = 0; row < rows; ++row)
    for (int n = 0; n < p.n_max; ++n) p.table[row * p.n_row + n] = a.table[row * p.n_max + n];
  p.alone.assign(p.n_row, 0);
  for (int n = 0; n < p.n_max; ++n) p.alone[n] = a.alone[n];
}

}  // namespace

cambrian_soap *cambrian_soap_new(const cambrian_soap_arrays *arrays) try {
  auto *kernel = new cambrian_soap;
  SoapPlan &p = kernel->plan;
  p.n_species = int(arrays->n_species), p.n_max = int(arrays->n_max), p.l_max = int(arrays->l_max);
  p.n_row = (p.n_max + isa_width() - 1) / isa_width() * isa_width();
  plan_radial(p, *arrays);
  plan_harmonics(p);
  plan_columns(p);
  return kernel;
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_soap_free(cambrian_soap *kernel) { delete kernel; }

int cambrian_soap_n_features(const cambrian_soap *kernel) { return kernel->plan.n_features; }

int cambrian_soap_features(const cambrian_soap *kernel, const cambrian_stars *stars, double *features) {
  SoapJob job{};
  job.features = features;
  return run(kernel, stars, job);
}

int cambrian_soap_energies_and_pull(const cambrian_soap *kernel, const cambrian_stars *stars, const double *slope,
                                    double *energies, double *pull) {
  SoapJob job{};
  job.slope = slope;
  job.energies = energies;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_soap_jacobian(const cambrian_soap *kernel, const cambrian_stars *stars, double *features, double *jacobian) {
  SoapJob job{};
  job.features = features;
  job.jacobian = jacobian;
  return run(kernel, stars, job);
}
