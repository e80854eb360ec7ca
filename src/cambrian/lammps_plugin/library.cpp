#include "library.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace cambrian {

namespace {

Library load() {
  Library found;
  const char *elsewhere = std::getenv("CAMBRIAN_LIBRARY");
  const std::string path = elsewhere && *elsewhere ? elsewhere : CAMBRIAN_LIBRARY_PATH;
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *said = dlerror();
    found.missing = "the kernels of cambrian do not load (" + std::string(said ? said : path) +
                    "); reinstall cambrian, or name its libcambrian_native.so in CAMBRIAN_LIBRARY";
    return found;
  }
  auto get = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    if (!function && found.missing.empty())
      found.missing = path + " is older than this plugin: it has no " + name + "; reinstall cambrian";
  };
  get(found.open, "cambrian_deployed_open");
  get(found.close, "cambrian_deployed_close");
  get(found.n_elements, "cambrian_deployed_n_elements");
  get(found.element, "cambrian_deployed_element");
  get(found.cutoff, "cambrian_deployed_cutoff");
  get(found.n_members, "cambrian_deployed_n_members");
  get(found.has_grade, "cambrian_deployed_has_grade");
  get(found.summary, "cambrian_deployed_summary");
  get(found.evaluate, "cambrian_deployed_evaluate");
  get(found.instruction_set, "cambrian_native_isa");
  get(found.set_threads, "cambrian_native_set_threads");
  return found;
}

}  // namespace

const Library &library() {
  static const Library loaded = load();
  return loaded;
}

}  // namespace cambrian
