// The C ABI of triangles: points by kind, padded for the instruction set in use.
#include "triangles.h"

#include <new>

#include "runtime.hpp"
#include "triangles_job.hpp"

namespace cambrian {
int run_triangles_baseline(const TriangleJob &);
#ifdef CAMBRIAN_HAS_v3
int run_triangles_v3(const TriangleJob &);
#endif
#ifdef CAMBRIAN_HAS_v4
int run_triangles_v4(const TriangleJob &);
#endif
}  // namespace cambrian

using namespace cambrian;

struct cambrian_triangles {
  TrianglePlan plan;
};

namespace {

int run_in_use(const TriangleJob &job) {
#ifdef CAMBRIAN_HAS_v4
  if (isa_in_use() == Isa::v4) return run_triangles_v4(job);
#endif
#ifdef CAMBRIAN_HAS_v3
  if (isa_in_use() == Isa::v3) return run_triangles_v3(job);
#endif
  return run_triangles_baseline(job);
}

TrianglePoints padded(int64_t n, const double *points, const double *weights) {
  const int64_t width = isa_width(), whole = (n + width - 1) / width * width;
  TrianglePoints found;
  found.n = int(whole);
  for (std::vector<double> *column : {&found.x, &found.y, &found.z, &found.weight}) column->assign(whole, 0);
  for (int64_t s = 0; s < n; ++s) {
    found.x[s] = points[3 * s], found.y[s] = points[3 * s + 1], found.z[s] = points[3 * s + 2];
    found.weight[s] = weights[s];
  }
  return found;
}

}  // namespace

cambrian_triangles *cambrian_triangles_new(const cambrian_triangle_arrays *a) try {
  auto *kernel = new cambrian_triangles;
  TrianglePlan &p = kernel->plan;
  p.n_species = int(a->n_species);
  for (int k = 0; k < 3; ++k) p.inverse[k] = 1 / a->lengths[k];
  p.knots.assign(a->knots, a->knots + a->n_segments + 1);
  p.counts.assign(a->counts, a->counts + a->n_segments);
  int64_t pieces = 0;
  for (int64_t s = 0; s < a->n_segments; ++s) {
    p.first.push_back(pieces);
    p.rate.push_back(a->counts[s] / (a->knots[s + 1] - a->knots[s]));
    pieces += a->counts[s];
  }
  p.table.assign(a->table, a->table + pieces * CAMBRIAN_SOAP_ORDERS);
  const int64_t kinds = a->n_species * (a->n_species * (a->n_species + 1) / 2);
  for (int64_t kind = 0; kind < kinds; ++kind)
    p.kinds.push_back(
        padded(a->first[kind + 1] - a->first[kind], a->points + 3 * a->first[kind], a->weights + a->first[kind]));
  return kernel;
} catch (const std::bad_alloc &) {
  return nullptr;
}

void cambrian_triangles_free(cambrian_triangles *kernel) { delete kernel; }

int cambrian_triangles_energies_and_pull(const cambrian_triangles *kernel, const cambrian_stars *stars, double *energies,
                                         double *pull) try {
  if (!finite(stars->r_ij, 3 * stars->first[stars->n_atoms])) return 2;
  return run_in_use({&kernel->plan, *stars, n_threads(), energies, pull});
} catch (const std::bad_alloc &) {
  return 1;
}
