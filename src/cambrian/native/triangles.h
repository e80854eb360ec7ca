/* C ABI of a sparse kernel of triangles: what ctypes loads, and what a LAMMPS plugin links.

   E_i = sum over pairs of neighbors j < k of f(a) f(b) sum over s of weight_s exp(-1/2 sum over x of (q_x - point_sx)^2)
   with a = r_ij, b = r_ik, c = r_jk and q = (a + b, (a - b)^2, c) / lengths; points in the same units. Edges come as in
   symmetry_functions.h; those beyond the cutoff count for nothing. Kinds of triangles: with n species, that of species
   s (center), t <= u (neighbors) is s n (n + 1) / 2 + t n - t (t - 1) / 2 + u - t, its points those from first[kind] to
   first[kind + 1] - 1. The envelope f is a table of polynomials as in soap.h, of one function; its last knot is the
   cutoff. Arrays are copied. */
#ifndef CAMBRIAN_TRIANGLES_H
#define CAMBRIAN_TRIANGLES_H
#include "soap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_triangles cambrian_triangles;

typedef struct {
  int64_t n_species, n_segments;
  const double *knots;    /* n_segments + 1 */
  const int64_t *counts;  /* n_segments */
  const double *table;    /* pieces x 10 */
  const double *lengths;  /* 3 */
  const int64_t *first;   /* kinds + 1 */
  const double *points;   /* points x 3 */
  const double *weights;  /* points, eV */
} cambrian_triangle_arrays;

CAMBRIAN_API cambrian_triangles *cambrian_triangles_new(const cambrian_triangle_arrays *arrays);
CAMBRIAN_API void cambrian_triangles_free(cambrian_triangles *kernel);

/* energies: n_atoms, eV; pull: n_edges x 3, dE/dr_ij. 0; 1 when memory ran out; 2 when an edge is not finite. */
CAMBRIAN_API int cambrian_triangles_energies_and_pull(const cambrian_triangles *kernel, const cambrian_stars *stars,
                                                      double *energies, double *pull);

#ifdef __cplusplus
}
#endif
#endif
