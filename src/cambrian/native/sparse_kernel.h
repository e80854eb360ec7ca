/* C ABI of sparse kernels on SOAP: E_i = sum over s of coefficient_s (p_i . x_s / |p_i|)^exponent in one sweep.

   Points x_s are unit vectors of K = cambrian_soap_n_features numbers, those of species t from first[t] to first[t+1]-1
   (n_species + 1 numbers); an atom sees the points of its own species. Arrays are copied, the SOAP kernel is not: it must
   outlive this one. An empty environment has no energy. A whole exponent is made by products; with any other, cosines
   below zero count as zero. With the exponent 1 or 2 and more points than features the points are folded once: the cost
   does not grow with them. */
#ifndef CAMBRIAN_SPARSE_KERNEL_H
#define CAMBRIAN_SPARSE_KERNEL_H
#include "soap.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_sparse cambrian_sparse;

CAMBRIAN_API cambrian_sparse *cambrian_sparse_new(const cambrian_soap *soap, double exponent, const int64_t *first,
                                                  const double *points, const double *coefficients);
CAMBRIAN_API void cambrian_sparse_free(cambrian_sparse *kernel);

/* energies: n_atoms, eV; pull: n_edges x 3, dE/dr_ij; features (null where nobody asks): n_atoms x K. 0; 1 when memory ran
   out; 2 when an edge is not finite. */
CAMBRIAN_API int cambrian_sparse_energies_and_pull(const cambrian_sparse *kernel, const cambrian_stars *stars,
                                                   double *energies, double *pull, double *features);

#ifdef __cplusplus
}
#endif
#endif
