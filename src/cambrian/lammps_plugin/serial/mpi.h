// mpi.h for a LAMMPS without MPI whose own (src/STUBS) was not installed with it: one rank, and what the plugin calls.
// Types are as large as there; an MPI_Datatype is the size of one.
#ifndef MPI_STUBS
#define MPI_STUBS
#include <cstring>

using MPI_Comm = int;
using MPI_Datatype = int;
using MPI_Op = int;
using MPI_Request = int;
using MPI_Group = int;
using MPI_Offset = long;
struct MPI_Status {
  int MPI_SOURCE;
};

constexpr MPI_Datatype MPI_CHAR = sizeof(char), MPI_INT = sizeof(int), MPI_DOUBLE = sizeof(double);
constexpr MPI_Op MPI_MAX = 2, MPI_MIN = 3;

inline int MPI_Bcast(void *, int, MPI_Datatype, int, MPI_Comm) { return 0; }
inline int MPI_Allreduce(const void *own, void *all, int count, MPI_Datatype size, MPI_Op, MPI_Comm) {
  std::memcpy(all, own, (size_t) count * size);
  return 0;
}
#endif
