// Three-body sparse kernels (networks/three_body_kernel.py): the energy of a triangle belongs to its center,
//
//     E_i = sum over j < k of f(a) f(b) sum over s of c_s exp(-1/2 |(q - q_s) / theta|^2),   q = (a + b, (a - b)^2, c)
//
// with a, b the distances of the two neighbors and c between them; the points q_s of the kind of triangle:
// center n (n + 1)/2 + the pair of its neighbors. `cutoff`, `inverse_lengths` (3), `first` (kinds + 1), `points` (m x 3),
// `weights` (m), `envelope`, `inner_fraction`.
#include <cmath>

#include "deployed_envelope.hpp"
#include "deployed_term.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

struct Slopes {
  double a, b, c;
};

class Triangles : public Term {
 public:
  explicit Triangles(const Arrays &arrays) : n_(arrays.n_species()), fade_(arrays), cutoff_(arrays.real("cutoff")) {
    if (!(cutoff_ > 0)) arrays.refuse("its cutoff must be above 0");
    const int64_t m = arrays.length("points"), n_kinds = n_ * n_ * (n_ + 1) / 2;
    const double *points = arrays.reals("points", {m, 3}), *weights = arrays.reals("weights", {m});
    const double *lengths = arrays.positives("inverse_lengths", {3});
    const int64_t *first = arrays.integers("first", {n_kinds + 1}, 0, m);
    for (int64_t k = 0; k < n_kinds; ++k)
      if (first[k + 1] < first[k]) arrays.refuse("its array first must rise");
    if (first[n_kinds] != m || first[0] != 0) arrays.refuse("its array first must end with the number of points");
    points_.assign(points, points + 3 * m), weights_.assign(weights, weights + m), first_.assign(first, first + n_kinds + 1);
    for (int c = 0; c < 3; ++c) inverse_[c] = lengths[c];
  }

  double cutoff() const override { return cutoff_; }

  int evaluate(const Edges &edges, Scratch &scratch, double *energies, double *pull) const override {
    const cambrian_stars &stars = edges.stars;
    double *fades = scratch.doubles(kEdgeValues, edges.n_edges), *falls = scratch.doubles(kEdgeSlopes, edges.n_edges);
#pragma omp parallel for num_threads(n_threads()) schedule(dynamic, 8)
    for (int64_t i = 0; i < stars.n_atoms; ++i) {
      const int64_t begin = stars.first[i], end = stars.first[i + 1];
      for (int64_t e = begin; e < end; ++e) fades[e] = fade_.at(edges.distance[e], cutoff_, falls[e]);
      for (int64_t x = 3 * begin; x < 3 * end; ++x) pull[x] = 0;
      energies[i] = 0;
      for (int64_t j = begin; j < end; ++j)
        for (int64_t k = j + 1; k < end; ++k) energies[i] += triangle(edges, i, j, k, fades, falls, pull);
    }
    return 0;
  }

 private:
  double triangle(const Edges &edges, int64_t i, int64_t j, int64_t k, const double *fades, const double *falls,
                  double *pull) const {
    const double *one = edges.stars.r_ij + 3 * j, *two = edges.stars.r_ij + 3 * k;
    const double across[3] = {two[0] - one[0], two[1] - one[1], two[2] - one[2]};
    const double a = edges.distance[j], b = edges.distance[k];
    const double c = std::sqrt(across[0] * across[0] + across[1] * across[1] + across[2] * across[2]);
    Slopes slope;
    const double sum = kernels(kind(edges, i, j, k), a, b, c, slope), fade = fades[j] * fades[k];
    const double by_a = (slope.a * fade + sum * falls[j] * fades[k]) / a;
    const double by_b = (slope.b * fade + sum * fades[j] * falls[k]) / b;
    const double by_c = c > 0 ? slope.c * fade / c : 0;
    for (int x = 0; x < 3; ++x) {
      pull[3 * j + x] += by_a * one[x] - by_c * across[x];
      pull[3 * k + x] += by_b * two[x] + by_c * across[x];
    }
    return sum * fade;
  }

  int64_t kind(const Edges &edges, int64_t i, int64_t j, int64_t k) const {
    int64_t low = edges.neighbor_species[j], high = edges.neighbor_species[k];
    if (low > high) std::swap(low, high);
    return edges.stars.species[i] * (n_ * (n_ + 1) / 2) + low * n_ - low * (low - 1) / 2 + high - low;
  }

  double kernels(int64_t kind, double a, double b, double c, Slopes &slope) const {
    const double q[3] = {a + b, (a - b) * (a - b), c};
    double sum = 0, by[3] = {0, 0, 0};
    for (int64_t s = first_[kind]; s < first_[kind + 1]; ++s) {
      double away[3], square = 0;
      for (int x = 0; x < 3; ++x) away[x] = (q[x] - points_[3 * s + x]) * inverse_[x], square += away[x] * away[x];
      const double value = weights_[s] * std::exp(-0.5 * square);
      sum += value;
      for (int x = 0; x < 3; ++x) by[x] -= value * away[x] * inverse_[x];
    }
    slope = {by[0] + 2 * (a - b) * by[1], by[0] - 2 * (a - b) * by[1], by[2]};
    return sum;
  }

  int64_t n_;
  Fade fade_;
  double cutoff_, inverse_[3];
  std::vector<int64_t> first_;
  std::vector<double> points_, weights_;
};

}  // namespace

std::unique_ptr<Term> make_triangles(const Arrays &arrays) { return std::make_unique<Triangles>(arrays); }

}  // namespace cambrian::deployed
