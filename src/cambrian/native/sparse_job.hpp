// What the dispatcher hands to the sparse kernels of an instruction set.
#pragma once
#include "soap_job.hpp"
#include "sparse_kernel.h"

namespace cambrian {

// Rows x_s of one species, padded to whole vectors: as many rows as n_rows says, n_column numbers each. `form`: rows are
// those of B in E = x B x instead.
struct SparsePoints {
  bool form = false;
  int n_rows = 0;  // a multiple of the vector width
  std::vector<double> rows, coefficients;
};

struct SparsePlan {
  const SoapPlan *soap;
  double exponent;
  int whole;     // the exponent, or 0 where it is no whole number
  int n_column;  // features, padded
  std::vector<SparsePoints> species;
};

struct SparseJob {
  const SparsePlan *plan;
  cambrian_stars stars;
  int threads;
  double *energies, *pull, *features;
};

}  // namespace cambrian
