// Polynomials of moments as a descriptor: the arrays of cambrian_polynomial (moments.h), each looked at before use.
#include <algorithm>
#include <new>

#include "deployed_polynomial.hpp"

namespace cambrian::deployed {

namespace {

constexpr int64_t kMost = int64_t(1) << 27, kDegree = 32;

void refuse_bad_terms(const Arrays &arrays, const cambrian_polynomial &p) {
  int64_t last = p.n_moments - 1;
  for (int64_t k = 0; k < p.n_terms; ++k) {
    const int64_t *t = p.terms + 3 * k;
    if ((t[0] != last || t[0] < p.n_moments) && t[0] != last + 1) arrays.refuse("targets of products must follow each other");
    if (t[1] >= t[0] || t[2] >= t[0]) arrays.refuse("a product is made of later ones");
    last = t[0];
  }
  int64_t before = 0;
  if (p.feature_first[0] != 0) arrays.refuse("feature_first must begin at 0");
  for (int64_t f = 0; f <= p.n_features; before = p.feature_first[f++])
    if (p.feature_first[f] < before) arrays.refuse("feature_first must rise");
  if (p.n_features * (last + 1) > kMost) arrays.refuse("it has too many features and products");
}

// Those of the last products of each feature are written out one by one.
void refuse_too_many_products(const Arrays &arrays, const cambrian_polynomial &p, int64_t n_nodes) {
  std::vector<int64_t> count(n_nodes, 0);
  for (int64_t k = 0; k < p.n_terms; ++k) ++count[p.terms[3 * k]];
  int64_t total = 0;
  for (int64_t e = 0; e < p.feature_first[p.n_features] && total <= kMost; ++e) total += count[p.feature_node[e]];
  if (total > kMost) arrays.refuse("its features have too many products");
}

class Moments : public Descriptor {
 public:
  explicit Moments(const Arrays &arrays) : polynomial_(arrays) {}

  double cutoff() const override { return polynomial_.cutoff; }
  int64_t n_features() const override { return polynomial_.n_features; }

  int features(const Edges &edges, Scratch &, double *features) const override {
    return cambrian_moments_features(polynomial_.kernel.get(), &edges.stars, features);
  }

  int pull(const Edges &edges, Scratch &, double *slope, double *pull) const override {
    return cambrian_moments_pull(polynomial_.kernel.get(), &edges.stars, slope, pull);
  }

  bool fold(const double *coefficients) override {
    linear_.reset(cambrian_moments_linear_new(polynomial_.kernel.get(), coefficients));
    if (!linear_) throw std::bad_alloc();
    return true;
  }

  int folded(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return cambrian_moments_energies_and_pull(polynomial_.kernel.get(), linear_.get(), &edges.stars, energies, pull);
  }

 private:
  Polynomial polynomial_;
  std::unique_ptr<cambrian_moments_linear, FreeMoments> linear_;
};

}  // namespace

Polynomial::Polynomial(const Arrays &arrays) {
  cambrian_polynomial p{};
  const int64_t n = p.n_species = arrays.n_species();
  p.family = arrays.integer("family", CAMBRIAN_HARMONICS, CAMBRIAN_MONOMIALS);
  p.degree = arrays.integer("degree", 0, kDegree);
  const auto &nodes = arrays.get("nodes", true, {n, n, kAny, 3, kAny});
  p.pieces = nodes.shape[2], p.n_radial = nodes.shape[4];
  if (p.pieces < 2 || p.n_radial < 1 || p.pieces > kMost || p.n_radial > kMost) arrays.refuse("its radial table is empty");
  p.n_moments = arrays.length("moments"), p.n_terms = arrays.length("terms");
  p.n_features = arrays.length("feature_first") - 1;
  if (p.n_moments > kMost || p.n_terms > kMost || p.n_features < 0 || p.n_features > kMost) arrays.refuse("it is too large");
  p.cutoffs = arrays.positives("cutoffs", {n, n});
  p.nodes = arrays.reals("nodes", {n, n, kAny, 3, kAny});
  p.moments = arrays.integers("moments", {p.n_moments, 3}, -1, kMost);
  const int64_t d = p.degree;
  const int64_t columns = p.family == CAMBRIAN_HARMONICS ? (d + 1) * (d + 1) : (d + 1) * (d + 2) * (d + 3) / 6;
  for (int64_t v = 0; v < p.n_moments; ++v) {
    const int64_t *m = p.moments + 3 * v;
    if (m[0] >= n || m[1] < 0 || m[1] >= p.n_radial || m[2] < 0 || m[2] >= columns) arrays.refuse("a moment does not exist");
  }
  p.terms = arrays.integers("terms", {p.n_terms, 3}, 0, 2 * kMost);
  p.coefficients = arrays.reals("products", {p.n_terms});
  p.feature_first = arrays.integers("feature_first", {p.n_features + 1}, 0, kMost);
  refuse_bad_terms(arrays, p);
  const int64_t n_entries = p.feature_first[p.n_features];
  const int64_t n_nodes = p.n_terms ? p.terms[3 * (p.n_terms - 1)] + 1 : p.n_moments;
  p.feature_node = arrays.integers("feature_node", {n_entries}, 0, n_nodes - 1);
  p.feature_weight = arrays.reals("feature_weight", {n_entries});
  refuse_too_many_products(arrays, p, n_nodes);
  kernel.reset(cambrian_moments_new(&p));
  if (!kernel) throw std::bad_alloc();
  n_features = p.n_features;
  cutoff = *std::max_element(p.cutoffs, p.cutoffs + n * n);
}

std::unique_ptr<Descriptor> make_moments(const Arrays &arrays) { return std::make_unique<Moments>(arrays); }

}  // namespace cambrian::deployed
