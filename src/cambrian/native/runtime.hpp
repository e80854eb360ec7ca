// What every kernel's dispatcher shares: the instruction set in use, the number of threads, and a check of inputs.
#pragma once
#include <cstdint>

namespace cambrian {

enum class Isa { baseline, v3, v4 };

Isa isa_in_use();  // decided at load
const char *isa_name();
int isa_width();  // doubles in a vector
int n_threads();

bool finite(const double *x, int64_t n);

}  // namespace cambrian
