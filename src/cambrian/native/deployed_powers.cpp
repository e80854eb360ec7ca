// Sums of inverse powers for each pair of elements, with a straight line that brings them to their end:
//
//     V(r) = sum over k of coefficients_k r^-exponents_k + line_0 + line_1 r          below the cutoff
#include <cmath>

#include "deployed_pairwise.hpp"

namespace cambrian::deployed {

namespace {

class Powers : public Term {
 public:
  explicit Powers(const Arrays &arrays) : n_(arrays.n_species()), n_powers_(arrays.length("exponents")) {
    const int64_t *exponents = arrays.integers("exponents", {n_powers_}, 1, 64);
    exponents_.assign(exponents, exponents + n_powers_);
    const double *coefficients = arrays.reals("coefficients", {n_, n_, n_powers_});
    coefficients_.assign(coefficients, coefficients + n_ * n_ * n_powers_);
    const double *lines = arrays.reals("lines", {n_, n_, 2});
    lines_.assign(lines, lines + 2 * n_ * n_);
    cutoffs_.assign(n_ * n_, *arrays.positives("cutoff", {}));
  }

  double cutoff() const override { return cutoffs_.front(); }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return add_pairs(edges, n_, cutoffs_.data(), energies, pull, [this](int64_t pair, double r, double &slope) {
      const double *c = coefficients_.data() + n_powers_ * pair, *line = lines_.data() + 2 * pair;
      double sum = 0, falling = 0;
      for (int64_t k = 0; k < n_powers_; ++k) {
        double power = 1, base = 1 / r;  // by squares: std::pow is ten times dearer
        for (int64_t left = exponents_[k]; left; left /= 2, base *= base)
          if (left % 2) power *= base;
        sum += c[k] * power, falling += c[k] * power * exponents_[k];
      }
      slope = line[1] - falling / r;
      return sum + line[0] + line[1] * r;
    });
  }

 private:
  int64_t n_, n_powers_;
  std::vector<int64_t> exponents_;
  std::vector<double> coefficients_, lines_, cutoffs_;
};

}  // namespace

std::unique_ptr<Term> make_powers(const Arrays &arrays) { return std::make_unique<Powers>(arrays); }

}  // namespace cambrian::deployed
