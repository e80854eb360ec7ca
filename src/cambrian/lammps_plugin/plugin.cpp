// What LAMMPS calls after `plugin load`. Its own header of plugins is not installed with it, so the struct stands here.
#include <dlfcn.h>

#include <string>

#include "comm.h"
#include "lammps.h"
#include "pair_cambrian.h"
#include "utils.h"

using namespace LAMMPS_NS;

extern "C" {

struct lammps_plugin {
  const char *version, *style, *name, *info, *author;
  union {
    void *(*one)(void *);
    void *(*several)(void *, int, char **);
  } creator;
  void *handle;
};

static void *make(void *lammps) { return new PairCambrian(static_cast<LAMMPS *>(lammps)); }
}

namespace {

#if defined(MPI_STUBS)
constexpr const char *mpi = "no MPI";
#elif defined(OPEN_MPI)
constexpr const char *mpi = "Open MPI";
#else
constexpr const char *mpi = "MPICH";
#endif

template <typename Function> Function *of_process(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
}

std::string mpi_of_process() {
  auto *has = of_process<int()>("lammps_config_has_mpi_support");
  if (has && !has()) return "no MPI";
  auto *version = of_process<int(char *, int *)>("MPI_Get_library_version");
  if (!version) return "";
  char said[8192] = "";  // longer than any MPI asks for
  int length = 0;
  version(said, &length);
  const std::string words(said);
  for (const char *kind : {"Open MPI", "MPICH", "Intel", "MVAPICH"})
    if (words.find(kind) != std::string::npos) return std::string(kind) == "Open MPI" ? kind : "MPICH";
  return "";
}

// Why classes lie differently in the memory of this LAMMPS, as it says through its C interface; empty where they do not.
std::string misfit(void *lammps) {
  auto *version = of_process<int(void *)>("lammps_version");
  const int found = version ? version(lammps) : static_cast<LAMMPS *>(lammps)->num_ver;
  if (found != CAMBRIAN_LAMMPS_VERSION)
    return "LAMMPS " + std::to_string(CAMBRIAN_LAMMPS_VERSION) + " and this is " + std::to_string(found);
  auto *setting = of_process<int(void *, const char *)>("lammps_extract_setting");
  if (setting && (setting(lammps, "bigint") != sizeof(bigint) || setting(lammps, "tagint") != sizeof(tagint)))
    return "other sizes of integers than those of this LAMMPS";
  const std::string here = mpi_of_process();
  if (!here.empty() && here != mpi) return std::string(mpi) + " and this LAMMPS runs with " + here;
  return "";
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lammps, void *handle, void *registers) {
  auto *lmp = static_cast<LAMMPS *>(lammps);
  const std::string why = misfit(lammps);
  if (!why.empty()) {
    utils::logmesg(lmp, "pair_style cambrian was compiled for " + why +
                            ": left out; compile it with `cambrian build-plugin --lammps DIR`\n");
    return;
  }
  lammps_plugin plugin{lmp->version, "pair", "cambrian", "pair_style cambrian, machine-learned potentials", "Cambrian", {}, handle};
  plugin.creator.one = &make;
  reinterpret_cast<void (*)(lammps_plugin *, void *)>(registers)(&plugin, lmp);
}
