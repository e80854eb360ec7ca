// The C ABI of SOAP: handles, and the plan of columns and recursions.
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

int run(const cambrian_soap *kernel, const cambrian_soap_stars *stars, SoapJob job) try {
  const int64_t n_edges = stars->first[stars->n_atoms];
  if (!finite(stars->r_ij, 3 * n_edges) || !finite(stars->fade, n_edges) || !finite(stars->fade_slope, n_edges)) return 2;
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
  p.n_features = 0;
  for (int s = 0; s < p.n_species; ++s)
    for (int t = s; t < p.n_species; ++t) {
      SoapPair pair{s, t, p.n_features, {}};
      for (int l = 0; l <= p.l_max; ++l)
        for (int n = 0; n < p.n_max; ++n)
          for (int m = s == t ? n : 0; m < p.n_max; ++m)
            pair.columns.push_back({l, n, m, s == t && n == m ? 1 : std::sqrt(2.)});
      p.n_features += int(pair.columns.size());
      p.pairs.push_back(pair);
    }
}

}  // namespace

cambrian_soap *cambrian_soap_new(int n_species, int n_max, int l_max, const double *exponents, const double *mixing) try {
  auto *kernel = new cambrian_soap;
  SoapPlan &p = kernel->plan;
  p.n_species = n_species, p.n_max = n_max, p.l_max = l_max;
  p.exponents.assign(exponents, exponents + (l_max + 1) * n_max);
  p.mixing.assign(mixing, mixing + (l_max + 1) * n_max * n_max);
  p.alone.assign(n_max, 0);
  for (int k = 0; k < n_max; ++k)
    for (int n = 0; n < n_max; ++n) p.alone[n] += mixing[k * n_max + n];
  plan_harmonics(p);
  plan_columns(p);
  return kernel;
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_soap_free(cambrian_soap *kernel) { delete kernel; }

int cambrian_soap_n_features(const cambrian_soap *kernel) { return kernel->plan.n_features; }

int cambrian_soap_features(const cambrian_soap *kernel, const cambrian_soap_stars *stars, double *features) {
  SoapJob job{};
  job.features = features;
  return run(kernel, stars, job);
}

int cambrian_soap_energies_and_pull(const cambrian_soap *kernel, const cambrian_soap_stars *stars, const double *slope,
                                    double *energies, double *pull) {
  SoapJob job{};
  job.slope = slope;
  job.energies = energies;
  job.pull = pull;
  return run(kernel, stars, job);
}

int cambrian_soap_jacobian(const cambrian_soap *kernel, const cambrian_soap_stars *stars, double *features,
                           double *jacobian) {
  SoapJob job{};
  job.features = features;
  job.jacobian = jacobian;
  return run(kernel, stars, job);
}
