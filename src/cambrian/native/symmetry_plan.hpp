// Symmetry functions grouped so that what they share is computed once. Plain pointers: kernels of every instruction set
// read it, so nothing here may become code of its own.
#pragma once
#include <cstdint>

#include "symmetry_functions.h"

namespace cambrian {

template <class T>
struct List {
  const T *at;
  int n;
  __attribute__((always_inline)) const T *begin() const { return at; }
  __attribute__((always_inline)) const T *end() const { return at + n; }
};

struct RadialUse {
  double eta, shift;
  int feature;
};

struct Radial {  // functions of one species of neighbor
  int segment;
  List<RadialUse> uses;
};

struct Combination {  // 2^(1-zeta) (1 + lam c)^zeta
  double zeta, lam, norm;
  int whole;  // zeta - 1 where zeta is whole, else -1
};

struct Use {
  int combination, feature;
  double norm;
};

struct Channel {  // one gaussian of a group of triplets, and the functions that have it
  double eta, shift;
  int first, last;
  int base, times;  // times > 0: the exponential of an earlier channel to this power, for eta is that multiple
};

struct Triplets {  // functions of one pair of species that need pairs of neighbors
  bool narrow, shifted;
  int first, second;
  List<Combination> combinations;
  List<Channel> channels;
  List<Use> uses;
};

struct WideUse {
  int channel, first, second, feature;
  double own;                 // 2^(1-zeta) (1 + lam)^zeta of the pairs j = k
  const double *by_degree;    // n_degrees: what I_p = sum over pairs of c^p counts, 1/2 for like species included
};

struct Wide {  // wide functions of whole zeta, with moments of all degrees up to `degree`
  int degree, n_moments;  // n_moments: monomials x^a y^b z^c of all degrees, a + b + c = p, p after p
  const double *multinomial;  // a monomial: p!/(a! b! c!)
  List<RadialUse> channels;
  List<WideUse> uses;  // by channel, then by species: neighbors in the list share the sums I_p
};

struct Bell {  // g(x): 1 at 0, zero from 1 on
  int order;                   // of the polynomial; 0: the exponential
  const double *coefficients;  // of the polynomial
  double slope;                // of the polynomial: g' = slope x^n (1-x)^n
};

struct Interval {  // g(|r - middle| / half)
  Bell bell;
  double middle, inverse;  // inverse: 1 / half
};

struct Window {  // an interval of distances
  Interval interval;
  bool asymmetric;  // g(x (2 - x))
  double lower, upper;
};

struct End {  // an angle's factor where the three atoms are in line: value + slope (1 - |cos|)
  double value, slope;
};

struct Hill {  // an interval of angles
  Interval interval;
  End folded, straight;  // at 0 and 180 degrees
};

struct CompactRadial {
  int segment, window, feature;
};

struct CompactUse {
  int hill, feature;
};

struct CompactChannel {  // one window of a group of pairs, and the functions that have it
  int window, first, last;
};

struct Compact {  // compact functions of one pair of species
  bool narrow;
  int first, second;
  List<Hill> hills;
  List<CompactChannel> channels;
  List<CompactUse> uses;
};

struct Shell {  // neighbors within one cutoff; weighted: all as one species, each counting by its weight
  double cutoff;
  bool weighted;
  int n_segments;
  List<Radial> radials;
  List<Triplets> triplets;
  List<Wide> wides;
  List<Window> windows;  // of compact functions: where there are any, neighbors stand by distance
  List<CompactRadial> compact_radials;
  List<Compact> compacts;
};

struct Center {
  List<Shell> shells;
  int n_features;
};

struct Envelope {
  int kind;
  double inner_fraction;
  Bell bell;  // of the exponential and the polynomial
};

struct Plan {
  int n_species, n_features;
  const double *weight;
  const Center *centers;
  Envelope envelope;
};

// Monomials of degree p come in the order b = 0..p, c = 0..p-b, a = p-b-c.
constexpr int n_monomials(int degree) { return (degree + 1) * (degree + 2) / 2; }
constexpr int first_monomial(int degree) { return degree * (degree + 1) * (degree + 2) / 6; }
constexpr int monomial(int degree, int b, int c) { return b * (degree + 1) - b * (b - 1) / 2 + c; }

constexpr int kMostDegree = 64, kMostSpecies = 128, kMostOrder = 4;

struct Owner;
const Plan *build_plan(int n_species, const double *weight, int64_t n_functions, const cambrian_symmetry_function *functions,
                       int64_t n_compact, const cambrian_compact_function *compact, const cambrian_envelope &envelope,
                       Owner *&owner);
void free_plan(Owner *owner);

}  // namespace cambrian
