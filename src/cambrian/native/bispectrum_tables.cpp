// The bispectrum's tables: half plane, full plane, couplings, gradient.
//
// With u_j[mb,ma] = s v_j[mb,ma], s^2 = ma! (j-ma)! / (mb! (j-mb)!), the Wigner recursion needs no square roots: v_j[mb,ma]
// is the coefficient of x^ma in (a* - b* x)^(j-mb) (b + a x)^mb. The factors s, the two Clebsch-Gordan coefficients and the
// multiplicities of the derivative are folded into one number per term, so that with V = sum_k w f v
//     Y[out] = sum c U[first] U[second],   dE = Re sum_out Y* dV,   E = 1/3 Re sum_out Y* V.
// The same polynomials give the gradient in closed form from the level below:
//     dv_j[mb]/da* = (j-mb) v_{j-1}[mb]      dv_j[mb]/db* = -(j-mb) x v_{j-1}[mb]
//     dv_j[mb]/da  = mb x v_{j-1}[mb-1]      dv_j[mb]/db  = mb v_{j-1}[mb-1].
// A. P. Thompson et al., J. Comput. Phys. 285, 316 (2015); adjoint: arXiv:2011.12875.
#include "bispectrum_tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <vector>

#include "wigner.hpp"

namespace cambrian {
namespace {

struct Weight {  // doubled projections of row (mb) and column (ma)
  int m, n;
  int lowest() const { return std::max(std::abs(m), std::abs(n)); }
};

struct Builder {
  int J;
  std::vector<Weight> weights;
  std::vector<int> weight_start;  // (m, n) -> position of its lowest level in the full plane
  std::vector<double> clebsch_gordan_of;
  std::map<std::array<int, 3>, int> half, independent, feature;
  std::vector<int> half_of;
  std::vector<Source> source;
  std::vector<Component> components;
  std::map<std::array<int, 2>, int> part_start;  // (feature, level)
  std::vector<std::array<int, 3>> outs;  // (j, mb, ma) of each independent element

  explicit Builder(int two_j_max) : J(two_j_max), weight_start((2 * J + 1) * (2 * J + 1)) {
    for (int j1 = 0; j1 <= J; ++j1)
      for (int k1 = 0; k1 <= J; ++k1)
        for (int j2 = 0; j2 <= J; ++j2)
          for (int k2 = 0; k2 <= J; ++k2)
            for (int j = 0; j <= J; ++j) {
              const int m1 = 2 * k1 - j1, m2 = 2 * k2 - j2;
              const bool coupled = (j1 + j2 + j) % 2 == 0 && std::abs(j1 - j2) <= j && j <= j1 + j2;
              const bool inside = k1 <= j1 && k2 <= j2 && std::abs(m1 + m2) <= j;
              clebsch_gordan_of.push_back(coupled && inside ? clebsch_gordan(j1, m1, j2, m2, j, m1 + m2) : 0);
            }
    for (int j = 0; j <= J; ++j)
      for (int mb = 0; 2 * mb <= j; ++mb)
        for (int ma = 0; ma <= j; ++ma) {
          const int position = int(half.size());
          half[{j, mb, ma}] = position;
          if (2 * mb == j && ma > mb) continue;
          independent[{j, mb, ma}] = int(outs.size());
          outs.push_back({j, mb, ma});
          half_of.push_back(position);
        }
    for (int m = -J; m <= J; ++m)
      for (int n = -J; n <= J; ++n) {
        if ((m - n) % 2) continue;
        weights.push_back({m, n});
        weight_start[weight_index({m, n})] = int(source.size());
        for (int j = weights.back().lowest(); j <= J; j += 2) {
          const int mb = (j + m) / 2, ma = (j + n) / 2;
          if (2 * mb < j || (2 * mb == j && ma <= mb))
            source.push_back({half.at({j, mb, ma}), 0});
          else
            source.push_back({half.at({j, j - mb, j - ma}), (ma + mb) % 2 ? -1. : 1.});
        }
      }
    for (int j1 = 0; j1 <= J; ++j1)
      for (int j2 = 0; j2 <= j1; ++j2)
        for (int j = j1 - j2; j <= std::min(J, j1 + j2); j += 2)
          if (j >= j1) {
            feature[{j1, j2, j}] = int(components.size());
            components.push_back({j1, j2, j, 0, 1. / (1 + (j1 == j) + (j1 == j && j2 == j))});
          }
  }

  int weight_index(Weight w) const { return (w.m + J) * (2 * J + 1) + w.n + J; }
  int full(Weight w, int j) const { return weight_start[weight_index(w)] + (j - w.lowest()) / 2; }

  double coupled(int j1, int m1, int j2, int m2, int j) const {
    const int n = J + 1;
    return clebsch_gordan_of[(((j1 * n + (j1 + m1) / 2) * n + j2) * n + (j2 + m2) / 2) * n + j];
  }

  // Which B, and how often, Z_{j1 j2}^j stands for in dE/dU_j.
  std::pair<int, double> share_of(int j1, int j2, int j) const {
    if (j1 < j2) std::swap(j1, j2);
    const double ratio = (j1 + 1.) / (j + 1.);
    if (j >= j1) return {feature.at({j1, j2, j}), j1 == j ? (j2 == j ? 3. : 2.) : 1.};
    if (j >= j2) return {feature.at({j, j2, j1}), j2 == j ? 2 * ratio : ratio};
    return {feature.at({j2, j, j1}), ratio};
  }

  double coupling(int j, Weight w, int j1, Weight w1, int j2, Weight w2) const {
    auto s = [](int j, Weight w) { return wigner_scale(j, (j + w.m) / 2, (j + w.n) / 2); };
    const bool center = w.m == 0 && w.n == 0, same_weight = w1.m == w2.m && w1.n == w2.n;
    return (center ? 1 : 2) * (j1 == j2 && !same_weight ? 2 : 1) * s(j, w) * s(j1, w1) * s(j2, w2) *
           coupled(j1, w1.m, j2, w2.m, j) * coupled(j1, w1.n, j2, w2.n, j) *
           share_of(j1, j2, j).second;
  }
};

struct Found {
  Group group;
  std::vector<double> c;
  std::vector<uint16_t> feature;
};

// All groups of one out: for every unordered pair of weights the longer column of levels is summed first.
std::vector<Found> groups_of(const Builder &b, int j, Weight w) {
  std::vector<Found> found;
  for (Weight w1 : b.weights) {
    Weight w2{w.m - w1.m, w.n - w1.n};
    if (std::abs(w2.m) > b.J || std::abs(w2.n) > b.J) continue;
    if (b.weight_index(w1) > b.weight_index(w2)) continue;
    const bool same = w1.m == w2.m && w1.n == w2.n;
    Weight outer = w1, inner = w2;
    if (outer.lowest() < inner.lowest()) std::swap(outer, inner);
    for (int j1 = outer.lowest(); j1 <= b.J; j1 += 2) {
      const int low = std::max(std::abs(j - j1), inner.lowest()), high = std::min(same ? j1 : j + j1, std::min(j + j1, b.J));
      if (low > high) continue;
      Found f{{uint16_t(b.full(outer, j1)), uint16_t(b.full(inner, low))}, {}, {}};
      for (int j2 = low; j2 <= high; j2 += 2) {
        f.c.push_back(b.coupling(j, w, j1, outer, j2, inner));
        f.feature.push_back(uint16_t(b.share_of(j1, j2, j).first));
      }
      found.push_back(f);
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Found &x, const Found &y) { return x.c.size() < y.c.size(); });
  return found;
}

template <class T>
T *keep(const std::vector<T> &v) {
  T *p = new T[v.size() + 1]();
  std::copy(v.begin(), v.end(), p);
  return p;
}

void build_couplings(Builder &b, Tables &t) {
  std::vector<Group> groups;
  std::vector<double> coupling;
  std::vector<uint16_t> feature;
  std::vector<int> run_count(b.outs.size() * kMaxRun, 0);
  for (size_t out = 0; out < b.outs.size(); ++out) {
    const auto [j, mb, ma] = b.outs[out];
    for (const Found &f : groups_of(b, j, {2 * mb - j, 2 * ma - j})) {
      groups.push_back(f.group);
      ++run_count[out * kMaxRun + f.c.size() - 1];
      for (size_t k = 0; k < f.c.size(); ++k) {
        coupling.push_back(f.c[k]);
        feature.push_back(f.feature[k]);
      }
    }
  }
  t.n_groups = int(groups.size());
  t.n_terms = int(coupling.size());
  t.groups = keep(groups);
  t.run_count = keep(run_count);
  t.coupling = keep(coupling);
  t.feature = keep(feature);
}

// The parts of all components, each level's side by side.
void build_parts(Builder &b, Tables &t) {
  std::vector<Part> parts;
  t.n_row = 0;
  for (int level = 0; level <= b.J; ++level) {
    t.level_part[level] = int(parts.size());
    const int size = 2 * (t.level_independent[level + 1] - t.level_independent[level]);
    for (size_t k = 0; k < b.components.size(); ++k) {
      Component &c = b.components[k];
      if (c.j1 != level && c.j2 != level && c.j != level) continue;
      if (c.j == level) c.top = int(parts.size());
      b.part_start[{int(k), level}] = t.n_row;
      parts.push_back({int(k), level, t.n_row});
      t.n_row += (size + kRowPad - 1) / kRowPad * kRowPad;
    }
  }
  t.level_part[b.J + 1] = int(parts.size());
  t.parts = keep(parts);
  t.components = keep(b.components);
}

struct Bundled {
  std::vector<Bundle> bundles;
  std::vector<Product> products;
  std::vector<double> coupling;
  std::vector<int> outs;
};

// All products of levels j1 >= j2 whose projections add up to w.
void add_bundle(const Builder &b, const Tables &t, int j1, int j2, Weight w, Bundled &found) {
  std::vector<int> levels;
  const int highest = j1 + j2 <= b.J ? j1 + j2 : b.J - (j1 + j2 - b.J) % 2;
  for (int j = highest; j >= std::max(j1 - j2, w.lowest()); j -= 2) levels.push_back(j);
  if (levels.empty()) return;
  int n_products = 0, n_tops = 0;
  for (Weight w1 : b.weights) {
    const Weight w2{w.m - w1.m, w.n - w1.n};
    if ((j1 - w1.m) % 2 || w1.lowest() > j1 || w2.lowest() > j2) continue;
    if (j1 == j2 && b.weight_index(w1) > b.weight_index(w2)) continue;
    found.products.push_back({uint16_t(b.full(w1, j1)), uint16_t(b.full(w2, j2))});
    for (int j : levels) found.coupling.push_back(b.coupling(j, w, j1, w1, j2, w2));
    ++n_products;
  }
  for (int j : levels) {
    const int out = b.independent.at({j, (j + w.m) / 2, (j + w.n) / 2}) - t.level_independent[j];
    found.outs.push_back(b.part_start.at({b.share_of(j1, j2, j).first, j}) + 2 * out);
    n_tops += j >= j1;
  }
  found.bundles.push_back({uint16_t(n_products), uint16_t(levels.size()), uint16_t(n_tops)});
}

void build_bundles(const Builder &b, Tables &t) {
  Bundled found;
  for (int j1 = 0; j1 <= b.J; ++j1)
    for (int j2 = 0; j2 <= j1; ++j2)
      for (int m = -(j1 + j2); m <= 0; m += 2)
        for (int n = -(j1 + j2); n <= (m == 0 ? 0 : j1 + j2); n += 2) add_bundle(b, t, j1, j2, {m, n}, found);
  t.n_bundles = int(found.bundles.size());
  t.bundles = keep(found.bundles);
  t.products = keep(found.products);
  t.bundle_coupling = keep(found.coupling);
  t.bundle_out = keep(found.outs);
}

void build_gradient(const Builder &b, Tables &t) {
  const int n_below = b.J > 0 ? t.level_independent[b.J] : 0;
  std::vector<std::vector<Share>> shares(2 * n_below);
  // dv_j/d(parameter) = n v_{j-1}[mb,ma]: with a = q0 - i q3, b = q2 - i q1 the pair (q0, q3) or (q2, q1) gets n and (+-)i n.
  auto add = [&](size_t out, int j, int mb, int ma, int pair, double n, bool conjugate) {
    if (mb < 0 || ma < 0 || mb > j || ma > j || n == 0) return;
    double even = n, odd = conjugate ? -n : n, sign = 1;
    Share share{uint16_t(out), even, even, -odd, odd};
    if (2 * mb > j || (2 * mb == j && ma > mb)) {  // the stored half holds sign * conj of this element
      sign = (ma + mb) % 2 ? -1 : 1;
      mb = j - mb, ma = j - ma;
      share = {uint16_t(out), sign * even, -sign * even, -sign * odd, -sign * odd};
    }
    shares[2 * b.independent.at({j, mb, ma}) + pair].push_back(share);
  };
  for (size_t out = 0; out < b.outs.size(); ++out) {
    const auto [j, mb, ma] = b.outs[out];
    if (j == 0) continue;
    add(out, j - 1, mb, ma, 0, j - mb, true);            // a*
    add(out, j - 1, mb - 1, ma - 1, 0, mb, false);       // a
    add(out, j - 1, mb, ma - 1, 1, -(j - mb), true);     // b*
    add(out, j - 1, mb - 1, ma, 1, mb, false);           // b
  }
  std::vector<Share> flat;
  std::vector<int> first{0};
  for (const auto &list : shares) {
    flat.insert(flat.end(), list.begin(), list.end());
    first.push_back(int(flat.size()));
  }
  t.share_first = keep(first);
  t.shares = keep(flat);
}

}  // namespace

Tables *build_tables(int two_j_max) {
  Builder b(two_j_max);
  Tables *t = new Tables();
  t->two_j_max = two_j_max;
  t->n_features = int(b.components.size());
  t->n_half = int(b.half.size());
  t->n_independent = int(b.outs.size());
  t->n_full = int(b.source.size());
  for (int j = 0; j <= two_j_max; ++j) {
    t->level_half[j] = b.half.at({j, 0, 0});
    t->level_independent[j] = b.independent.at({j, 0, 0});
  }
  t->level_half[two_j_max + 1] = t->n_half;
  t->level_independent[two_j_max + 1] = t->n_independent;
  t->half_of = keep(b.half_of);
  t->source = keep(b.source);
  build_couplings(b, *t);
  build_parts(b, *t);
  build_bundles(b, *t);
  build_gradient(b, *t);
  return t;
}

void free_tables(Tables *t) {
  if (!t) return;
  delete[] t->half_of;
  delete[] t->source;
  delete[] t->groups;
  delete[] t->run_count;
  delete[] t->coupling;
  delete[] t->feature;
  delete[] t->components;
  delete[] t->parts;
  delete[] t->bundles;
  delete[] t->products;
  delete[] t->bundle_coupling;
  delete[] t->bundle_out;
  delete[] t->share_first;
  delete[] t->shares;
  delete t;
}

}  // namespace cambrian
