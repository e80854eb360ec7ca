// Exponentials and envelopes in vectors. Part of symmetry_kernel.cpp.
#pragma once
#include "lanes.hpp"
#include "symmetry_plan.hpp"

using namespace cambrian;

namespace {

typedef int int_lanes __attribute__((vector_size(4 * W)));

inline vec larger(vec a, vec b) { return a > b ? a : b; }
inline vec smaller(vec a, vec b) { return a < b ? a : b; }

// e^x for x <= 0: 2^n 2^f, the series of 2^f within half a power. Its error is that of x itself, |x| 1e-16 of e^x.
inline vec exponential(vec x) {
  const vec t = larger(x * 1.4426950408889634, all(-1020));
  const int_lanes n = __builtin_convertvector(t - 0.5, int_lanes);
  const vec f = t - __builtin_convertvector(n, vec), g = f * f;
  vec even = all(2.5678435993488196e-11), odd = all(1.3691488853904124e-12);
  constexpr double evens[] = {7.054911620801121e-09, 1.3215486790144305e-06, 0.00015403530393381606, 0.009618129107628477, 0.2402265069591007, 1.};
  constexpr double odds[] = {4.44553827187081e-10, 1.0178086009239696e-07, 1.5252733804059838e-05, 0.0013333558146428441, 0.055504108664821576, 0.6931471805599453};
  for (double k : evens) even = even * g + k;
  for (double k : odds) odd = odd * g + k;
  const mask power = (__builtin_convertvector(n, mask) + 1023) << 52;
  return (even + f * odd) * reinterpret_cast<const vec &>(power);
}

struct Fade {  // an envelope for one cutoff
  int kind;
  double inner, rate;  // rate: 1 / (cutoff - inner)
  Bell bell;
};

inline Fade fade_of(const Envelope &e, double cutoff) {
  const bool flat = e.kind == CAMBRIAN_COSINE || e.kind == CAMBRIAN_EXPONENTIAL || e.kind == CAMBRIAN_POLYNOMIAL;
  const double inner = flat ? e.inner_fraction * cutoff : 0;
  return {e.kind, inner, 1 / (cutoff - inner), e.bell};
}

inline void tanh_cube(vec y, vec &value, vec &slope) {  // continued fraction of tanh to nine levels: exact within 0..1
  const vec t = y * y;
  const vec over = (((t + 990) * t + 135135) * t + 4729725) * t + 34459425;
  const vec under = (((45 * t + 13860) * t + 945945) * t + 16216200) * t + 34459425;
  const vec tanh = y * over / under, square = tanh * tanh;
  value = tanh * square;
  slope = 3 * square * (1 - square);
}

// g and g' for x within 0 and 1.
inline void ring(const Bell &e, vec x, vec &value, vec &slope) {
  if (e.order == 0) {
    const vec inverse = 1 / larger(1 - x * x, all(1e-3));
    value = exponential(1 - inverse);
    slope = -2 * x * inverse * inverse * value;
    return;
  }
  const mask near = x < all(0.5);
  const vec y = near ? x : 1 - x;  // g(x) = 1 - g(1 - x): both ends to the last digit
  vec sum = all(0), power = all(1), both = all(1);
  for (int k = e.order; k >= 0; --k) sum = sum * y + e.coefficients[k];
  for (int k = 0; k < e.order; ++k) power *= y, both *= x * (1 - x);
  const vec rest = power * y * sum;
  value = near ? 1 - rest : rest;
  slope = e.slope * both;
}

// f and df/dr at distances r >= 0; beyond the cutoff both are what they are at the cutoff.
inline void fade(const Fade &e, vec r, vec &value, vec &slope) {
  const vec x = smaller(larger((r - e.inner) * e.rate, all(0)), all(1));
  switch (e.kind) {
    case CAMBRIAN_COSINE: {
      constexpr double pi = 3.14159265358979323846;
      vec s, c;
      sine_cosine(pi * x, s, c);
      value = 0.5 * c + 0.5;
      slope = -0.5 * pi * e.rate * s;
      return;
    }
    case CAMBRIAN_TANH_CUBE:
    case CAMBRIAN_UNIT_TANH_CUBE: {
      tanh_cube(1 - x, value, slope);
      constexpr double tanh1 = 0.76159415595576488811945828260479;
      const double norm = e.kind == CAMBRIAN_TANH_CUBE ? 1 : 1 / (tanh1 * tanh1 * tanh1);
      value *= norm;
      slope *= -norm * e.rate;
      return;
    }
    case CAMBRIAN_EXPONENTIAL:
    case CAMBRIAN_POLYNOMIAL:
      ring(e.bell, x, value, slope);
      slope *= e.rate;
      return;
    default:
      value = all(1), slope = all(0);
  }
}

}  // namespace
