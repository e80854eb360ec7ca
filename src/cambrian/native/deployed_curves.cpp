// Curves of pairs given point by point: cubic pieces by energies and forces, as in classical/tabulated.py.
//
// `points` (n x 3: r, E, F = -E'), `first` (pairs + 1): where those of each pair of elements begin, pairs as (1,1),
// (1,2) ... (2,2) ...; `cutoff`. A pair without points has no energy.
#include <algorithm>

#include "deployed_pairwise.hpp"

namespace cambrian::deployed {

namespace {

class Curves : public Term {
 public:
  explicit Curves(const Arrays &arrays) : n_(arrays.n_species()) {
    const int64_t pairs = n_ * (n_ + 1) / 2, n_points = arrays.length("points");
    const double *points = arrays.reals("points", {n_points, 3});
    const int64_t *first = arrays.integers("first", {pairs + 1}, 0, n_points);
    for (int64_t p = 0; p < pairs; ++p) {
      if (first[p + 1] < first[p] || first[p + 1] == first[p] + 1) arrays.refuse("a curve needs two points or more");
      for (int64_t k = first[p]; k < first[p + 1]; ++k)
        if (!(points[3 * k] > (k > first[p] ? points[3 * k - 3] : 0))) arrays.refuse("its distances must rise");
    }
    if (first[0] != 0 || first[pairs] != n_points) arrays.refuse("its curves and its points differ in number");
    first_.assign(first, first + pairs + 1);
    points_.assign(points, points + 3 * n_points);
    cutoff_ = *arrays.positives("cutoff", {1});
    cutoffs_.assign(n_ * n_, cutoff_);
    for (int64_t k = 0; k < n_points; ++k) distances_.push_back(points[3 * k]);
  }

  double cutoff() const override { return cutoff_; }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return add_pairs(edges, n_, cutoffs_.data(), energies, pull, [this](int64_t pair, double r, double &slope) {
      const int64_t row = row_of(pair / n_, pair % n_, n_);
      return curve(first_[row], first_[row + 1], r, slope);
    });
  }

 private:
  double curve(int64_t begin, int64_t end, double r, double &slope) const {
    slope = 0;
    if (begin == end || r >= distances_[end - 1]) return 0;
    const double *first = points_.data() + 3 * begin;
    if (r < first[0]) {
      slope = -first[2];
      return first[1] + first[2] * (first[0] - r);
    }
    const int64_t k = std::upper_bound(distances_.begin() + begin, distances_.begin() + end, r) - distances_.begin() - 1;
    const double *a = points_.data() + 3 * k, *b = a + 3, width = b[0] - a[0], t = (r - a[0]) / width, u = 1 - t;
    slope = 6 * t * u * (b[1] - a[1]) / width - a[2] * u * (1 - 3 * t) - b[2] * t * (1 - 3 * u);
    return a[1] * u * u * (1 + 2 * t) - width * a[2] * t * u * u + b[1] * t * t * (1 + 2 * u) + width * b[2] * u * t * t;
  }

  int64_t n_;
  double cutoff_;
  std::vector<int64_t> first_;
  std::vector<double> points_, distances_, cutoffs_;
};

}  // namespace

std::unique_ptr<Term> make_curves(const Arrays &arrays) { return std::make_unique<Curves>(arrays); }

}  // namespace cambrian::deployed
