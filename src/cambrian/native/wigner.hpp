// Numbers of Wigner matrices, all orders and projections doubled. For tables, which are built once: not for kernels.
#pragma once
#include <algorithm>
#include <cmath>

namespace cambrian {

inline double factorial(int n) {
  double product = 1;
  for (int k = 2; k <= n; ++k) product *= k;
  return product;
}

// <j1 m1 j2 m2 | j m>
inline double clebsch_gordan(int j1, int m1, int j2, int m2, int j, int m) {
  auto f = [](int twice) { return (long double)factorial(twice / 2); };
  const int low = std::max({0, -(j - j2 + m1) / 2, -(j - j1 - m2) / 2});
  const int high = std::min({(j1 + j2 - j) / 2, (j1 - m1) / 2, (j2 + m2) / 2});
  long double sum = 0;
  for (int k = low; k <= high; ++k)
    sum += (k % 2 ? -1 : 1) / (f(2 * k) * f(j1 + j2 - j - 2 * k) * f(j1 - m1 - 2 * k) * f(j2 + m2 - 2 * k) *
                               f(j - j2 + m1 + 2 * k) * f(j - j1 - m2 + 2 * k));
  const long double triangle = f(j1 + j2 - j) * f(j1 - j2 + j) * f(-j1 + j2 + j) / f(j1 + j2 + j + 2);
  const long double all = f(j1 + m1) * f(j1 - m1) * f(j2 + m2) * f(j2 - m2) * f(j + m) * f(j - m);
  return double(sum * std::sqrt(triangle * all * (j + 1)));
}

// s of u_j[row, column] = s v_j[row, column], with which the recursion needs no square roots.
inline double wigner_scale(int j, int row, int column) {
  return std::sqrt(factorial(column) * factorial(j - column) / (factorial(row) * factorial(j - row)));
}

}  // namespace cambrian
