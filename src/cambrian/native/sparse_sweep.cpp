// Sparse kernels on SOAP, a batch of atoms of one species at a time. Compiled once per instruction set.
//
//     x = p / |p|        u_s = x . x_s        E = sum c_s u_s^z        dE/dp = (z sum c_s u_s^(z-1) x_s - z E x) / |p|
//
// Moments of the batch are kept from the way there to the way back; neighbors are expanded twice, which costs less than to
// keep them.
#include "batches.hpp"
#include "soap_moments.hpp"
#include "sparse_job.hpp"
#include "sparse_products.hpp"

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

namespace {

constexpr int BATCH = 24;        // atoms; a multiple of the rows of a tile
constexpr int PANEL = 64;        // points that stay in the cache for both products
constexpr double EMPTY = 1e-12;  // length of a power spectrum of nothing

thread_local SoapMemory memory;

struct Buffers {
  SoapBuffers atom;
  double *moments, *x, *slope, *u, *length, *energy;

  Buffers(const SparsePlan &p, char *start, int max_neighbors) : atom(*p.soap, start, max_neighbors) {
    moments = atom.take<double>((size_t)BATCH * p.soap->n_species * atom.n_moments);
    x = atom.take<double>((size_t)BATCH * p.n_column);
    slope = atom.take<double>((size_t)BATCH * p.n_column);
    u = atom.take<double>((size_t)BATCH * PANEL);
    length = atom.take<double>(BATCH);
    energy = atom.take<double>(BATCH);
  }
  double *moments_of(const SparsePlan &p, int k) const {
    return moments + (size_t)k * p.soap->n_species * atom.n_moments;
  }
};

void describe(const SparseJob &job, int64_t atom, int k, const Buffers &b) {
  const SparsePlan &p = *job.plan;
  const int K = p.soap->n_features;
  double *x = b.x + (size_t)k * p.n_column, *c = b.moments_of(p, k);
  stage(*p.soap, job.stars, atom, b.atom);
  expand<false>(*p.soap, b.atom);
  sum_neighbors(*p.soap, int(job.stars.species[atom]), b.atom, c);
  write_features(*p.soap, b.atom, c, x);
  if (job.features) std::memcpy(job.features + atom * K, x, sizeof(double) * K);
  double square = 0;
  for (int i = 0; i < K; ++i) square += x[i] * x[i];
  b.length[k] = std::sqrt(square);
  const double scale = b.length[k] < EMPTY ? 0 : 1 / b.length[k];
  for (int i = 0; i < K; ++i) x[i] *= scale;
  for (int i = K; i < p.n_column; ++i) x[i] = 0;
}

// c u^(z-1) in place of u; their sum with u is the energy.
double weigh(const SparsePlan &p, const double *c, int m, double *u) {
  vec energy = {};
  for (int s = 0; s < m; s += W) {
    const vec now = load(u + s);
    vec power = load(c + s);
    if (p.whole) {
      for (int k = 1; k < p.whole; ++k) power *= now;
    } else {
      for (int lane = 0; lane < W; ++lane) power[lane] *= now[lane] > 0 ? std::pow(now[lane], p.exponent - 1) : 0;
    }
    store(u + s, power);
    energy += power * now;
  }
  return total(energy);
}

// Energies, and slopes sum c u^(z-1) x_s without the factor z.
void compare(const SparsePlan &p, const SparsePoints &points, int n, const Buffers &b) {
  const int K = p.n_column;
  std::memset(b.slope, 0, sizeof(double) * n * K);
  std::memset(b.energy, 0, sizeof(double) * n);
  if (points.form) {
    add_sums(b.x, K, n, points.rows.data(), p.soap->n_features, K, b.slope);
    for (int k = 0; k < n; ++k)
      for (int i = 0; i < K; ++i) b.energy[k] += b.x[k * K + i] * b.slope[k * K + i];
    return;
  }
  for (int begin = 0; begin < points.n_rows; begin += PANEL) {
    const int m = points.n_rows - begin < PANEL ? points.n_rows - begin : PANEL;
    const double *rows = points.rows.data() + (size_t)begin * K;
    dots(b.x, n, rows, m, K, b.u, PANEL);
    for (int k = 0; k < n; ++k) b.energy[k] += weigh(p, points.coefficients.data() + begin, m, b.u + k * PANEL);
    add_sums(b.u, PANEL, n, rows, m, K, b.slope);
  }
}

void pull_back(const SparseJob &job, int64_t atom, int k, const Buffers &b) {
  const SparsePlan &p = *job.plan;
  const int64_t first = job.stars.first[atom], count = job.stars.first[atom + 1] - first;
  const double *x = b.x + (size_t)k * p.n_column;
  double *slope = b.slope + (size_t)k * p.n_column;
  job.energies[atom] = b.energy[k];
  std::memset(job.pull + 3 * first, 0, sizeof(double) * 3 * count);
  if (b.length[k] < EMPTY) return;
  const double scale = p.exponent / b.length[k];
  for (int i = 0; i < p.soap->n_features; ++i) slope[i] = scale * (slope[i] - b.energy[k] * x[i]);
  stage(*p.soap, job.stars, atom, b.atom);
  expand<true>(*p.soap, b.atom);
  gradient(*p.soap, b.atom, b.moments_of(p, k), slope);
  write_pull(*p.soap, b.atom, job.pull);
}

void run_batch(const SparseJob &job, const int64_t *atoms, int n, int species, const Buffers &b) {
  for (int k = 0; k < n; ++k) describe(job, atoms[k], k, b);
  compare(*job.plan, job.plan->species[species], n, b);
  for (int k = 0; k < n; ++k) pull_back(job, atoms[k], k, b);
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_sparse_, CAMBRIAN_ISA)(const SparseJob &job) {
  const SparsePlan &p = *job.plan;
  const int longest = most_neighbors(job.stars);
  const int64_t share = (job.stars.n_atoms + job.threads - 1) / job.threads;
  const Batches batches(job.stars.n_atoms, share < BATCH ? (share > 0 ? share : 1) : BATCH, p.soap->n_species,
                        job.stars.species);
  const size_t needed = Buffers(p, nullptr, longest).atom.used;
  int failed = 0;
#pragma omp parallel num_threads(job.threads) if (batches.count() > 1) reduction(| : failed)
  {
    failed = !memory.reserve(needed);
    const Buffers buffers(p, failed ? nullptr : memory.start, longest);
#pragma omp for schedule(dynamic, 1)
    for (int64_t k = 0; k < batches.count(); ++k) {
      const int64_t begin = batches.first[k];
      if (!failed)
        run_batch(job, batches.order.data() + begin, int(batches.first[k + 1] - begin), int(batches.species[k]), buffers);
    }
  }
  return failed;
}

}  // namespace cambrian
