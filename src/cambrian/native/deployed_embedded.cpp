// A cluster expansion whose energy is a function of densities (networks/pace.py):
//
//     E_i = E0 + step(core_i) sum over p of w_p F(rho_ip; m_p) + core_i
//     core_i = sum over j of |C| exp(-lambda r^2) / r (1 + cos(pi r / rc)) / 2, times an inner step where it has one
//
// The polynomial (deployed_polynomial.hpp) has the densities of all species as features, n_species x D. `energies` (n),
// `forms` (n: 0 Finnis and Sinclair, 1 shifted and scaled), `exponents`, `weights` (n x D), `core_limits` (n x 2: end and
// width of the step, eV), `repulsion` (n x n x 2: C, lambda), `inner` (n x n x 2: end and width, angstrom), `has_inner` (n x n).
#include <cmath>

#include "deployed_polynomial.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

constexpr double kPi = 3.14159265358979323846, kSharp = 1e6, kLargest = 30, kTiny = 1e-10, kDecayed = 50;

double finnis_sinclair(double rho, double m, double &slope) {
  const double size = std::abs(rho), linear = std::pow(kSharp, 1 - m);
  slope = linear;
  if (size <= kTiny) return linear * rho;
  const double cubed = kSharp * size * kSharp * size * kSharp * size, g = cubed > kLargest ? 0 : std::exp(-cubed);
  const double power = std::pow(size, m), fall = -3 * cubed / size * g;
  slope = (1 - g) * m * power / size - fall * power + linear * (fall * size + g);
  return std::copysign((1 - g) * power + linear * g * size, rho);
}

double shifted(double rho, double m, double &slope) {
  slope = 1;
  if (std::abs(m - 1) < kTiny) return rho;
  const double n = 1 / m, size = std::abs(rho), decay = std::exp(-size);
  const double x0 = std::pow(n, n / (1 - n)) * decay, y0 = std::pow(n, 1 / (1 - n)) * decay;
  slope = m * std::pow(x0 + size, m - 1) * (1 - x0) + y0;
  return (rho < 0 ? -1 : 1) * (std::pow(x0 + size, m) - y0);
}

// From 1 to 0 over the last `width` before `end`.
double step(double value, double end, double width, double &slope) {
  slope = 0;
  if (!(width > 0)) return value < end;
  const double t = 1 + (value - end) / width, x = 1 - 2 * t;
  if (t <= 0 || t >= 1) return t <= 0;
  slope = -1.875 * (1 - x * x) * (1 - x * x) / width;
  return 0.5 + 3.75 * (x / 4 - x * x * x / 6 + x * x * x * x * x / 20);
}

class Embedded : public Term {
 public:
  explicit Embedded(const Arrays &arrays) : n_(arrays.n_species()), polynomial_(arrays) {
    n_densities_ = arrays.get("exponents", true, {n_, kAny}).shape[1];
    if (polynomial_.n_features != n_ * n_densities_) arrays.refuse("its densities are not as many as its features");
    take(arrays.positives("exponents", {n_, n_densities_}), n_ * n_densities_, exponents_);
    take(arrays.reals("weights", {n_, n_densities_}), n_ * n_densities_, weights_);
    take(arrays.reals("energies", {n_}), n_, energies_);
    take(arrays.reals("core_limits", {n_, 2}), 2 * n_, core_limits_);
    take(arrays.reals("repulsion", {n_, n_, 2}), 2 * n_ * n_, repulsion_);
    take(arrays.reals("inner", {n_, n_, 2}), 2 * n_ * n_, inner_);
    take(arrays.positives("cutoffs", {n_, n_}), n_ * n_, cutoffs_);
    take(arrays.integers("forms", {n_}, 0, 1), n_, forms_);
    take(arrays.integers("has_inner", {n_, n_}, 0, 1), n_ * n_, has_inner_);
  }

  double cutoff() const override { return polynomial_.cutoff; }

  int evaluate(const Edges &edges, Scratch &scratch, double *energies, double *pull) const override {
    const cambrian_stars &stars = edges.stars;
    double *densities = scratch.doubles(kFeatures, stars.n_atoms * polynomial_.n_features);
    double *slopes = scratch.doubles(kSlopes, stars.n_atoms * polynomial_.n_features);
    double *pushes = scratch.doubles(kEdgeSlopes, edges.n_edges), *by_core = scratch.doubles(kOwn, stars.n_atoms);
    if (const int status = cambrian_moments_features(polynomial_.kernel.get(), &stars, densities)) return status;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < stars.n_atoms; ++i) {
      double core = 0;
      for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e)
        core += repel(stars.species[i] * n_ + edges.neighbor_species[e], edges.distance[e], pushes[e]);
      energies[i] = embed(stars.species[i], densities + i * polynomial_.n_features, core,
                          slopes + i * polynomial_.n_features, by_core[i]);
    }
    if (const int status = cambrian_moments_pull(polynomial_.kernel.get(), &stars, slopes, pull)) return status;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
    for (int64_t i = 0; i < stars.n_atoms; ++i)
      for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e)
        for (int c = 0; c < 3; ++c) pull[3 * e + c] += by_core[i] * pushes[e] / edges.distance[e] * stars.r_ij[3 * e + c];
    return 0;
  }

 private:
  template <class T>
  static void take(const T *given, int64_t n, std::vector<T> &into) {
    into.assign(given, given + n);
  }

  double embed(int64_t s, const double *densities, double core, double *slopes, double &by_core) const {
    double fall, cluster = 0;
    const double inside = step(core, core_limits_[2 * s], core_limits_[2 * s + 1], fall);
    for (int64_t k = 0; k < polynomial_.n_features; ++k) slopes[k] = 0;
    for (int64_t p = 0; p < n_densities_; ++p) {
      const int64_t k = s * n_densities_ + p;
      double slope;
      const double F = (forms_[s] ? shifted : finnis_sinclair)(densities[k], exponents_[k], slope);
      cluster += weights_[k] * F, slopes[k] = weights_[k] * slope * inside;
    }
    by_core = 1 + cluster * fall;
    return energies_[s] + cluster * inside + core;
  }

  double repel(int64_t pair, double r, double &slope) const {
    const double rc = cutoffs_[pair], lambda = repulsion_[2 * pair + 1];
    slope = 0;
    if (!(r < rc) || !(lambda * r * r < kDecayed)) return 0;
    const double bare = repulsion_[2 * pair] * std::exp(-lambda * r * r) / r, fade = 0.5 * (1 + std::cos(kPi * r / rc));
    const double value = bare * fade;
    slope = -value * (2 * lambda * r + 1 / r) - bare * 0.5 * kPi / rc * std::sin(kPi * r / rc);
    if (!has_inner_[pair]) return value;
    double fall;
    const double inside = step(r, inner_[2 * pair], inner_[2 * pair + 1], fall);
    slope = slope * inside + value * fall;
    return value * inside;
  }

  int64_t n_, n_densities_;
  Polynomial polynomial_;
  std::vector<double> exponents_, weights_, energies_, core_limits_, repulsion_, inner_, cutoffs_;
  std::vector<int64_t> forms_, has_inner_;
};

}  // namespace

std::unique_ptr<Term> make_embedded(const Arrays &arrays) { return std::make_unique<Embedded>(arrays); }

}  // namespace cambrian::deployed
