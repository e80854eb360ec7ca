// The choice of instruction set at load, and what else dispatchers share.
#include "runtime.hpp"

#include <cstdlib>
#include <cstring>

#include "bispectrum.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace cambrian {

namespace {

Isa choose() {
  const char *forced = std::getenv("CAMBRIAN_NATIVE_ISA");
  [[maybe_unused]] auto wanted = [&](const char *name) { return !forced || !*forced || !std::strcmp(forced, name); };
#if defined(CAMBRIAN_HAS_v3) || defined(CAMBRIAN_HAS_v4)
  __builtin_cpu_init();
#endif
#ifdef CAMBRIAN_HAS_v4
  if (wanted("v4") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
    return Isa::v4;
#endif
#ifdef CAMBRIAN_HAS_v3
  if (wanted("v3") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    return Isa::v3;
#endif
  return Isa::baseline;
}

const Isa isa = choose();
int forced_threads = 0;

}  // namespace

Isa isa_in_use() { return isa; }
const char *isa_name() { return isa == Isa::v4 ? "v4" : isa == Isa::v3 ? "v3" : "baseline"; }
int isa_width() { return isa == Isa::v4 ? 8 : isa == Isa::v3 ? 4 : 2; }

int n_threads() {
#ifdef _OPENMP
  return forced_threads > 0 ? forced_threads : omp_get_max_threads();
#else
  return 1;
#endif
}

// Here and not in the kernels: compiled with -ffast-math, those cannot tell.
bool finite(const double *x, int64_t n) {
  uint64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    uint64_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    found |= ((bits >> 52 & 0x7ff) + 1) >> 11;
  }
  return !found;
}

}  // namespace cambrian

const char *cambrian_native_isa(void) { return cambrian::isa_name(); }
void cambrian_native_set_threads(int threads) { cambrian::forced_threads = threads; }
