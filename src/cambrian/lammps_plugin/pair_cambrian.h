// pair_style cambrian: the potentials of one file that `cambrian deploy` wrote, in LAMMPS's domains.
//
//   pair_style cambrian
//   pair_coeff * * FILE Si O          an element of the file for each atom type; NULL for types of other hybrid styles
//
// Energies E_i are those of a rank's own atoms, with edges r_ij = x_j - x_i out to the cutoff, ghosts included:
//
//   F_i += Σ_j dE_i/dr_ij      F_j -= dE_i/dr_ij      W_j -= r_ij ⊗ dE_i/dr_ij  (virials belong to the neighbor: the
//                                                                                form that gives the right heat flux)
//
// Parts of ghosts are carried home by LAMMPS (newton on) or here (newton off).
#ifndef LMP_PAIR_CAMBRIAN_H
#define LMP_PAIR_CAMBRIAN_H

#include <string>
#include <vector>

#include "library.hpp"
#include "pair.h"

namespace LAMMPS_NS {

class PairCambrian : public Pair {
 public:
  PairCambrian(class LAMMPS *);
  ~PairCambrian() override;
  void compute(int, int) override;
  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void write_restart(FILE *) override;
  void read_restart(FILE *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;
  double memory_usage() override;

 private:
  // Centers in their order, and their edges; what the kernels read and fill.
  struct Block {
    std::vector<int> center, neighbor;  // atoms of this rank, ghosts included; the latter one for each edge
    std::vector<int64_t> first, species_at, species;
    std::vector<double> r_ij, pull, mean_pull, energies, mean_energies, grade;
  };
  // A quantity for each atom that `fix pair` may ask for on some steps.
  struct Asked {
    int flag = 0;      // set by `fix pair` before such a step
    int64_t step = -1; // that of the values
    std::vector<double> values;
  };

  const cambrian::Library &kernels;
  cambrian_deployed *potential = nullptr;
  std::string file;
  std::vector<std::string> names;  // of the elements by atom type, from 0
  std::vector<int> species_of;     // by atom type, from 1; -1: not ours
  double cutoff = 0.0;
  int n_members = 1;
  bool announced = false;
  Block block;
  Asked spread, grade;
  std::vector<double> own_forces;     // newton off: of own atoms and ghosts
  std::vector<double> member_forces;  // members x atoms x 3, where the spread is asked for
  double *home = nullptr;             // what reverse communication carries, rows of `home_columns`
  int home_columns = 0;

  void allocate();
  void open_file();
  void match_elements();
  void announce();
  int gather(int);
  void evaluate_block(int, bool);
  void scatter(double *);
  void tally_energies();
  void tally_virials();
  void bring_home(double *, int);
  void finish_spread(int);
  void worst_of(Asked &, int);
  void refuse(const std::string &);
  void check_asked(const std::string &);
};

}    // namespace LAMMPS_NS
#endif
