// Builds the plan of a polynomial of moments; see moments_plan.hpp.
#include "moments_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace cambrian {

namespace {

struct ProgramArrays {
  std::vector<Seed> seeds;
  std::vector<Group> groups;
  std::vector<Partner> partners;
  std::vector<int> inner, touched;
};

struct KindArrays {
  std::deque<std::vector<PanelRow>> rows;
  std::vector<Panel> panels;
};

struct Run {  // moments with consecutive columns
  int column, end;
  PanelRow row;
};

}  // namespace

struct ProgramOwner {
  std::deque<ProgramArrays> arrays;
  std::vector<Program> programs;
};

struct PlanOwner {
  MomentPlan plan{};
  std::vector<double> cutoffs, nodes, recursion;
  std::vector<int> parent, axis, raised, species;
  std::vector<double> count;
  std::deque<KindArrays> kind_arrays;
  std::vector<Kind> kinds;
  std::vector<Node> inner, finals;
  std::vector<Term> terms;
  std::vector<int64_t> feature_first;
  std::vector<Seed> entries;
  ProgramOwner features;
};

namespace {

// By the rows of moments of one species of neighbors: cut where any of them begins or ends, then join what is alike.
KindArrays build_kind(std::vector<Run> runs) {
  std::set<int> cuts;
  for (const Run &run : runs) cuts.insert(run.column), cuts.insert(run.end);
  std::map<std::pair<int, int>, std::vector<PanelRow>> panels;
  for (const Run &run : runs) {
    for (auto from = cuts.find(run.column), to = std::next(from); *from < run.end; from = to++) {
      const int moment = run.row.moment + *from - run.column;
      panels[{*from, *to}].push_back({run.row.radial, moment});
      if (*to == run.end) break;
    }
  }
  KindArrays kind;
  for (auto &[range, rows] : panels) {
    kind.rows.push_back(std::move(rows));
    const auto &kept = kind.rows.back();
    kind.panels.push_back({range.first, range.second - range.first, kept.data(), int(kept.size())});
  }
  return kind;
}

// New numbers of the moments, and the panels of every kind.
std::vector<int> place_moments(const cambrian_polynomial &p, PlanOwner &o) {
  std::vector<std::array<int64_t, 4>> sorted;
  for (int64_t v = 0; v < p.n_moments; ++v)
    sorted.push_back({p.moments[3 * v], p.moments[3 * v + 1], p.moments[3 * v + 2], v});
  std::sort(sorted.begin(), sorted.end());
  std::vector<int> place(p.n_moments);
  const bool alike = p.n_species > 0 && (sorted.empty() || sorted.back()[0] < 0);
  o.plan.n_kinds = alike ? 1 : int(p.n_species);
  std::vector<std::vector<Run>> runs(o.plan.n_kinds);
  for (int begin = 0, n = int(p.n_moments); begin < n;) {
    const auto &first = sorted[begin];
    int end = begin + 1;
    while (end < n && sorted[end][0] == first[0] && sorted[end][1] == first[1] && sorted[end][2] == first[2] + end - begin)
      ++end;
    const Run run{int(first[2]), int(first[2]) + end - begin, {int(first[1]), begin}};
    for (int t = 0; t < o.plan.n_kinds; ++t)
      if (first[0] == t || first[0] < 0) runs[t].push_back(run);
    for (int v = begin; v < end; ++v) place[sorted[v][3]] = v, o.species.push_back(int(first[0]));
    begin = end;
  }
  for (auto &of_kind : runs) {
    o.kind_arrays.push_back(build_kind(std::move(of_kind)));
    const auto &panels = o.kind_arrays.back().panels;
    o.kinds.push_back({panels.data(), int(panels.size())});
  }
  return place;
}

// Nodes that some feature needs: inner ones get numbers after the moments, finals after these.
void place_products(const cambrian_polynomial &p, std::vector<int> place, PlanOwner &o) {
  const int64_t n_old = p.n_terms ? p.terms[3 * (p.n_terms - 1)] + 1 : p.n_moments;
  std::vector<char> needed(n_old, 0), inner(n_old, 0);
  for (int64_t e = 0; e < p.feature_first[p.n_features]; ++e) needed[p.feature_node[e]] = 1;
  for (int64_t k = p.n_terms - 1; k >= 0; --k) {
    const int64_t *t = p.terms + 3 * k;
    if (!needed[t[0]]) continue;
    for (int side = 1; side < 3; ++side) needed[t[side]] = inner[t[side]] = 1;
  }
  place.resize(n_old, -1);
  int n_inner = 0, n_finals = 0;
  for (int64_t n = p.n_moments; n < n_old; ++n)
    if (inner[n]) place[n] = int(p.n_moments) + n_inner++;
  for (int64_t n = p.n_moments; n < n_old; ++n)
    if (needed[n] && !inner[n]) place[n] = int(p.n_moments) + n_inner + n_finals++;
  o.inner.resize(n_inner), o.finals.resize(n_finals);
  o.plan.n_nodes = int(p.n_moments) + n_inner, o.plan.n_finals = n_finals;
  for (int64_t k = 0; k < p.n_terms;) {
    const int64_t target = p.terms[3 * k];
    const int first = int(o.terms.size());
    for (; k < p.n_terms && p.terms[3 * k] == target; ++k)
      if (place[target] >= 0 && p.coefficients[k] != 0)
        o.terms.push_back({place[p.terms[3 * k + 1]], place[p.terms[3 * k + 2]], p.coefficients[k]});
    if (place[target] < 0) continue;
    const int n = place[target] - int(p.n_moments);
    (n < n_inner ? o.inner[n] : o.finals[n - n_inner]) = {first, int(o.terms.size())};
  }
  o.feature_first.assign(p.feature_first, p.feature_first + p.n_features + 1);
  for (int64_t e = 0; e < o.feature_first.back(); ++e) o.entries.push_back({place[p.feature_node[e]], p.feature_weight[e]});
}

// Pairs of equal factors joined, grouped by the factor that meets most others.
void group_pairs(std::vector<Term> pairs, ProgramArrays &a) {
  std::map<int, int> count;
  for (Term &t : pairs) {
    if (t.left > t.right) std::swap(t.left, t.right);
    ++count[t.left], ++count[t.right];
  }
  for (Term &t : pairs)
    if (count[t.left] < count[t.right]) std::swap(t.left, t.right);
  std::sort(pairs.begin(), pairs.end(),
            [](const Term &s, const Term &t) { return std::make_pair(s.left, s.right) < std::make_pair(t.left, t.right); });
  for (std::size_t k = 0; k < pairs.size();) {
    Term sum = pairs[k];
    for (++k; k < pairs.size() && pairs[k].left == sum.left && pairs[k].right == sum.right; ++k) sum.c += pairs[k].c;
    if (sum.c == 0) continue;
    if (a.groups.empty() || a.groups.back().left != sum.left) a.groups.push_back({sum.left, 0});
    a.partners.push_back({sum.right, sum.c});
    a.groups.back().last = int(a.partners.size());
  }
}

// `weights`: of nodes and, after them, of finals.
void add_program(const PlanOwner &o, const std::map<int, double> &weights, ProgramOwner &into) {
  const MomentPlan &plan = o.plan;
  into.arrays.emplace_back();
  ProgramArrays &a = into.arrays.back();
  std::vector<Term> pairs;
  for (const auto &[node, weight] : weights) {
    if (weight == 0) continue;
    if (node < plan.n_nodes) {
      a.seeds.push_back({node, weight});
      continue;
    }
    const Node &final = o.finals[node - plan.n_nodes];
    for (int k = final.first; k < final.last; ++k)
      pairs.push_back({o.terms[k].left, o.terms[k].right, weight * o.terms[k].c});
  }
  group_pairs(std::move(pairs), a);
  std::set<int> touched;
  for (const Seed &s : a.seeds) touched.insert(s.node);
  for (const Group &g : a.groups) touched.insert(g.left);
  for (const Partner &p : a.partners) touched.insert(p.node);
  for (auto at = touched.rbegin(); at != touched.rend() && *at >= plan.n_moments; ++at) {
    a.inner.push_back(*at);
    const Node &node = o.inner[*at - plan.n_moments];
    for (int k = node.first; k < node.last; ++k) touched.insert(o.terms[k].left), touched.insert(o.terms[k].right);
  }
  a.touched.assign(touched.begin(), touched.end());
  const int n_moments = int(std::lower_bound(a.touched.begin(), a.touched.end(), plan.n_moments) - a.touched.begin());
  into.programs.push_back({a.seeds.data(), int(a.seeds.size()), a.groups.data(), int(a.groups.size()), a.partners.data(),
                           a.inner.data(), int(a.inner.size()), a.touched.data(), int(a.touched.size()), n_moments});
}

using Column = std::pair<std::array<int, 3>, int>;
std::vector<Column> by_number(const std::map<std::array<int, 3>, int> &columns) {
  std::vector<Column> sorted(columns.begin(), columns.end());
  std::sort(sorted.begin(), sorted.end(), [](const Column &a, const Column &b) { return a.second < b.second; });
  return sorted;
}

void build_angular(const cambrian_polynomial &p, PlanOwner &o) {
  const int degree = int(p.degree);
  if (p.family == CAMBRIAN_HARMONICS) {
    double diagonal = 1;
    for (int l = 0; l <= degree; ++l) {
      if (l > 1) diagonal *= std::sqrt((2. * l - 1) / (2. * l));
      for (int m = 0; m <= l; ++m) {
        const double square = double(l) * l - double(m) * m;
        const double raise = std::sqrt(double(l - m) * (l + m + 1)) / (m == 0 ? std::sqrt(2.) : 1);
        o.recursion.push_back(m < l ? (2 * l - 1) / std::sqrt(square) : diagonal);
        o.recursion.push_back(m < l - 1 ? std::sqrt((double(l - 1) * (l - 1) - double(m) * m) / square) : 0);
        o.recursion.push_back(raise);
      }
    }
    o.plan.n_columns = (degree + 1) * (degree + 1);
    return;
  }
  std::map<std::array<int, 3>, int> column;
  for (int n = 0; n <= degree; ++n)
    for (int a = n; a >= 0; --a)
      for (int b = n - a; b >= 0; --b) {
        std::array<int, 3> e{a, b, n - a - b};
        column.emplace(e, int(o.parent.size()));
        const int axis = a ? 0 : b ? 1 : 2;
        if (n) --e[axis];
        o.parent.push_back(n ? column.at(e) : 0);
        o.axis.push_back(axis);
      }
  o.plan.n_columns = int(o.parent.size());
  for (const auto &[e, k] : by_number(column)) {
    if (e[0] + e[1] + e[2] == degree) break;
    for (int c = 0; c < 3; ++c) {
      std::array<int, 3> up = e;
      ++up[c];
      o.raised.push_back(column.at(up));
      o.count.push_back(up[c]);
    }
    ++o.plan.n_raised;
  }
}

void copy_table(const cambrian_polynomial &p, PlanOwner &o) {
  const int64_t stride = (p.n_radial + 7) / 8 * 8, rows = p.n_species * p.n_species * p.pieces * 3;
  o.cutoffs.assign(p.cutoffs, p.cutoffs + p.n_species * p.n_species);
  o.nodes.assign(rows * stride + 8, 0.);
  void *start = o.nodes.data();
  std::size_t space = o.nodes.size() * sizeof(double);
  auto *aligned = static_cast<double *>(std::align(64, sizeof(double), start, space));
  for (int64_t k = 0; k < rows; ++k)
    std::copy(p.nodes + k * p.n_radial, p.nodes + (k + 1) * p.n_radial, aligned + k * stride);
  o.plan.nodes = aligned, o.plan.cutoffs = o.cutoffs.data();
  o.plan.stride = int(stride);
}

}  // namespace

MomentPlan *build_moment_plan(const cambrian_polynomial &p, PlanOwner *&owner) {
  auto made = std::make_unique<PlanOwner>();
  PlanOwner &o = *made;
  MomentPlan &plan = o.plan;
  plan.n_species = int(p.n_species), plan.n_radial = int(p.n_radial), plan.pieces = int(p.pieces);
  plan.family = int(p.family), plan.degree = int(p.degree);
  plan.n_moments = int(p.n_moments), plan.n_features = int(p.n_features);
  copy_table(p, o);
  build_angular(p, o);
  place_products(p, place_moments(p, o), o);
  for (int64_t f = 0; f < p.n_features; ++f) {
    std::map<int, double> weights;
    for (int64_t e = o.feature_first[f]; e < o.feature_first[f + 1]; ++e) weights[o.entries[e].node] += o.entries[e].weight;
    add_program(o, weights, o.features);
  }
  plan.recursion = o.recursion.data(), plan.parent = o.parent.data(), plan.axis = o.axis.data();
  plan.raised = o.raised.data(), plan.count = o.count.data();
  plan.species = o.species.data();
  plan.kinds = o.kinds.data(), plan.inner = o.inner.data(), plan.finals = o.finals.data(), plan.terms = o.terms.data();
  plan.feature_first = o.feature_first.data(), plan.entries = o.entries.data();
  plan.features = o.features.programs.data();
  owner = made.release();
  return &plan;
}

void free_moment_plan(PlanOwner *owner) { delete owner; }

const Program *build_programs(const PlanOwner &o, int n_species, const double *coefficients, ProgramOwner *&owner) {
  auto made = std::make_unique<ProgramOwner>();
  for (int s = 0; s < n_species; ++s) {
    std::map<int, double> weights;
    const double *row = coefficients + int64_t(s) * o.plan.n_features;
    for (int f = 0; f < o.plan.n_features; ++f)
      for (int64_t e = o.feature_first[f]; e < o.feature_first[f + 1]; ++e)
        weights[o.entries[e].node] += row[f] * o.entries[e].weight;
    add_program(o, weights, *made);
  }
  owner = made.release();
  return owner->programs.data();
}

void free_programs(ProgramOwner *owner) { delete owner; }

}  // namespace cambrian
