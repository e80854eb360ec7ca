// The knots of a table of polynomials on pieces (math/piece_table.py): `knots` (segments + 1), `counts` (segments).
#pragma once
#include "deployed_arrays.hpp"

namespace cambrian::deployed {

struct Pieces {
  Pieces(const Arrays &arrays, int64_t n_pieces) : n_segments(arrays.length("counts")) {
    knots = arrays.reals("knots", {n_segments + 1});
    counts = arrays.integers("counts", {n_segments}, 1, n_pieces);
    int64_t total = 0;
    for (int64_t s = 0; s < n_segments; ++s) {
      total += counts[s];
      if (!(knots[s + 1] > knots[s]) || total > n_pieces) arrays.refuse("its knots must rise");
    }
    if (n_segments < 1 || total != n_pieces || knots[0] != 0) arrays.refuse("its pieces are not as many as its segments say");
  }

  double cutoff() const { return knots[n_segments]; }

  int64_t n_segments;
  const double *knots;  // while the file is open
  const int64_t *counts;
};

}  // namespace cambrian::deployed
