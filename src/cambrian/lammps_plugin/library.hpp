// The kernels of cambrian (libcambrian_native), opened while LAMMPS runs: a plugin outlives moved and removed ones.
#ifndef CAMBRIAN_PLUGIN_LIBRARY_HPP
#define CAMBRIAN_PLUGIN_LIBRARY_HPP
#include <string>

#include "deployed.h"

namespace cambrian {

struct Library {
  std::string missing; // why it cannot be used, as a sentence; empty where it can
  decltype(&cambrian_deployed_open) open = nullptr;
  decltype(&cambrian_deployed_close) close = nullptr;
  decltype(&cambrian_deployed_n_elements) n_elements = nullptr;
  decltype(&cambrian_deployed_element) element = nullptr;
  decltype(&cambrian_deployed_cutoff) cutoff = nullptr;
  decltype(&cambrian_deployed_n_members) n_members = nullptr;
  decltype(&cambrian_deployed_has_grade) has_grade = nullptr;
  decltype(&cambrian_deployed_summary) summary = nullptr;
  decltype(&cambrian_deployed_evaluate) evaluate = nullptr;
  decltype(&cambrian_native_isa) instruction_set = nullptr;
  decltype(&cambrian_native_set_threads) set_threads = nullptr;
};

const Library &library();

}  // namespace cambrian
#endif
