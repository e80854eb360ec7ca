/* C ABI of the bispectrum with a density for each element: what ctypes loads, and what a LAMMPS plugin links.

   U^c sums over the neighbors of channel c alone; components B^{klm} = Re sum of U_j^m* Z(U_{j1}^k, U_{j2}^l), raw as those
   of bispectrum.h, m running fastest among the channels, and the orders within. K = cambrian_chemical_n_features.
   Every function that returns a status gives 0; 1 when memory ran out; 2 when an edge is not finite. */
#ifndef CAMBRIAN_CHEMICAL_H
#define CAMBRIAN_CHEMICAL_H
#include "bispectrum.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_chemical cambrian_chemical;

typedef struct {
  cambrian_edges edges;
  const int64_t *center;   /* n_atoms: the channel of each atom */
  const int64_t *neighbor; /* n_edges: the channel of each neighbor */
} cambrian_channels;

/* self_in_all: the atom itself stands in the density of every channel, not only in its own. */
CAMBRIAN_API cambrian_chemical *cambrian_chemical_new(int two_j_max, double rfac0, double rmin0, int n_channels,
                                                      int self_in_all);
CAMBRIAN_API void cambrian_chemical_free(cambrian_chemical *kernel);
CAMBRIAN_API int64_t cambrian_chemical_n_features(const cambrian_chemical *kernel);

/* features: n_atoms x K */
CAMBRIAN_API int cambrian_chemical_features(const cambrian_chemical *kernel, const cambrian_channels *stars,
                                            double *features);
/* slopes: rows of K, dE_i/dB_ik; row: n_atoms, which of them is each atom's; energies: n_atoms, sum over k of slope B, or
   null where nobody asks; pull: n_edges x 3, dE/dr_ij */
CAMBRIAN_API int cambrian_chemical_pull(const cambrian_chemical *kernel, const cambrian_channels *stars, const double *slopes,
                                        const int64_t *row, double *energies, double *pull);
/* features: n_atoms x K; jacobian: n_edges x 3 x K, dB_ik/dr_ij */
CAMBRIAN_API int cambrian_chemical_jacobian(const cambrian_chemical *kernel, const cambrian_channels *stars,
                                            double *features, double *jacobian);

#ifdef __cplusplus
}
#endif
#endif
