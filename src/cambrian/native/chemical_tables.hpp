// Couplings of the bispectrum with several densities: what depends on two_j_max alone. Plain pointers, as in
// bispectrum_tables.hpp, whose half plane and gradient it shares.
#pragma once
#include <cstdint>

#include "bispectrum_tables.hpp"

namespace cambrian {

constexpr int kMostChannels = 16;

// Z of the first channel a, the second b, for the target c is a slope of the component of the channels
//     role 0: (a, b, c)      role 1: (c, b, a)      role 2: (b, c, a)
struct ChemicalUse {
  int order, role;  // which (j1, j2, j)
  double factor;
};

struct Coupling {  // Z_{first second}^target, first >= second
  int first, second, target;
  const double *c;  // Clebsch-Gordan coefficients, (first + 1) x (second + 1)
  int begin, end;   // its uses
};

struct ChemicalTables {
  const Tables *shared;
  int n_orders, n_couplings;
  const Coupling *couplings;
  const ChemicalUse *uses;
  const double *scale;   // independent elements: u = scale v
  const double *weight;  // how often each stands in the whole plane: 1 in the center, else 2
  const double *half_scale;
  int level_full[kMaxTwoJ + 2];  // whole matrices, row by row
  struct ChemicalOwner *owner;
};

// Throws std::bad_alloc.
ChemicalTables *build_chemical_tables(int two_j_max);
void free_chemical_tables(ChemicalTables *tables);

inline int64_t component_of(const ChemicalUse &use, int n_orders, int64_t n, int64_t a, int64_t b, int64_t c) {
  const int64_t triple = use.role == 0 ? (a * n + b) * n + c : use.role == 1 ? (c * n + b) * n + a : (b * n + c) * n + a;
  return triple * n_orders + use.order;
}

}  // namespace cambrian
