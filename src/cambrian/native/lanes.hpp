// Vectors of CAMBRIAN_WIDTH doubles and the few moves between lanes that kernels need. All of internal linkage: every
// instruction set compiles its own.
#pragma once
#include <cmath>
#include <utility>

namespace {

constexpr int W = CAMBRIAN_WIDTH;
typedef double vec __attribute__((vector_size(8 * W), may_alias));
typedef double loose __attribute__((vector_size(8 * W), may_alias, aligned(8)));  // at any address
typedef long long mask __attribute__((vector_size(8 * W), may_alias));

inline vec all(double x) { return x - vec{}; }

// Element (l, l') of each pair of S x S blocks: `low` gathers the even blocks of both, `high` the odd ones.
template <int S, int... L>
inline vec low(vec a, vec b, std::integer_sequence<int, L...>) {
  return __builtin_shufflevector(a, b, ((L & S) ? W + L - S : L)...);
}
template <int S, int... L>
inline vec high(vec a, vec b, std::integer_sequence<int, L...>) {
  return __builtin_shufflevector(a, b, ((L & S) ? W + L : L + S)...);
}
using Lanes = std::make_integer_sequence<int, W>;

template <int S = 1>
inline void transpose(vec *v) {  // v[k][l] <-> v[l][k]
  if constexpr (S < W) {
    for (int k = 0; k < W; ++k)
      if (!(k & S)) {
        const vec a = v[k], b = v[k + S];
        v[k] = low<S>(a, b, Lanes{});
        v[k + S] = high<S>(a, b, Lanes{});
      }
    transpose<2 * S>(v);
  }
}

template <int S = 1>
inline vec sums(vec *v) {  // lane l: the sum over the lanes of v[l]
  if constexpr (S < W) {
    for (int k = 0; k < W / S; k += 2) v[k / 2] = low<S>(v[k], v[k + 1], Lanes{}) + high<S>(v[k], v[k + 1], Lanes{});
    return sums<2 * S>(v);
  } else {
    return v[0];
  }
}

inline vec root(vec x) {
  vec y;
  for (int l = 0; l < W; ++l) y[l] = std::sqrt(x[l]);
  return y;
}

// Taylor series of the half angle, then doubled: full double precision for |x| <= pi.
inline void sine_cosine(vec x, vec &sine, vec &cosine) {
  const vec h = 0.5 * x, t = h * h;
  vec s = all(1. / 51090942171709440000.), c = all(1. / 1124000727777607680000.);
  constexpr double odd[] = {-1. / 121645100408832000., 1. / 355687428096000., -1. / 1307674368000., 1. / 6227020800.,
                            -1. / 39916800.,           1. / 362880.,          -1. / 5040.,          1. / 120.,
                            -1. / 6.,                  1.};
  constexpr double even[] = {-1. / 2432902008176640000., 1. / 6402373705728000., -1. / 20922789888000., 1. / 87178291200.,
                             -1. / 479001600.,           1. / 3628800.,          -1. / 40320.,          1. / 720.,
                             -1. / 24.,                  1. / 2.};
  for (double k : odd) s = s * t + k;
  for (double k : even) c = c * t + k;
  s *= h;
  const vec one_minus_c = t * c;
  sine = 2 * s * (1 - one_minus_c);
  cosine = 1 - 2 * s * s;
}

}  // namespace
