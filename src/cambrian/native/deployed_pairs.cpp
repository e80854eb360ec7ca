// Tabulated pairs: V(r) = T(r) f(r), T quintic Hermite pieces as in math/radial_table.py, f an envelope.
//
// `cutoffs` (n_species x n_species), `nodes` (n_species x n_species x pieces x 3: T, h T', h^2 T'' at h, 2h ... cutoff),
// `envelope`, `inner_fraction`.
#include <algorithm>

#include "deployed_envelope.hpp"
#include "deployed_pairwise.hpp"

namespace cambrian::deployed {

namespace {

class Pairs : public Term {
 public:
  explicit Pairs(const Arrays &arrays) : n_(arrays.n_species()), fade_(arrays) {
    const double *cutoffs = arrays.positives("cutoffs", {n_, n_}), *nodes = arrays.reals("nodes", {n_, n_, kAny, 3});
    pieces_ = arrays.get("nodes", true, {n_, n_, kAny, 3}).shape[2];
    if (pieces_ < 2) arrays.refuse("its table is empty");
    cutoffs_.assign(cutoffs, cutoffs + n_ * n_);
    nodes_.assign(nodes, nodes + n_ * n_ * pieces_ * 3);
  }

  double cutoff() const override { return *std::max_element(cutoffs_.begin(), cutoffs_.end()); }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return add_pairs(edges, n_, cutoffs_.data(), energies, pull, [this](int64_t pair, double r, double &slope) {
      double of_table, of_fade;
      const double value = table(pair, r, of_table), fade = fade_.at(r, cutoffs_[pair], of_fade);
      slope = of_table * fade + value * of_fade;
      return value * fade;
    });
  }

 private:
  double table(int64_t pair, double r, double &slope) const {
    const double inverse = double(pieces_) / cutoffs_[pair], x = r * inverse;
    const int64_t piece = std::clamp(int64_t(x), int64_t(1), pieces_ - 1);
    const double t = x - double(piece), u = 1 - t, t2 = t * t, u2 = u * u;
    const double *a = nodes_.data() + 3 * (pair * pieces_ + piece - 1), *b = a + 3;
    slope = (30 * t2 * u2 * (b[0] - a[0]) + u2 * (1 + 5 * t) * (1 - 3 * t) * a[1] + t2 * (1 + 5 * u) * (1 - 3 * u) * b[1] +
             0.5 * t * u2 * (2 - 5 * t) * a[2] - 0.5 * u * t2 * (2 - 5 * u) * b[2]) *
            inverse;
    return u2 * u * ((1 + 3 * t + 6 * t2) * a[0] + t * (1 + 3 * t) * a[1] + 0.5 * t2 * a[2]) +
           t2 * t * ((1 + 3 * u + 6 * u2) * b[0] - u * (1 + 3 * u) * b[1] + 0.5 * u2 * b[2]);
  }

  int64_t n_, pieces_;
  Fade fade_;
  std::vector<double> cutoffs_, nodes_;
};

}  // namespace

std::unique_ptr<Term> make_pairs(const Arrays &arrays) { return std::make_unique<Pairs>(arrays); }

}  // namespace cambrian::deployed
