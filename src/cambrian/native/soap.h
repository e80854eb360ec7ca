/* C ABI of the SOAP kernels: what ctypes loads, and what a LAMMPS plugin links.

   Edges are sorted by center: those of atom i are first[i] .. first[i+1]-1, with r_ij = r_j - r_i (edges x 3, angstrom),
   how much the neighbor counts at its distance and the derivative of that, and its species, from 0. K =
   cambrian_soap_n_features. Every function that returns a status gives 0; 1 when memory ran out; 2 when an edge is not
   finite. */
#ifndef CAMBRIAN_SOAP_H
#define CAMBRIAN_SOAP_H
#include "bispectrum.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_soap cambrian_soap;

typedef struct {
  int64_t n_atoms;
  const int64_t *first;            /* n_atoms + 1 */
  const double *r_ij;              /* n_edges x 3 */
  const double *fade, *fade_slope; /* n_edges */
  const int64_t *neighbor_species; /* n_edges */
  const int64_t *species;          /* n_atoms */
} cambrian_soap_stars;

/* I_nl(r) = r^l sum over k of exp(-exponents[l][k] r^2) mixing[l][k][n] for n < n_max, l <= l_max. */
CAMBRIAN_API cambrian_soap *cambrian_soap_new(int n_species, int n_max, int l_max, const double *exponents,
                                              const double *mixing);
CAMBRIAN_API void cambrian_soap_free(cambrian_soap *kernel);
CAMBRIAN_API int cambrian_soap_n_features(const cambrian_soap *kernel);

/* features: n_atoms x K */
CAMBRIAN_API int cambrian_soap_features(const cambrian_soap *kernel, const cambrian_soap_stars *stars,
                                        double *features);
/* slope: n_atoms x K, dE_i/dp_ik; energies: n_atoms, sum over k of slope_ik p_ik; pull: n_edges x 3, dE/dr_ij */
CAMBRIAN_API int cambrian_soap_energies_and_pull(const cambrian_soap *kernel, const cambrian_soap_stars *stars,
                                                 const double *slope, double *energies, double *pull);
/* features: n_atoms x K; jacobian: n_edges x 3 x K, dp_ik/dr_ij */
CAMBRIAN_API int cambrian_soap_jacobian(const cambrian_soap *kernel, const cambrian_soap_stars *stars, double *features,
                                        double *jacobian);

#ifdef __cplusplus
}
#endif
#endif
