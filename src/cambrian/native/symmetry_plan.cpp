// Grouping: by central element, by cutoff (a shell), by kind and pair of species, by gaussian, by angular combination.
//
//     narrow, wide of broken zeta     Triplets: one exponential a gaussian and triplet, one power a combination
//     wide of whole zeta              (1 + lam c)^zeta = sum_p C(zeta, p) lam^p c^p,  c^p = sum of multinomials, so
//                                     sum_jk w_j w_k c^p = sum_{a+b+c=p} p!/(a! b! c!) A_abc B_abc: moments, no pairs
#include "symmetry_plan.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace cambrian {

struct Owner {
  Plan plan;
  std::vector<std::shared_ptr<void>> kept;

  template <class T>
  List<T> keep(std::vector<T> values) {
    auto shared = std::make_shared<std::vector<T>>(std::move(values));
    kept.push_back(shared);
    return {shared->data(), int(shared->size())};
  }
};

namespace {

using Function = cambrian_symmetry_function;
using Gaussian = std::pair<double, double>;

double choose(int n, int k) {
  double value = 1;
  for (int i = 1; i <= k; ++i) value = value * (n - k + i) / i;
  return std::round(value);
}

bool by_moments(const Function &f) { return f.kind == CAMBRIAN_WIDE && f.zeta == std::floor(f.zeta); }

template <class K>
int place(std::vector<K> &values, const K &value) {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] == value) return int(i);
  values.push_back(value);
  return int(values.size()) - 1;
}

// A gaussian that is a whole power of an earlier one costs a few products in place of an exponential.
void look_for_power(const std::vector<Channel> &earlier, Channel &c) {
  for (size_t b = 0; b < earlier.size(); ++b) {
    const double ratio = std::round(c.eta / earlier[b].eta);
    const bool whole = std::abs(ratio * earlier[b].eta - c.eta) <= 4e-16 * c.eta;
    if (earlier[b].shift == c.shift && whole && ratio >= 2 && ratio <= 64 && (!c.times || ratio < c.times))
      c.base = int(b), c.times = int(ratio);
  }
}

Triplets triplets_of(const std::vector<Function> &functions, Owner &owner) {
  std::vector<std::pair<double, double>> combinations;
  std::map<Gaussian, std::vector<Use>> gaussians;
  bool shifted = false;
  for (const Function &f : functions) {
    const int at = place(combinations, {f.zeta, f.lam});
    gaussians[{f.eta, f.shift}].push_back({at, f.feature, std::exp2(1 - f.zeta)});
    shifted = shifted || f.shift != 0;
  }
  std::vector<Combination> found;
  for (auto [zeta, lam] : combinations) {
    const bool whole = zeta == std::floor(zeta) && zeta >= 1 && zeta < 1e6;
    found.push_back({zeta, lam, std::exp2(1 - zeta), whole ? int(zeta) - 1 : -1});
  }
  std::vector<Channel> channels;
  std::vector<Use> uses;
  for (const auto &[gaussian, members] : gaussians) {
    const int first = int(uses.size());
    uses.insert(uses.end(), members.begin(), members.end());
    Channel channel{gaussian.first, gaussian.second, first, int(uses.size()), 0, 0};
    look_for_power(channels, channel);
    channels.push_back(channel);
  }
  const Function &f = functions.front();
  return {f.kind == CAMBRIAN_NARROW, shifted, f.first, f.second, owner.keep(found), owner.keep(channels), owner.keep(uses)};
}

Wide wide_of(int degree, const std::vector<Function> &functions, Owner &owner) {
  std::vector<Gaussian> gaussians;
  std::vector<WideUse> uses;
  for (const Function &f : functions) {
    const int zeta = int(f.zeta);
    const double norm = std::exp2(1 - f.zeta) * (f.first == f.second ? 0.5 : 1.0);
    std::vector<double> by_degree(degree + 1, 0.0);
    for (int p = 0; p <= zeta; ++p) by_degree[p] = norm * choose(zeta, p) * std::pow(f.lam, p);
    const double own = f.first == f.second ? norm * std::pow(1 + f.lam, zeta) : 0.0;
    uses.push_back({place(gaussians, {f.eta, f.shift}), f.first, f.second, f.feature, own, owner.keep(by_degree).at});
  }
  std::vector<RadialUse> channels;
  for (auto [eta, shift] : gaussians) channels.push_back({eta, shift, -1});
  std::stable_sort(uses.begin(), uses.end(), [](const WideUse &a, const WideUse &b) {
    return std::tie(a.channel, a.first, a.second) < std::tie(b.channel, b.first, b.second);
  });
  std::vector<double> multinomial;
  for (int p = 0; p <= degree; ++p)
    for (int b = 0; b <= p; ++b)
      for (int c = 0; c <= p - b; ++c) multinomial.push_back(choose(p, b) * choose(p - b, c));
  return {degree, first_monomial(degree + 1), owner.keep(multinomial).at, owner.keep(channels), owner.keep(uses)};
}

// Gaussians whose largest zeta is the same share one set of monomials.
List<Wide> wides_of(const std::vector<Function> &functions, Owner &owner) {
  std::map<Gaussian, int> degree;
  for (const Function &f : functions) {
    int &d = degree[{f.eta, f.shift}];
    d = std::max(d, int(f.zeta));
  }
  std::map<int, std::vector<Function>> groups;
  for (const Function &f : functions) groups[degree[{f.eta, f.shift}]].push_back(f);
  std::vector<Wide> wides;
  for (const auto &[d, members] : groups) wides.push_back(wide_of(d, members, owner));
  return owner.keep(wides);
}

Shell shell_of(double cutoff, bool weighted, const std::vector<Function> &functions, int n_species, Owner &owner) {
  std::map<int, std::vector<RadialUse>> radials;
  std::map<std::tuple<int, int, int>, std::vector<Function>> groups;
  std::vector<Function> wide;
  for (Function f : functions) {
    if (weighted) f.first = f.second = 0;
    if (f.first > f.second && f.kind != CAMBRIAN_RADIAL) std::swap(f.first, f.second);
    if (f.kind == CAMBRIAN_RADIAL)
      radials[f.first].push_back({f.eta, f.shift, f.feature});
    else if (by_moments(f))
      wide.push_back(f);
    else
      groups[{f.kind, f.first, f.second}].push_back(f);
  }
  std::vector<Radial> found;
  for (const auto &[segment, uses] : radials) found.push_back({segment, owner.keep(uses)});
  std::vector<Triplets> triplets;
  for (const auto &[key, members] : groups) triplets.push_back(triplets_of(members, owner));
  return {cutoff, weighted, weighted ? 1 : n_species, owner.keep(found), owner.keep(triplets), wides_of(wide, owner)};
}

Center center_of(int species, int64_t n, const Function *functions, int n_species, Owner &owner) {
  std::map<std::pair<double, bool>, std::vector<Function>> shells;
  int n_features = 0;
  for (int64_t i = 0; i < n; ++i)
    if (functions[i].center == species) {
      shells[{functions[i].cutoff, functions[i].first < 0}].push_back(functions[i]);
      n_features = std::max(n_features, functions[i].feature + 1);
    }
  std::vector<Shell> found;
  for (const auto &[key, members] : shells) found.push_back(shell_of(key.first, key.second, members, n_species, owner));
  return {owner.keep(found), n_features};
}

Envelope envelope_of(const cambrian_envelope &e, Owner &owner) {
  const int n = e.order;
  std::vector<double> coefficients;
  double slope = -(2 * n + 1) * choose(2 * n, n);
  for (int k = 0; k <= n; ++k) coefficients.push_back((k % 2 ? -1 : 1) * choose(n + k, k) * choose(2 * n + 1, n - k));
  return {e.kind, n, e.inner_fraction, owner.keep(coefficients).at, slope};
}

}  // namespace

const Plan *build_plan(int n_species, const double *weight, int64_t n_functions, const cambrian_symmetry_function *functions,
                       const cambrian_envelope &envelope, Owner *&owner) {
  auto made = std::make_unique<Owner>();
  std::vector<Center> centers;
  int n_features = 0;
  for (int s = 0; s < n_species; ++s) {
    centers.push_back(center_of(s, n_functions, functions, n_species, *made));
    n_features = std::max(n_features, centers.back().n_features);
  }
  const double *weights = made->keep(std::vector<double>(weight, weight + n_species)).at;
  made->plan = {n_species, n_features, weights, made->keep(centers).at, envelope_of(envelope, *made)};
  owner = made.release();
  return &owner->plan;
}

void free_plan(Owner *owner) { delete owner; }

}  // namespace cambrian
