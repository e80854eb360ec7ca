// Curves of pairs as sums of Gaussians: V(r) = f(r) sum over s of w_s exp(-(r - r_s)^2 / 2 length^2), f an envelope.
//
// `points` and `weights` (pairs x n), pairs (1,1), (1,2) ... (2,2) ... of the elements; `length`, `cutoff`, `envelope`,
// `inner_fraction`. Summed as they are: weights are large and cancel, so that a table would lose digits.
#include <cmath>

#include "deployed_envelope.hpp"
#include "deployed_pairwise.hpp"

namespace cambrian::deployed {

namespace {

class Gaussians : public Term {
 public:
  explicit Gaussians(const Arrays &arrays) : fade_(arrays), n_(arrays.n_species()), n_points_(0) {
    const auto &shape = arrays.get("points", true, {n_ * (n_ + 1) / 2, kAny}).shape;
    n_points_ = shape[1];
    const double *points = arrays.reals("points", shape), *weights = arrays.reals("weights", shape);
    points_.assign(points, points + shape[0] * n_points_);
    weights_.assign(weights, weights + shape[0] * n_points_);
    cutoff_ = *arrays.positives("cutoff", {1});
    const double length = *arrays.positives("length", {1});
    rate_ = 1 / (length * length);
    cutoffs_.assign(n_ * n_, cutoff_);
  }

  double cutoff() const override { return cutoff_; }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return add_pairs(edges, n_, cutoffs_.data(), energies, pull, [this](int64_t pair, double r, double &slope) {
      const int64_t row = row_of(pair / n_, pair % n_, n_);
      const double *points = points_.data() + row * n_points_, *weights = weights_.data() + row * n_points_;
      double sum = 0, sum_slope = 0, of_fade;
      for (int64_t s = 0; s < n_points_; ++s) {
        const double away = r - points[s], value = weights[s] * std::exp(-0.5 * rate_ * away * away);
        sum += value;
        sum_slope -= rate_ * away * value;
      }
      const double fade = fade_.at(r, cutoff_, of_fade);
      slope = sum_slope * fade + sum * of_fade;
      return sum * fade;
    });
  }

 private:
  Fade fade_;
  int64_t n_, n_points_;
  double cutoff_, rate_;
  std::vector<double> points_, weights_, cutoffs_;
};

}  // namespace

std::unique_ptr<Term> make_gaussians(const Arrays &arrays) { return std::make_unique<Gaussians>(arrays); }

}  // namespace cambrian::deployed
