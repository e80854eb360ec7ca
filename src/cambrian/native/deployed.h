/* C ABI of deployed potentials: one file, energies and dE/dr_ij of its atoms. What the LAMMPS plugin links.

   A file holds the elements it knows, and one or more members (of a committee), each a sum of terms. Stars are those of
   symmetry_functions.h: `n_atoms` centers, whose neighbors may be numbered beyond them (ghosts of a domain); `species`
   covers every number that stands in `neighbor`, counted as the file counts its elements. Edges may reach beyond the
   cutoff; those that do count for nothing.
   Where something is wrong, `message` (of `size` bytes) holds one sentence for a user. */
#ifndef CAMBRIAN_DEPLOYED_H
#define CAMBRIAN_DEPLOYED_H
#include "symmetry_functions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cambrian_deployed cambrian_deployed;

/* Null, and a message, for a file that is absent, broken, of another version, or that asks for what is not there. */
CAMBRIAN_API cambrian_deployed *cambrian_deployed_open(const char *path, char *message, int64_t size);
CAMBRIAN_API void cambrian_deployed_close(cambrian_deployed *potential);

CAMBRIAN_API int cambrian_deployed_n_elements(const cambrian_deployed *potential);
CAMBRIAN_API const char *cambrian_deployed_element(const cambrian_deployed *potential, int k); /* its symbol */
CAMBRIAN_API double cambrian_deployed_cutoff(const cambrian_deployed *potential);              /* angstrom */
CAMBRIAN_API int cambrian_deployed_n_members(const cambrian_deployed *potential);              /* 1: no committee */
CAMBRIAN_API int cambrian_deployed_has_grade(const cambrian_deployed *potential);
CAMBRIAN_API const char *cambrian_deployed_summary(const cambrian_deployed *potential); /* one line for a log */

/* Of one member: energies (n_atoms, eV), pull (n_edges x 3, dE/dr_ij, eV/angstrom), grade (n_atoms, the extrapolation
   grade; null where nobody asks). 0; 1 when memory ran out; 2 when an edge is not finite; 3 for what the message says. */
CAMBRIAN_API int cambrian_deployed_evaluate(const cambrian_deployed *potential, int member, const cambrian_stars *stars,
                                            double *energies, double *pull, double *grade, char *message, int64_t size);

#ifdef __cplusplus
}
#endif
#endif
