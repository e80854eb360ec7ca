// Forces: centers in blocks of bounded size, so that memory for edges does not grow with the number of atoms.
#include <algorithm>
#include <cmath>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "neigh_list.h"
#include "pair_cambrian.h"
#include "update.h"

using namespace LAMMPS_NS;

namespace {
constexpr int CENTERS = 1024;       // of a block, for each thread
constexpr int64_t EDGES = 1 << 16;  // after which a block is closed, for each thread
}  // namespace

void PairCambrian::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  const int n_local = atom->nlocal, n_all = n_local + atom->nghost;
  if (spread.flag) {
    check_asked("spread");
    member_forces.assign((size_t) n_members * n_all * 3, 0.0);
  }
  if (grade.flag) {
    check_asked("grade");
    grade.values.assign(n_local + 1, 0.0);
  }
  const bool alone = !force->newton_pair;  // ghosts' parts are brought home here
  if (alone) {
    own_forces.assign((size_t) n_all * 3, 0.0);
    for (int i = n_local; i < n_all; ++i) {
      if (vflag_atom) std::fill_n(vatom[i], 6, 0.0);
      if (cvflag_atom) std::fill_n(cvatom[i], 9, 0.0);
    }
  }
  double *forces = alone ? own_forces.data() : (n_all ? atom->f[0] : nullptr);
  for (int next = 0; next < list->inum;) {
    next = gather(next);
    evaluate_block(n_all, grade.flag);
    scatter(forces);
    tally_energies();
    if (vflag_either) tally_virials();
  }
  if (alone) {
    bring_home(forces, 3);
    for (int i = 0; i < n_local; ++i)
      for (int a = 0; a < 3; ++a) atom->f[i][a] += forces[3 * i + a];
    if (vflag_atom) bring_home(vatom[0], 6);
    if (cvflag_atom) bring_home(cvatom[0], 9);
    for (int i = n_local; i < n_all; ++i) {  // with newton on for bonds LAMMPS would carry them home again
      if (vflag_atom) std::fill_n(vatom[i], 6, 0.0);
      if (cvflag_atom) std::fill_n(cvatom[i], 9, 0.0);
    }
  }
  if (spread.flag) finish_spread(n_all);
  if (grade.flag) worst_of(grade, 1);
}

// The next block: edges of centers from `from` on; the first center that is not in it. The kernels ask a neighbor for
// nothing but its species, so one number for each species stands for all neighbors of it.
int PairCambrian::gather(int from) {
  const int *type = atom->type;
  double **x = atom->x;
  const double cutsq = cutoff * cutoff;
  Block &b = block;
  b.center.clear();
  b.species.clear();
  b.first.assign(1, 0);
  int64_t edges = 0;
  int ii = from;
  for (; ii < list->inum && (int) b.center.size() < CENTERS * comm->nthreads && edges < EDGES * comm->nthreads; ++ii) {
    const int i = list->ilist[ii], n = list->numneigh[i], *others = list->firstneigh[i];
    if (species_of[type[i]] < 0) continue;
    if ((int64_t) b.neighbor.size() < edges + n) {
      b.neighbor.resize(2 * (edges + n));
      b.species_at.resize(2 * (edges + n));
      b.r_ij.resize(6 * (edges + n));
    }
    for (int jj = 0; jj < n; ++jj) {
      const int j = others[jj] & NEIGHMASK;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      if (dx * dx + dy * dy + dz * dz >= cutsq || species_of[type[j]] < 0) continue;
      b.neighbor[edges] = j;
      b.species_at[edges] = species_of[type[j]];
      b.r_ij[3 * edges] = dx;
      b.r_ij[3 * edges + 1] = dy;
      b.r_ij[3 * edges + 2] = dz;
      ++edges;
    }
    b.center.push_back(i);
    b.species.push_back(species_of[type[i]]);
    b.first.push_back(edges);
  }
  const int64_t n_centers = b.center.size();
  for (int64_t e = 0; e < edges; ++e) b.species_at[e] += n_centers;
  for (int k = 0; k < kernels.n_elements(potential); ++k) b.species.push_back(k);
  return ii;
}

// Mean energies and pulls of the members; forces of each where the spread is asked for, the worst grade of any.
void PairCambrian::evaluate_block(int n_all, bool graded) {
  Block &b = block;
  const size_t n = b.center.size(), edges = b.first.back();
  const cambrian_stars stars{(int64_t) n, b.first.data(), b.r_ij.data(), b.species_at.data(), b.species.data()};
  b.energies.resize(n);
  b.pull.resize(3 * edges);
  b.grade.resize(graded ? n : 0);
  if (n_members > 1) {
    b.mean_energies.assign(n, 0.0);
    b.mean_pull.assign(3 * edges, 0.0);
  }
  for (int m = 0; m < n_members && n; ++m) {
    char said[1024] = "";
    const int status = kernels.evaluate(potential, m, &stars, b.energies.data(), b.pull.data(),
                                        graded ? b.grade.data() : nullptr, said, sizeof said);
    if (status) {
      const char *usual = status == 1 ? "memory ran out" : "a distance is not finite: atoms were lost or flew apart";
      error->one(FLERR, "pair_style cambrian: " + std::string(*said ? said : usual));
    }
    for (size_t c = 0; graded && c < n; ++c)
      grade.values[b.center[c]] = std::max(grade.values[b.center[c]], b.grade[c]);
    if (spread.flag) scatter(member_forces.data() + (size_t) m * n_all * 3);
    if (n_members == 1) return;
    for (size_t c = 0; c < n; ++c) b.mean_energies[c] += b.energies[c] / n_members;
    for (size_t e = 0; e < 3 * edges; ++e) b.mean_pull[e] += b.pull[e] / n_members;
  }
  if (n_members > 1) {
    b.energies.swap(b.mean_energies);
    b.pull.swap(b.mean_pull);
  }
}

// Forces of centers and neighbors, (atoms, 3), by the pull of each edge.
void PairCambrian::scatter(double *forces) {
  const Block &b = block;
  for (size_t c = 0; c < b.center.size(); ++c) {
    double sum[3] = {0.0, 0.0, 0.0};
    for (int64_t e = b.first[c]; e < b.first[c + 1]; ++e) {
      const double *pull = &b.pull[3 * e];
      double *other = forces + 3 * (size_t) b.neighbor[e];
      for (int a = 0; a < 3; ++a) {
        sum[a] += pull[a];
        other[a] -= pull[a];
      }
    }
    double *own = forces + 3 * (size_t) b.center[c];
    for (int a = 0; a < 3; ++a) own[a] += sum[a];
  }
}

void PairCambrian::tally_energies() {
  const Block &b = block;
  for (size_t c = 0; c < b.center.size(); ++c) {
    if (eflag_global) eng_vdwl += b.energies[c];
    if (eflag_atom) eatom[b.center[c]] += b.energies[c];
  }
}

// LAMMPS's orders: xx yy zz xy xz yz, and for the unsymmetric one yx zx zy after them.
void PairCambrian::tally_virials() {
  const Block &b = block;
  const int64_t edges = b.first.back();
  double sum[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  for (int64_t e = 0; e < edges; ++e) {
    const double *r = &b.r_ij[3 * e], *g = &b.pull[3 * e];
    const double upper[3] = {r[0] * g[1], r[0] * g[2], r[1] * g[2]}, lower[3] = {r[1] * g[0], r[2] * g[0], r[2] * g[1]};
    double w[6];
    for (int a = 0; a < 3; ++a) {
      w[a] = r[a] * g[a];
      w[3 + a] = 0.5 * (upper[a] + lower[a]);
    }
    for (int a = 0; a < 6; ++a) sum[a] -= w[a];
    if (vflag_atom)
      for (int a = 0; a < 6; ++a) vatom[b.neighbor[e]][a] -= w[a];
    if (cvflag_atom) {
      double *own = cvatom[b.neighbor[e]];
      for (int a = 0; a < 3; ++a) {
        own[a] -= w[a];
        own[3 + a] -= upper[a];
        own[6 + a] -= lower[a];
      }
    }
  }
  if (vflag_global)
    for (int a = 0; a < 6; ++a) virial[a] += sum[a];
}

// σ_i² = <|F_i - <F_i>|²> over the members, of whole forces: ghosts' parts come home first.
void PairCambrian::finish_spread(int n_all) {
  const size_t row = (size_t) n_all * 3;
  for (int m = 0; m < n_members; ++m) bring_home(member_forces.data() + m * row, 3);
  spread.values.assign(atom->nlocal + 1, 0.0);
  for (int i = 0; i < atom->nlocal; ++i) {
    double variance = 0.0;
    for (int a = 0; a < 3; ++a) {
      double mean = 0.0;
      for (int m = 0; m < n_members; ++m) mean += member_forces[m * row + 3 * i + a] / n_members;
      for (int m = 0; m < n_members; ++m) {
        const double off = member_forces[m * row + 3 * i + a] - mean;
        variance += off * off / n_members;
      }
    }
    spread.values[i] = std::sqrt(variance);
  }
  worst_of(spread, 0);
}

// For `compute pair`, which adds up all ranks: the largest value on the first, zero on the others.
void PairCambrian::worst_of(Asked &asked, int column) {
  asked.step = update->ntimestep;
  double own = 0.0, largest = 0.0;
  for (int i = 0; i < atom->nlocal; ++i) own = std::max(own, asked.values[i]);
  MPI_Allreduce(&own, &largest, 1, MPI_DOUBLE, MPI_MAX, world);
  pvector[column] = comm->me ? 0.0 : largest;
}

// Rows of ghosts are added to those of the atoms they are images of, on whatever rank.
void PairCambrian::bring_home(double *values, int columns) {
  home = values;
  home_columns = comm_reverse = comm_reverse_off = columns;
  comm->reverse_comm(this);
  comm_reverse = comm_reverse_off = 9;  // what LAMMPS sizes its buffers for at the next run
}

int PairCambrian::pack_reverse_comm(int n, int first, double *buffer) {
  std::copy_n(home + (size_t) first * home_columns, (size_t) n * home_columns, buffer);
  return n * home_columns;
}

void PairCambrian::unpack_reverse_comm(int n, int *atoms, double *buffer) {
  for (int k = 0; k < n; ++k)
    for (int a = 0; a < home_columns; ++a) home[(size_t) atoms[k] * home_columns + a] += *buffer++;
}
