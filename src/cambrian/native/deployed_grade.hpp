// The extrapolation grade of contracts/grade.py: the largest of |[1, G_i] M|, with M (K + 1 square) of the element of atom i.
#pragma once
#include "deployed_term.hpp"

namespace cambrian::deployed {

class Grade {
 public:
  Grade(const Arrays &arrays, int64_t n_features);
  void of(const cambrian_stars &stars, const double *features, double *grade) const;  // infinite where M is not known

 private:
  int64_t n_;
  std::vector<double> combinations_;
};

}  // namespace cambrian::deployed
