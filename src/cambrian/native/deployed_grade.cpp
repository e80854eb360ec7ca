// See deployed_grade.hpp.
#include "deployed_grade.hpp"

#include <cmath>
#include <limits>

#include "runtime.hpp"

namespace cambrian::deployed {

namespace {
constexpr int64_t kColumns = 64;  // at once
}

Grade::Grade(const Arrays &arrays, int64_t n_features) : n_(n_features + 1) {
  const double *given = arrays.any_reals("combinations", {arrays.n_species(), n_, n_});
  combinations_.assign(given, given + arrays.n_species() * n_ * n_);
}

void Grade::of(const cambrian_stars &stars, const double *features, double *grade) const {
  const int64_t n = n_;
#pragma omp parallel for num_threads(n_threads()) schedule(static)
  for (int64_t i = 0; i < stars.n_atoms; ++i) {
    const double *M = combinations_.data() + stars.species[i] * n * n, *G = features + i * (n - 1);
    double most = 0;
    for (int64_t from = 0; from < n; from += kColumns) {
      const int64_t width = n - from < kColumns ? n - from : kColumns;
      double sum[kColumns];
      for (int64_t c = 0; c < width; ++c) sum[c] = M[from + c];
      for (int64_t k = 1; k < n; ++k)
        for (int64_t c = 0; c < width; ++c) sum[c] += G[k - 1] * M[k * n + from + c];
      for (int64_t c = 0; c < width; ++c) {
        const double size = std::abs(sum[c]);
        if (!(size <= most)) most = size == size ? size : std::numeric_limits<double>::infinity();
      }
    }
    grade[i] = most;
  }
}

}  // namespace cambrian::deployed
