// What brings a neighbor's weight to zero at the cutoff, with its slope; the formulas are those of math/envelopes.py.
//
// `envelope` (2): one of CAMBRIAN_HARD ... CAMBRIAN_POLYNOMIAL, and the polynomial's order; `inner_fraction`.
#pragma once
#include <cmath>

#include "deployed_arrays.hpp"
#include "symmetry_functions.h"

namespace cambrian::deployed {

class Fade {
 public:
  explicit Fade(const Arrays &arrays) {
    const int64_t *given = arrays.integers("envelope", {2}, 0, CAMBRIAN_POLYNOMIAL);
    kind_ = int(given[0]), order_ = int(given[1]), inner_ = arrays.real("inner_fraction");
    if (!(inner_ >= 0 && inner_ < 1)) arrays.refuse("inner_fraction must be within 0 and 1");
    if (kind_ == CAMBRIAN_POLYNOMIAL && (order_ < 1 || order_ > 4)) arrays.refuse("its envelope has an unknown order");
  }

  cambrian_envelope as_c() const { return {int32_t(kind_), int32_t(order_), inner_}; }

  // At distances below the cutoff.
  double at(double distance, double cutoff, double &slope) const {
    const double inner = inner_ * cutoff, width = cutoff - inner, x = (distance - inner) / width;
    slope = 0;
    if (kind_ == CAMBRIAN_TANH_CUBE || kind_ == CAMBRIAN_UNIT_TANH_CUBE) {
      const double t = std::tanh(1 - distance / cutoff), unit = std::tanh(1.), norm = kind_ == CAMBRIAN_TANH_CUBE ? 1 : unit * unit * unit;
      slope = -3 * t * t * (1 - t * t) / (cutoff * norm);
      return t * t * t / norm;
    }
    if (kind_ == CAMBRIAN_HARD || x <= 0) return 1;
    if (kind_ == CAMBRIAN_COSINE) {
      slope = -0.5 * kPi * std::sin(kPi * x) / width;
      return 0.5 * (std::cos(kPi * x) + 1);
    }
    if (kind_ == CAMBRIAN_EXPONENTIAL) {
      const double rest = 1 / (1 - x * x), value = std::exp(1 - rest);
      slope = -2 * x * rest * rest * value / width;
      return value;
    }
    return polynomial(x, width, slope);
  }

 private:
  static constexpr double kPi = 3.14159265358979323846;

  static double choose(int n, int k) {
    double value = 1;
    for (int i = 1; i <= k; ++i) value = value * (n - k + i) / i;
    return std::round(value);
  }

  // 1 - x^(n+1) sum over k of C(n+k, k) C(2n+1, n-k) (-x)^k, whose slope is -(2n+1) C(2n, n) x^n (1-x)^n
  double polynomial(double x, double width, double &slope) const {
    const int n = order_;
    double sum = 0, power = 1;
    for (int k = n; k >= 0; --k) sum = sum * x + (k % 2 ? -1 : 1) * choose(n + k, k) * choose(2 * n + 1, n - k);
    for (int k = 0; k < n; ++k) power *= x;
    double both = power;
    for (int k = 0; k < n; ++k) both *= 1 - x;
    slope = -(2 * n + 1) * choose(2 * n, n) * both / width;
    return 1 - power * x * sum;
  }

  int kind_, order_;
  double inner_;
};

}  // namespace cambrian::deployed
