// Grouping: by central element, by cutoff (a shell), by kind and pair of species, by gaussian, by angular combination.
//
//     narrow, wide of broken zeta     Triplets: one exponential a gaussian and triplet, one power a combination
//     compact                         one shell: neighbors by distance, so that a window is some of them in a row
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
using Small = cambrian_compact_function;
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
  return {cutoff, weighted, weighted ? 1 : n_species, owner.keep(found), owner.keep(triplets), wides_of(wide, owner), {}, {}, {}};
}

Bell bell_of(int order, Owner &owner) {
  const int n = order;
  std::vector<double> coefficients;
  for (int k = 0; k <= n; ++k) coefficients.push_back((k % 2 ? -1 : 1) * choose(n + k, k) * choose(2 * n + 1, n - k));
  return {order, owner.keep(coefficients).at, -(2 * n + 1) * choose(2 * n, n)};
}

Interval interval_of(int core, double low, double high, Owner &owner) {
  return {bell_of(core, owner), 0.5 * (low + high), 2 / (high - low)};
}

// A(t) = A(1) - A''(0) (t - 1) at 0 degrees, A(-1) + A''(pi) (t + 1) at 180: of g only order 1 and the exponential bend.
End end_of(const Small &f, double degrees, double inverse) {
  const bool inside = f.angle_low + f.angle_high == 2 * degrees, edge = f.angle_low == degrees || f.angle_high == degrees;
  const double top = f.core == 1 ? -6 : f.core == 0 ? -2 : 0, foot = f.core == 1 ? 6 : 0;
  return {inside ? 1. : 0., (inside ? top : edge ? foot : 0) * inverse * inverse};
}

Hill hill_of(const Small &f, Owner &owner) {
  constexpr double radian = 3.14159265358979323846 / 180;
  const Interval interval = interval_of(f.core, radian * f.angle_low, radian * f.angle_high, owner);
  return {interval, end_of(f, 0, interval.inverse), end_of(f, 180, interval.inverse)};
}

using Shape = std::tuple<int, int, double, double>;  // core, asymmetric, ends

Compact compact_of(const std::vector<std::pair<int, Small>> &functions, Owner &owner) {
  std::vector<Shape> shapes;
  std::vector<Hill> hills;
  std::map<int, std::vector<CompactUse>> by_window;
  for (const auto &[window, f] : functions) {
    const int at = place(shapes, {f.core, 0, f.angle_low, f.angle_high});
    if (at == int(hills.size())) hills.push_back(hill_of(f, owner));
    by_window[window].push_back({at, f.feature});
  }
  std::vector<CompactChannel> channels;
  std::vector<CompactUse> uses;
  for (const auto &[window, members] : by_window) {
    channels.push_back({window, int(uses.size()), int(uses.size() + members.size())});
    uses.insert(uses.end(), members.begin(), members.end());
  }
  const Small &f = functions.front().second;
  return {f.kind == CAMBRIAN_NARROW, f.first, f.second, owner.keep(hills), owner.keep(channels), owner.keep(uses)};
}

Shell compact_shell_of(bool weighted, const std::vector<Small> &functions, int n_species, Owner &owner) {
  std::vector<Shape> shapes;
  std::vector<Window> windows;
  std::vector<CompactRadial> radials;
  std::map<std::tuple<int, int, int>, std::vector<std::pair<int, Small>>> groups;
  double cutoff = 0;
  for (Small f : functions) {
    if (weighted) f.first = f.second = 0;
    if (f.first > f.second && f.kind != CAMBRIAN_RADIAL) std::swap(f.first, f.second);
    cutoff = std::max(cutoff, f.upper);
    const int at = place(shapes, {f.core, f.asymmetric != 0, f.lower, f.upper});
    if (at == int(windows.size()))
      windows.push_back({interval_of(f.core, f.lower, f.upper, owner), f.asymmetric != 0, f.lower, f.upper});
    if (f.kind == CAMBRIAN_RADIAL)
      radials.push_back({f.first, at, f.feature});
    else
      groups[{f.kind, f.first, f.second}].push_back({at, f});
  }
  std::vector<Compact> compacts;
  for (const auto &[key, members] : groups) compacts.push_back(compact_of(members, owner));
  return {cutoff, weighted, weighted ? 1 : n_species, {}, {}, {}, owner.keep(windows), owner.keep(radials), owner.keep(compacts)};
}

template <class F>
std::vector<F> of_center(int species, int64_t n, const F *functions, int &n_features) {
  std::vector<F> found;
  for (int64_t i = 0; i < n; ++i) {
    if (functions[i].center != species) continue;
    found.push_back(functions[i]);
    n_features = std::max(n_features, functions[i].feature + 1);
  }
  return found;
}

Center center_of(const std::vector<Function> &functions, const std::vector<Small> &compact, int n_features, int n_species,
                 Owner &owner) {
  std::map<std::pair<double, bool>, std::vector<Function>> shells;
  std::map<bool, std::vector<Small>> compact_shells;
  for (const Function &f : functions) shells[{f.cutoff, f.first < 0}].push_back(f);
  for (const Small &f : compact) compact_shells[f.first < 0].push_back(f);
  std::vector<Shell> found;
  for (const auto &[key, members] : shells) found.push_back(shell_of(key.first, key.second, members, n_species, owner));
  for (const auto &[weighted, members] : compact_shells) found.push_back(compact_shell_of(weighted, members, n_species, owner));
  return {owner.keep(found), n_features};
}

Envelope envelope_of(const cambrian_envelope &e, Owner &owner) {
  return {e.kind, e.inner_fraction, bell_of(e.kind == CAMBRIAN_POLYNOMIAL ? e.order : 0, owner)};
}

}  // namespace

const Plan *build_plan(int n_species, const double *weight, int64_t n_functions, const cambrian_symmetry_function *functions,
                       int64_t n_compact, const cambrian_compact_function *compact, const cambrian_envelope &envelope,
                       Owner *&owner) {
  auto made = std::make_unique<Owner>();
  std::vector<Center> centers;
  int n_features = 0;
  for (int s = 0; s < n_species; ++s) {
    int n_own = 0;
    const auto own = of_center(s, n_functions, functions, n_own);
    const auto own_compact = of_center(s, n_compact, compact, n_own);
    centers.push_back(center_of(own, own_compact, n_own, n_species, *made));
    n_features = std::max(n_features, n_own);
  }
  const double *weights = made->keep(std::vector<double>(weight, weight + n_species)).at;
  made->plan = {n_species, n_features, weights, made->keep(centers).at, envelope_of(envelope, *made)};
  owner = made.release();
  return &owner->plan;
}

void free_plan(Owner *owner) { delete owner; }

}  // namespace cambrian
