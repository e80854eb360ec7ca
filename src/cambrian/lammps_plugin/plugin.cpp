// What LAMMPS calls after `plugin load`. Its own header of plugins is not installed with it, so the struct stands here.
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

__attribute__((visibility("default"))) void lammpsplugin_init(void *lammps, void *handle, void *register_plugin) {
  auto *lmp = static_cast<LAMMPS *>(lammps);
  if (lmp->num_ver != CAMBRIAN_LAMMPS_VERSION) {  // classes of another version lie differently in memory
    utils::logmesg(lmp, "pair_style cambrian was compiled for LAMMPS " + std::to_string(CAMBRIAN_LAMMPS_VERSION) +
                            " and this is " + std::to_string(lmp->num_ver) +
                            ": left out; compile it with `cambrian build-plugin --lammps DIR`\n");
    return;
  }
  lammps_plugin plugin{lmp->version, "pair", "cambrian", "pair_style cambrian, machine-learned potentials", "Cambrian", {}, handle};
  plugin.creator.one = &make;
  reinterpret_cast<void (*)(lammps_plugin *, void *)>(register_plugin)(&plugin, lmp);
}
}
