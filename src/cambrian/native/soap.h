/* C ABI of the SOAP kernels: what ctypes loads, and what a LAMMPS plugin links.

   Edges come as in symmetry_functions.h: sorted by center, with r_ij = r_j - r_i (edges x 3, angstrom), the neighbor's
   number among the atoms, and species as indices from 0, for every number that stands in `neighbor`. Edges beyond the
   cutoff count for nothing. K = cambrian_soap_n_features. Every function that returns a status gives 0; 1 when memory ran
   out; 2 when an edge is not finite. */
#ifndef CAMBRIAN_SOAP_H
#define CAMBRIAN_SOAP_H
#include "symmetry_functions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_soap cambrian_soap;

enum { CAMBRIAN_SOAP_ORDERS = 10 };

/* Radial functions G_ln(r), what fades neighbors included, as polynomials: between knots[s] and knots[s + 1] counts[s]
   pieces of equal width, on each sum over k of table[piece][k][l][n] t^k, -1 <= t <= 1. The last knot is the cutoff. The
   arrays are copied. */
typedef struct {
  int64_t n_species, n_max, l_max, n_segments;
  const double *knots;   /* n_segments + 1 */
  const int64_t *counts; /* n_segments */
  const double *table;   /* pieces x 10 x (l_max + 1) x n_max */
  const double *alone;   /* n_max: what an atom adds itself to its own element at l = 0 */
} cambrian_soap_arrays;

CAMBRIAN_API cambrian_soap *cambrian_soap_new(const cambrian_soap_arrays *arrays);
CAMBRIAN_API void cambrian_soap_free(cambrian_soap *kernel);
CAMBRIAN_API int cambrian_soap_n_features(const cambrian_soap *kernel);

/* features: n_atoms x K */
CAMBRIAN_API int cambrian_soap_features(const cambrian_soap *kernel, const cambrian_stars *stars, double *features);
/* slope: n_atoms x K, dE_i/dp_ik; energies: n_atoms, sum over k of slope_ik p_ik; pull: n_edges x 3, dE/dr_ij */
CAMBRIAN_API int cambrian_soap_energies_and_pull(const cambrian_soap *kernel, const cambrian_stars *stars,
                                                 const double *slope, double *energies, double *pull);
/* features: n_atoms x K; jacobian: n_edges x 3 x K, dp_ik/dr_ij */
CAMBRIAN_API int cambrian_soap_jacobian(const cambrian_soap *kernel, const cambrian_stars *stars, double *features,
                                        double *jacobian);

#ifdef __cplusplus
}
#endif
#endif
