/* C ABI of the bispectrum kernels: what ctypes loads, and what a LAMMPS plugin links.

   Edges are sorted by center: those of atom i are first[i] .. first[i+1]-1, with r_ij = r_j - r_i (edges x 3, angstrom),
   the cutoff of that pair of elements and the weight of the neighbor's element. K = cambrian_bispectrum_n_features.
   Every function that returns a status gives 0; 1 when memory ran out; 2 when an edge is not finite. */
#ifndef CAMBRIAN_BISPECTRUM_H
#define CAMBRIAN_BISPECTRUM_H
#include <stdint.h>

#if defined(_WIN32)
#define CAMBRIAN_API __declspec(dllexport)
#else
#define CAMBRIAN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_bispectrum cambrian_bispectrum;
typedef struct cambrian_bispectrum_linear cambrian_bispectrum_linear;

typedef struct {
  int64_t n_atoms;
  const int64_t *first;  /* n_atoms + 1 */
  const double *r_ij;    /* n_edges x 3 */
  const double *cutoff;  /* n_edges */
  const double *weight;  /* n_edges */
} cambrian_edges;

CAMBRIAN_API const char *cambrian_native_isa(void);         /* the instruction set in use */
CAMBRIAN_API void cambrian_native_set_threads(int threads); /* 0: as OpenMP decides */

CAMBRIAN_API cambrian_bispectrum *cambrian_bispectrum_new(int two_j_max, double rfac0, double rmin0);
CAMBRIAN_API void cambrian_bispectrum_free(cambrian_bispectrum *kernel);
CAMBRIAN_API int cambrian_bispectrum_n_features(const cambrian_bispectrum *kernel);

/* Coefficients (n_species x K, no constant) folded once into the coupling table. */
CAMBRIAN_API cambrian_bispectrum_linear *cambrian_bispectrum_linear_new(const cambrian_bispectrum *kernel, int n_species,
                                                                        const double *coefficients);
CAMBRIAN_API void cambrian_bispectrum_linear_free(cambrian_bispectrum_linear *linear);

/* features: n_atoms x K */
CAMBRIAN_API int cambrian_bispectrum_features(const cambrian_bispectrum *kernel, const cambrian_edges *edges,
                                              double *features);
/* slope: n_atoms x K, dE_i/dB_ik; pull: n_edges x 3, dE/dr_ij */
CAMBRIAN_API int cambrian_bispectrum_pull(const cambrian_bispectrum *kernel, const cambrian_edges *edges,
                                          const double *slope, double *pull);
/* species: n_atoms, the row of coefficients; energies: n_atoms */
CAMBRIAN_API int cambrian_bispectrum_energies_and_pull(const cambrian_bispectrum *kernel,
                                                       const cambrian_bispectrum_linear *linear,
                                                       const cambrian_edges *edges, const int64_t *species,
                                                       double *energies, double *pull);
/* features: n_atoms x K; jacobian: n_edges x 3 x K, dB_ik/dr_ij */
CAMBRIAN_API int cambrian_bispectrum_jacobian(const cambrian_bispectrum *kernel, const cambrian_edges *edges,
                                              double *features, double *jacobian);

/* Sums over edges that fitting rows are made of, by the block (0 .. n_blocks-1) of the edge's center; K is padded to P,
   the next multiple of 8, and what stands there means nothing. neighbor: n_edges; block: n_atoms; structure: n_atoms,
   0 .. n_structures-1; features: n_atoms x K; forces: n_atoms x 3 x n_blocks x P, dB/dr_ij of the edges of an atom less
   those that lead to it; strain: n_structures x 6 x n_blocks x P, sum of r_ij,a dB/dr_ij,b for xx, yy, zz, yz, xz, xy. */
CAMBRIAN_API int cambrian_bispectrum_rows(const cambrian_bispectrum *kernel, const cambrian_edges *edges,
                                          const int64_t *neighbor, const int64_t *block, int n_blocks,
                                          const int64_t *structure, int64_t n_structures, double *features, double *forces, double *strain);

#ifdef __cplusplus
}
#endif
#endif
