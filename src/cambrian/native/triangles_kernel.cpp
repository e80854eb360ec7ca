// Triangles one by one, sparse points in the lanes. Compiled once per instruction set.
//
//     S = sum of w e^(-d^2/2),   dS/dq = sum of w (s - q) e^(-d^2/2),   d = q - s
#include <cstring>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "lanes.hpp"
#include "triangles_job.hpp"

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

using namespace cambrian;

namespace {

inline vec from(const double *p) {
  vec x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

// e^x for -700 < x <= 0: 2^k from the bits of the sum, and a series on |r| < ln 2 / 2.
inline vec decay(vec x) {
  const vec t = x * 1.4426950408889634 + 0x1.8p52;
  const mask bits = reinterpret_cast<const mask &>(t);
  const mask k = bits - 0x4338000000000000ll;
  const vec steps = __builtin_convertvector(k, vec);
  const vec r = (x - steps * 0.693147180369123816490) - steps * 1.90821492927058770002e-10;
  constexpr double series[] = {1. / 6227020800., 1. / 479001600., 1. / 39916800., 1. / 3628800., 1. / 362880.,
                               1. / 40320.,      1. / 5040.,      1. / 720.,      1. / 120.,     1. / 24.,
                               1. / 6.,          1. / 2.,         1.,             1.};
  vec sum = all(1. / 87178291200.);
  for (double c : series) sum = sum * r + c;
  const mask power = (k + 1023) << 52;
  return sum * reinterpret_cast<const vec &>(power);
}

inline double total(vec x) {
  double sum = 0;
  for (int lane = 0; lane < W; ++lane) sum += x[lane];
  return sum;
}

struct Near {
  int64_t edge;
  int species;
  double r, fade, slope, u[3];
};

void fade(const TrianglePlan &p, Near &n) {
  int s = 0;
  while (s + 1 < int(p.counts.size()) && n.r >= p.knots[s + 1]) ++s;
  const double x = (n.r - p.knots[s]) * p.rate[s];
  int64_t inside = int64_t(x);
  inside = inside < p.counts[s] ? inside : p.counts[s] - 1;
  const double t = 2 * (x - inside) - 1;
  const double *a = p.table.data() + (p.first[s] + inside) * CAMBRIAN_SOAP_ORDERS;
  n.fade = n.slope = 0;
  for (int k = CAMBRIAN_SOAP_ORDERS - 1; k >= 0; --k) {
    n.slope = n.slope * t + n.fade;
    n.fade = n.fade * t + a[k];
  }
  n.slope *= 2 * p.rate[s];
}

// S and dS/dq for q in units of the lengths.
void sum_points(const TrianglePoints &points, const double *q, double *found) {
  const vec qx = all(q[0]), qy = all(q[1]), qz = all(q[2]);
  vec sum = {}, sx = {}, sy = {}, sz = {};
  for (int s = 0; s < points.n; s += W) {
    const vec x = from(points.x.data() + s) - qx, y = from(points.y.data() + s) - qy, z = from(points.z.data() + s) - qz;
    vec d = -0.5 * (x * x + y * y + z * z);
    d = d < all(-690) ? all(-690) : d;
    const vec e = from(points.weight.data() + s) * decay(d);
    sum += e, sx += e * x, sy += e * y, sz += e * z;
  }
  found[0] = total(sum), found[1] = total(sx), found[2] = total(sy), found[3] = total(sz);
}

double add_triangle(const TrianglePlan &p, const TrianglePoints &points, const Near &j, const Near &k, const double *rj,
                    const double *rk, double *pull) {
  double across[3], c = 0;
  for (int x = 0; x < 3; ++x) across[x] = rk[x] - rj[x], c += across[x] * across[x];
  c = std::sqrt(c);
  const double apart = j.r - k.r;
  const double q[3] = {(j.r + k.r) * p.inverse[0], apart * apart * p.inverse[1], c * p.inverse[2]};
  double found[4];
  sum_points(points, q, found);
  const double both = j.fade * k.fade;
  const double by_sum = both * found[1] * p.inverse[0], by_square = 2 * apart * both * found[2] * p.inverse[1];
  const double by_c = both * found[3] * p.inverse[2] / c;
  const double by_a = j.slope * k.fade * found[0] + by_sum + by_square;
  const double by_b = j.fade * k.slope * found[0] + by_sum - by_square;
  double *at_j = pull + 3 * j.edge, *at_k = pull + 3 * k.edge;
  for (int x = 0; x < 3; ++x) {
    at_j[x] += by_a * j.u[x] - by_c * across[x];
    at_k[x] += by_b * k.u[x] + by_c * across[x];
  }
  return both * found[0];
}

void run_atom(const TriangleJob &job, int64_t atom, std::vector<Near> &near) {
  const TrianglePlan &p = *job.plan;
  const cambrian_stars &s = job.stars;
  const int n = p.n_species;
  near.clear();
  std::memset(job.pull + 3 * s.first[atom], 0, sizeof(double) * 3 * (s.first[atom + 1] - s.first[atom]));
  for (int64_t e = s.first[atom]; e < s.first[atom + 1]; ++e) {
    const double *r = s.r_ij + 3 * e;
    Near found{e, int(s.species[s.neighbor[e]]), std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]), 0, 0, {}};
    if (!(found.r < p.cutoff())) continue;
    for (int x = 0; x < 3; ++x) found.u[x] = r[x] / found.r;
    fade(p, found);
    near.push_back(found);
  }
  double energy = 0;
  for (size_t j = 0; j < near.size(); ++j)
    for (size_t k = j + 1; k < near.size(); ++k) {
      const int one = near[j].species, two = near[k].species, low = one < two ? one : two, high = one < two ? two : one;
      const int kind = int(s.species[atom]) * (n * (n + 1) / 2) + low * n - low * (low - 1) / 2 + high - low;
      if (p.kinds[kind].n)
        energy += add_triangle(p, p.kinds[kind], near[j], near[k], s.r_ij + 3 * near[j].edge, s.r_ij + 3 * near[k].edge,
                               job.pull);
    }
  job.energies[atom] = energy;
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_triangles_, CAMBRIAN_ISA)(const TriangleJob &job) {
  int64_t longest = 0;
  for (int64_t i = 0; i < job.stars.n_atoms; ++i) {
    const int64_t count = job.stars.first[i + 1] - job.stars.first[i];
    longest = count > longest ? count : longest;
  }
  std::vector<std::vector<Near>> near(job.threads);  // here, where a lack of memory can still be told
  for (auto &list : near) list.reserve(longest);
#pragma omp parallel for num_threads(job.threads) schedule(dynamic, 8) if (job.stars.n_atoms > 1)
  for (int64_t i = 0; i < job.stars.n_atoms; ++i) {
#ifdef _OPENMP
    run_atom(job, i, near[omp_get_thread_num()]);
#else
    run_atom(job, i, near[0]);
#endif
  }
  return 0;
}

}  // namespace cambrian
