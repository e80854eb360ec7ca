// What the dispatcher hands to the kernel of an instruction set.
#pragma once
#include "chemical.h"
#include "chemical_tables.hpp"

namespace cambrian {

// Which outputs are set says what to compute.
struct ChemicalJob {
  const ChemicalTables *tables;
  double rfac0, rmin0;
  int n_channels;
  bool self_in_all;
  cambrian_channels stars;
  int threads;
  const double *slopes;  // rows of n_features
  const int64_t *row;    // n_atoms
  double *features, *energies, *pull, *jacobian;

  int64_t n_features() const { return int64_t(tables->n_orders) * n_channels * n_channels * n_channels; }
};

}  // namespace cambrian
