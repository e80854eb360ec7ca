// The arrays of a polynomial of moments (moments.h), checked. Names and shapes are those of cambrian_polynomial.
#pragma once
#include "deployed_term.hpp"
#include "moments.h"

namespace cambrian::deployed {

struct FreeMoments {
  void operator()(cambrian_moments *kernel) const { cambrian_moments_free(kernel); }
  void operator()(cambrian_moments_linear *linear) const { cambrian_moments_linear_free(linear); }
};

struct Polynomial {
  explicit Polynomial(const Arrays &arrays);

  std::unique_ptr<cambrian_moments, FreeMoments> kernel;
  int64_t n_features;
  double cutoff;
};

}  // namespace cambrian::deployed
