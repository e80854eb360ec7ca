/* C ABI of the symmetry-function kernels: what ctypes loads, and what a LAMMPS plugin links.

   Edges are sorted by center: those of atom i are first[i] .. first[i+1]-1, with r_ij = r_j - r_i (edges x 3, angstrom)
   and the neighbor's number among the atoms. Species are indices from 0. K = cambrian_symmetry_n_features, the most
   functions of any central element; the columns an atom does not use are zero.
   Every function that returns a status gives 0; 1 when memory ran out; 2 when an edge is not finite; 3 when an atom has
   more neighbors than the kernel can number (60,000). */
#ifndef CAMBRIAN_SYMMETRY_FUNCTIONS_H
#define CAMBRIAN_SYMMETRY_FUNCTIONS_H
#include "bispectrum.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_symmetry cambrian_symmetry;

enum { CAMBRIAN_RADIAL = 0, CAMBRIAN_NARROW = 1, CAMBRIAN_WIDE = 2 };

/* e^(-eta (r - shift)^2) f(r), below the cutoff, for all sides that fade; angular: 2^(1-zeta) (1 + lam cos)^zeta.
   neighbors: their species; -1 (both) counts every neighbor with its species' weight. `feature`: the column. */
typedef struct {
  int32_t center, kind, first, second, feature;
  double eta, shift, cutoff, zeta, lam;
} cambrian_symmetry_function;

/* Functions of compact support, which have no envelope: with g of an envelope's core, x from 0 in the middle of an interval
   to 1 at its ends, g(x) of all distances that count, from lower to upper, or g(x (2 - x)) where asymmetric; angular:
   times g of the angle, angle_low to angle_high (degrees, within 0 and 180 or symmetric about one of them). core: the
   order of the polynomial, 1 to 4, or 0 for the exponential. */
typedef struct {
  int32_t center, kind, first, second, feature, core, asymmetric;
  double lower, upper, angle_low, angle_high;
} cambrian_compact_function;

enum {
  CAMBRIAN_HARD = 0,
  CAMBRIAN_COSINE = 1,
  CAMBRIAN_TANH_CUBE = 2,
  CAMBRIAN_UNIT_TANH_CUBE = 3,
  CAMBRIAN_EXPONENTIAL = 4,
  CAMBRIAN_POLYNOMIAL = 5
};

/* inner_fraction: plateau of the cosine, exponential and polynomial; order: continuous derivatives of the polynomial */
typedef struct {
  int32_t kind, order;
  double inner_fraction;
} cambrian_envelope;

typedef struct {
  int64_t n_atoms;
  const int64_t *first;    /* n_atoms + 1 */
  const double *r_ij;      /* n_edges x 3 */
  const int64_t *neighbor; /* n_edges: an atom */
  const int64_t *species;  /* n_atoms */
} cambrian_stars;

CAMBRIAN_API cambrian_symmetry *cambrian_symmetry_new(int n_species, const double *weight, int64_t n_functions,
                                                      const cambrian_symmetry_function *functions,
                                                      int64_t n_compact, const cambrian_compact_function *compact,
                                                      const cambrian_envelope *envelope);
CAMBRIAN_API void cambrian_symmetry_free(cambrian_symmetry *kernel);
CAMBRIAN_API int cambrian_symmetry_n_features(const cambrian_symmetry *kernel);

/* features: n_atoms x K */
CAMBRIAN_API int cambrian_symmetry_features(const cambrian_symmetry *kernel, const cambrian_stars *stars,
                                            double *features);
/* slope: n_atoms x K, dE_i/dG_ik; pull: n_edges x 3, dE/dr_ij */
CAMBRIAN_API int cambrian_symmetry_pull(const cambrian_symmetry *kernel, const cambrian_stars *stars,
                                        const double *slope, double *pull);
/* slope: n_atoms x K; energies: n_atoms, E_i = sum over k of slope_ik G_ik */
CAMBRIAN_API int cambrian_symmetry_energies_and_pull(const cambrian_symmetry *kernel, const cambrian_stars *stars,
                                                     const double *slope, double *energies, double *pull);
enum {
  CAMBRIAN_IDENTITY = 0,
  CAMBRIAN_TANH = 1,
  CAMBRIAN_SIGMOID = 2,
  CAMBRIAN_ONE_MINUS_SIGMOID = 3,
  CAMBRIAN_SOFTPLUS = 4,
  CAMBRIAN_SILU = 5,
  CAMBRIAN_GELU = 6,
  CAMBRIAN_GAUSSIAN = 7,
  CAMBRIAN_COS = 8,
  CAMBRIAN_FALLING_EXPONENTIAL = 9,
  CAMBRIAN_SQUARE = 10,
  CAMBRIAN_CELU = 11
};

typedef struct cambrian_networks cambrian_networks;

/* A perceptron per species: z_1 = (G - center) W_1 + b_1, x_1 = a_1(z_1), ..., E_i the one output of the last layer.
   depths: layers of each species; sizes: K, outputs of each layer, species after species; activations: layer after layer;
   values: center (K), then W (inputs x outputs) and b (outputs) of each layer, species after species. */
CAMBRIAN_API cambrian_networks *cambrian_networks_new(const cambrian_symmetry *kernel, int n_species, const int32_t *depths,
                                                      const int32_t *sizes, const int32_t *activations,
                                                      const double *values);
CAMBRIAN_API void cambrian_networks_free(cambrian_networks *networks);

/* energies: n_atoms; pull: n_edges x 3; features: n_atoms x K, or null where nobody asks */
CAMBRIAN_API int cambrian_symmetry_networks(const cambrian_symmetry *kernel, const cambrian_networks *networks,
                                            const cambrian_stars *stars, double *features, double *energies, double *pull);
/* features: n_atoms x K; jacobian: n_edges x 3 x K, dG_ik/dr_ij */
CAMBRIAN_API int cambrian_symmetry_jacobian(const cambrian_symmetry *kernel, const cambrian_stars *stars,
                                            double *features, double *jacobian);

#ifdef __cplusplus
}
#endif
#endif
