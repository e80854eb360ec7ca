/* C ABI of polynomials of neighbor moments (ACE, moment tensors): what ctypes loads, and what a LAMMPS plugin links.

   The arrays are those of contracts/moment_polynomial.py; they are copied. Edges come as in symmetry_functions.h: sorted by
   center, with r_ij = r_j - r_i (edges x 3, angstrom), the neighbor's number among the atoms, and species as indices from 0.
   Every function that returns a status gives 0; 1 when memory ran out; 2 when an edge is not finite. */
#ifndef CAMBRIAN_MOMENTS_H
#define CAMBRIAN_MOMENTS_H
#include "symmetry_functions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_moments cambrian_moments;
typedef struct cambrian_moments_linear cambrian_moments_linear;

enum { CAMBRIAN_HARMONICS = 0, CAMBRIAN_MONOMIALS = 1 };

typedef struct {
  int64_t n_species, n_radial, pieces, family, degree, n_moments, n_terms, n_features;
  const double *cutoffs;        /* n_species x n_species: center, neighbor */
  const double *nodes;          /* n_species x n_species x pieces x 3 x n_radial: f, h f', h^2 f'' at h, 2h ... cutoff */
  const int64_t *moments;       /* n_moments x 3: species or -1, radial index, angular column */
  const int64_t *terms;         /* n_terms x 3: target, left, right, by target */
  const double *coefficients;   /* n_terms */
  const int64_t *feature_first; /* n_features + 1 */
  const int64_t *feature_node;
  const double *feature_weight;
} cambrian_polynomial;

CAMBRIAN_API cambrian_moments *cambrian_moments_new(const cambrian_polynomial *polynomial);
CAMBRIAN_API void cambrian_moments_free(cambrian_moments *kernel);

/* Coefficients (n_species x n_features) folded once into the products. */
CAMBRIAN_API cambrian_moments_linear *cambrian_moments_linear_new(const cambrian_moments *kernel,
                                                                  const double *coefficients);
CAMBRIAN_API void cambrian_moments_linear_free(cambrian_moments_linear *linear);

/* features: n_atoms x n_features */
CAMBRIAN_API int cambrian_moments_features(const cambrian_moments *kernel, const cambrian_stars *stars, double *features);
/* slope: n_atoms x n_features, dE_i/dB_ik; pull: n_edges x 3, dE/dr_ij */
CAMBRIAN_API int cambrian_moments_pull(const cambrian_moments *kernel, const cambrian_stars *stars, const double *slope,
                                       double *pull);
/* energies: n_atoms */
CAMBRIAN_API int cambrian_moments_energies_and_pull(const cambrian_moments *kernel, const cambrian_moments_linear *linear,
                                                    const cambrian_stars *stars, double *energies, double *pull);
/* features: n_atoms x n_features; jacobian: n_edges x 3 x n_features, dB_ik/dr_ij */
CAMBRIAN_API int cambrian_moments_jacobian(const cambrian_moments *kernel, const cambrian_stars *stars, double *features,
                                           double *jacobian);

#ifdef __cplusplus
}
#endif
#endif
