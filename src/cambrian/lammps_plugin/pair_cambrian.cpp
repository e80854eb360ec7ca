// The commands of the pair style: which file, which elements, restart files, what can be asked for.
#include "pair_cambrian.h"

#include <cstring>
#include <set>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

PairCambrian::PairCambrian(LAMMPS *lmp) : Pair(lmp), kernels(cambrian::library()) {
  single_enable = 0;
  restartinfo = 1;
  one_coeff = 1;
  manybody_flag = 1;
  centroidstressflag = CENTROID_AVAIL;
  no_virial_fdotr_compute = 1;  // from the edges: right with newton off as well
  comm_reverse = comm_reverse_off = 9;
  nextra = 2;
  pvector = new double[2]();
}

PairCambrian::~PairCambrian() {
  if (potential) kernels.close(potential);
  delete[] pvector;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairCambrian::allocate() {
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) setflag[i][j] = 0;
  allocated = 1;
}

void PairCambrian::refuse(const std::string &sentence) { error->all(FLERR, "pair_style cambrian: " + sentence); }

void PairCambrian::settings(int narg, char **) {
  if (narg) refuse("it takes no arguments; the file goes to `pair_coeff * * FILE El1 El2 ...`");
  if (!kernels.missing.empty()) refuse(kernels.missing);
}

void PairCambrian::coeff(int narg, char **arg) {
  if (narg < 3 || std::strcmp(arg[0], "*") || std::strcmp(arg[1], "*"))
    refuse("write `pair_coeff * * FILE El1 El2 ...`, an element for each atom type");
  const std::string found = utils::get_potential_file_path(arg[2]);
  file = found.empty() ? arg[2] : found;
  names.assign(arg + 3, arg + narg);
  if (!allocated) allocate();
  open_file();
  match_elements();
  announced = false;
}

// On every rank, so that where one fails all stop, with its sentence.
void PairCambrian::open_file() {
  if (potential) kernels.close(potential);
  char said[1024] = "";
  potential = kernels.open(file.c_str(), said, sizeof said);
  int failed = potential ? comm->nprocs : comm->me, first_failed = 0;
  MPI_Allreduce(&failed, &first_failed, 1, MPI_INT, MPI_MIN, world);
  if (first_failed == comm->nprocs) return;
  MPI_Bcast(said, sizeof said, MPI_CHAR, first_failed, world);
  said[sizeof said - 1] = 0;
  refuse(*said ? said : file + " cannot be read");
}

void PairCambrian::match_elements() {
  const int n_types = atom->ntypes;
  if ((int) names.size() != n_types)
    refuse("there are " + std::to_string(n_types) + " atom types, but `pair_coeff` names " +
           std::to_string(names.size()) + " elements; name one for each type, NULL where another style serves it");
  std::string known;
  for (int k = 0; k < kernels.n_elements(potential); ++k)
    known += (k ? ", " : "") + std::string(kernels.element(potential, k));
  species_of.assign(n_types + 1, -1);
  for (int type = 1; type <= n_types; ++type) {
    const std::string &name = names[type - 1];
    if (name == "NULL") continue;
    for (int k = 0; k < kernels.n_elements(potential); ++k)
      if (name == kernels.element(potential, k)) species_of[type] = k;
    if (species_of[type] < 0)
      refuse(file + " knows " + known + "; it cannot serve atom type " + std::to_string(type) + ", " + name);
  }
  int pairs = 0;
  for (int i = 1; i <= n_types; ++i)
    for (int j = i; j <= n_types; ++j) pairs += setflag[i][j] = species_of[i] >= 0 && species_of[j] >= 0;
  if (!pairs) refuse("`pair_coeff` names NULL for every atom type; name at least one element");
  cutoff = kernels.cutoff(potential);
  n_members = kernels.n_members(potential);
}

void PairCambrian::init_style() {
  if (!potential) {  // after read_restart
    open_file();
    match_elements();
  }
  if (std::strcmp(update->unit_style, "metal"))
    refuse("its energies are in eV and lengths in angstrom; the input says `units " + std::string(update->unit_style) +
           "`, it must say `units metal`");
  if (atom->nbonds > 0)
    for (int k = 1; k < 4; ++k)
      if (force->special_lj[k] != 1.0 || force->special_coul[k] != 1.0)
        refuse("it counts bonded neighbors like all others; say `special_bonds lj/coul 1.0 1.0 1.0`");
  kernels.set_threads(comm->nthreads);
  neighbor->add_request(this, NeighConst::REQ_FULL);
  if (!announced) announce();
  announced = true;
}

void PairCambrian::announce() {
  if (comm->me) return;
  std::string types;
  for (const std::string &name : names) types += " " + name;
  utils::logmesg(lmp, "Cambrian: " + file + ": " + kernels.summary(potential) + "\n  atom types" + types + "; " +
                          std::to_string(comm->nthreads) + (comm->nthreads == 1 ? " thread" : " threads") +
                          " a rank; instruction set " + kernels.instruction_set() + "\n");
}

double PairCambrian::init_one(int, int) { return cutoff; }

void PairCambrian::write_restart(FILE *out) {
  std::string text = file;
  for (const std::string &name : names) text += "\n" + name;
  const int size = (int) text.size();
  fwrite(&size, sizeof size, 1, out);
  fwrite(text.data(), 1, size, out);
}

// The file is opened later: `pair_coeff` may name another place before the run.
void PairCambrian::read_restart(FILE *in) {
  if (!kernels.missing.empty()) refuse(kernels.missing);
  int size = 0;
  if (comm->me == 0) utils::sfread(FLERR, &size, sizeof size, 1, in, nullptr, error);
  MPI_Bcast(&size, 1, MPI_INT, 0, world);
  std::string text(size, ' ');
  if (comm->me == 0) utils::sfread(FLERR, &text[0], 1, size, in, nullptr, error);
  MPI_Bcast(&text[0], size, MPI_CHAR, 0, world);
  const std::vector<std::string> lines = utils::split_lines(text);
  file = lines.at(0);
  names.assign(lines.begin() + 1, lines.end());
  if (!allocated) allocate();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j) setflag[i][j] = 1;
}

void PairCambrian::check_asked(const std::string &name) {
  if (!potential) return;
  if (name == "spread" && n_members == 1)
    refuse(file + " is no committee, so its forces have no spread; deploy a committee (`fit --committee 4`)");
  if (name == "grade" && !kernels.has_grade(potential))
    refuse(file + " carries no active set, so there is no extrapolation grade");
}

// `fix ID all pair N cambrian spread 1 grade 1`: the flags are what the 1 asks for.
void *PairCambrian::extract(const char *name, int &dimension) {
  dimension = 0;
  if (!std::strcmp(name, "spread_flag")) return &spread.flag;
  if (!std::strcmp(name, "grade_flag")) return &grade.flag;
  return nullptr;
}

void *PairCambrian::extract_peratom(const char *name, int &columns) {
  const std::string wanted = name;
  if (wanted != "spread" && wanted != "grade") return nullptr;
  columns = 0;
  check_asked(wanted);
  Asked &asked = wanted == "spread" ? spread : grade;
  if (asked.step == update->ntimestep) return asked.values.data();
  if (update->whichflag) refuse("write `" + wanted + " 1` in `fix pair`: the 1 is what asks for it");
  return nullptr;  // before a run
}

double PairCambrian::memory_usage() {
  double bytes = Pair::memory_usage();
  for (const auto *v : {&block.r_ij, &block.pull, &block.mean_pull, &block.energies, &block.mean_energies, &own_forces,
                        &member_forces, &spread.values, &grade.values})
    bytes += 8.0 * v->capacity();
  for (const auto *v : {&block.first, &block.species_at, &block.species}) bytes += 8.0 * v->capacity();
  return bytes + 4.0 * (block.center.capacity() + block.neighbor.capacity());
}
