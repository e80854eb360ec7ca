// Sparse kernels of triangles (triangles.h): `knots`, `counts`, `table` (pieces x 10), `lengths` (3), `first` (kinds + 1),
// `points` (m x 3), `weights` (m).
#include "triangles.h"

#include <new>

#include "deployed_pieces.hpp"
#include "deployed_term.hpp"

namespace cambrian::deployed {

namespace {

struct Free {
  void operator()(cambrian_triangles *kernel) const { cambrian_triangles_free(kernel); }
};

class Triangles : public Term {
 public:
  explicit Triangles(const Arrays &arrays) {
    const int64_t n = arrays.n_species(), m = arrays.length("points"), n_kinds = n * n * (n + 1) / 2;
    const Pieces pieces(arrays, arrays.length("table"));
    cambrian_triangle_arrays a{n, pieces.n_segments, pieces.knots, pieces.counts};
    a.table = arrays.reals("table", {kAny, CAMBRIAN_SOAP_ORDERS});
    a.lengths = arrays.positives("lengths", {3});
    a.points = arrays.reals("points", {m, 3}), a.weights = arrays.reals("weights", {m});
    a.first = arrays.integers("first", {n_kinds + 1}, 0, m);
    for (int64_t k = 0; k < n_kinds; ++k)
      if (a.first[k + 1] < a.first[k]) arrays.refuse("its array first must rise");
    if (a.first[n_kinds] != m || a.first[0] != 0) arrays.refuse("its array first must end with the number of points");
    cutoff_ = pieces.cutoff();
    kernel_.reset(cambrian_triangles_new(&a));
    if (!kernel_) throw std::bad_alloc();
  }

  double cutoff() const override { return cutoff_; }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return cambrian_triangles_energies_and_pull(kernel_.get(), &edges.stars, energies, pull);
  }

 private:
  double cutoff_;
  std::unique_ptr<cambrian_triangles, Free> kernel_;
};

}  // namespace

std::unique_ptr<Term> make_triangles(const Arrays &arrays) { return std::make_unique<Triangles>(arrays); }

}  // namespace cambrian::deployed
