// What the dispatcher hands to the SOAP kernels of an instruction set.
#pragma once
#include <cstdint>
#include <vector>

#include "soap.h"

namespace cambrian {

struct SoapPair {
  int s, t, start;  // its first column; columns run by l, n of s, n' of t, n <= n' where s = t
};

// Rows of n are padded with zeros to n_row, whole vectors of the instruction set in use.
struct SoapPlan {
  int n_species, n_max, n_row, l_max, n_features;
  std::vector<double> knots, rate;        // segments + 1; pieces per angstrom
  std::vector<int64_t> counts, first;     // pieces of each segment, and how many lie before it
  std::vector<double> table;              // (piece, order, l, n_row)
  std::vector<double> alone;              // n_row
  std::vector<double> upper, lower;       // q_lm = upper z q_l-1,m - lower q_l-2,m, at l (l_max + 1) + m
  std::vector<double> diagonal, raising;  // q_ll; dq_lm/dz = raising q_l,m+1
  std::vector<SoapPair> pairs;

  double cutoff() const { return knots.back(); }
  int n_harmonics() const { return (l_max + 1) * (l_max + 1); }
};

// Which outputs are set says what to compute.
struct SoapJob {
  const SoapPlan *plan;
  cambrian_stars stars;
  int threads;
  const double *slope;
  double *features, *energies, *pull, *jacobian;
};

const SoapPlan &plan_of(const cambrian_soap *kernel);

}  // namespace cambrian
