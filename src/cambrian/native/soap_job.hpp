// What the dispatcher hands to the SOAP kernel of an instruction set.
#pragma once
#include <cstdint>
#include <vector>

#include "soap.h"

namespace cambrian {

struct SoapColumn {  // of the pair (s, t): n of s, n' of t
  int l, first, second;
  double factor;  // 1, or sqrt(2) where it stands for two
};

struct SoapPair {
  int s, t, start;  // its first column
  std::vector<SoapColumn> columns;
};

struct SoapPlan {
  int n_species, n_max, l_max, n_features;
  std::vector<double> exponents, mixing;  // (l, k), (l, k, n)
  std::vector<double> alone;              // n: what the atom itself adds at l = 0
  std::vector<double> upper, lower;       // q_lm = upper z q_l-1,m - lower q_l-2,m, at l (l_max + 1) + m
  std::vector<double> diagonal, raising;  // q_ll; dq_lm/dz = raising q_l,m+1
  std::vector<SoapPair> pairs;
};

// Which outputs are set says what to compute.
struct SoapJob {
  const SoapPlan *plan;
  cambrian_soap_stars stars;
  int threads;
  const double *slope;
  double *features, *energies, *pull, *jacobian;
};

}  // namespace cambrian
