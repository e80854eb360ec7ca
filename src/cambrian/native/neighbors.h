/* C ABI of the neighbor search: all pairs of small structures, many structures in one call.

   Atoms of structure s are first_atom[s] .. first_atom[s+1]-1. Lengths in angstrom; cells are invertible, their rows the
   vectors, whatever stands in a direction that is not periodic. */
#ifndef CAMBRIAN_NEIGHBORS_H
#define CAMBRIAN_NEIGHBORS_H
#include "bispectrum.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int64_t n_structures;
  const int64_t *first_atom; /* n_structures + 1 */
  const double *positions;   /* n_atoms x 3 */
  const double *cells;       /* n_structures x 3 x 3 */
  const double *inverses;    /* of the cells */
  const uint8_t *pbc;        /* n_structures x 3 */
} cambrian_structures;

/* Edges shorter than the cutoff in the order of (center, neighbor, shift): center, neighbor (capacity, counted through
   all structures), shift and r_ij = r_j - r_i + shift cell (capacity x 3). Gives their number, of which the first
   `capacity` are written; -1 where memory ran out; -2 where two atoms are closer than `closest`: these are center[0] and
   neighbor[0]. */
CAMBRIAN_API int64_t cambrian_neighbors(const cambrian_structures *structures, double cutoff, double closest,
                                        int64_t capacity, int64_t *center, int64_t *neighbor, int64_t *shift,
                                        double *r_ij);

#ifdef __cplusplus
}
#endif
#endif
