// The bispectrum in vectors: neighbors in the lanes for the Wigner recursion and the gradient, atoms in the lanes between.
// Compiled once per instruction set; the equations are in bispectrum_tables.cpp.
//
//     V_i = 1 + sum_k w_k f(r_ik) v(q_ik),   Y = dE/dV from the flat quadratic form,
//     dE/dq without a reverse recursion (sphere.hpp).
#include "bispectrum_workspace.hpp"

#include <cstring>

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

using namespace cambrian;

namespace {

// Only edges inside their cutoff become lanes; the others' outputs are zero.
int stage_edges(const Job &job, int64_t atom, Buffers &b) {
  const cambrian_edges &e = job.edges;
  int n = 0;
  for (int64_t k = e.first[atom]; k < e.first[atom + 1]; ++k) {
    const double *r = e.r_ij + 3 * k;
    const bool inside = r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < e.cutoff[k] * e.cutoff[k];
    b.staged[n] = {r[0], r[1], r[2], e.cutoff[k], e.weight[k], k};
    n += inside;
    if (!inside && job.pull) std::memset(job.pull + 3 * k, 0, 3 * sizeof(double));
    if (!inside && job.jacobian)
      std::memset(job.jacobian + 3 * k * job.tables->n_features, 0, 3 * job.tables->n_features * sizeof(double));
  }
  for (int k = n; k % W; ++k) b.staged[k] = idle(job.rmin0);
  return (n + W - 1) / W;
}

void add_moments(const Tables &t, const Block &k, Buffers &b) {
  b.level[0][0] = k.f, b.level[0][1] = vec{};
  b.sum[0] += k.f;
  for (int j = 1; j <= t.two_j_max; ++j)
    next_level<true>(j, k, b.level[~j & 1], b.level[j & 1], b.sum + 2 * t.level_half[j]);
}

void finish_moments(const Tables &t, Buffers &b, int lane) {
  for (int i = 0; i < b.n_moments; i += W) {
    vec v[W];
    load(v, b.sum + i);
    *reinterpret_cast<vec *>(b.moments + (size_t)lane * b.n_moments + i) = sums(v);
  }
  for (int j = 0; j <= t.two_j_max; ++j)  // the atom itself
    for (int m = 0; 2 * m <= j; ++m)
      b.moments[(size_t)lane * b.n_moments + 2 * (t.level_half[j] + m * (j + 1) + m)] += 1;
}

// One atom a row -> atoms in the lanes, and the mirrored half.
void spread_moments(const Tables &t, Buffers &b) {
  for (int i = 0; i < b.n_moments; i += W) {
    for (int l = 0; l < W; ++l) b.half[i + l] = *reinterpret_cast<vec *>(b.moments + (size_t)l * b.n_moments + i);
    transpose(b.half + i);
  }
  for (int i = 0; i < t.n_full; ++i) {
    const Source s = t.source[i];
    const vec re = b.half[2 * s.half], im = b.half[2 * s.half + 1];
    b.full[2 * i] = s.sign == 0 ? re : s.sign * re;
    b.full[2 * i + 1] = s.sign == 0 ? im : -s.sign * im;
  }
}

struct Stream {
  const Group *group;
  const double *coupling;
  const uint16_t *feature;
};

template <int L, bool kSlopes>
inline void add_runs(Stream &s, int n, const vec *u, const vec *slope, vec *sum) {
  vec rr = sum[0], ii = sum[1], ri = sum[2], ir = sum[3];
  for (; n > 0; --n, ++s.group, s.coupling += L) {
    const vec *x = u + 2 * s.group->first, *y = u + 2 * s.group->start;
    vec re = {}, im = {};
    for (int k = 0; k < L; ++k) {
      vec c = all(s.coupling[k]);
      if constexpr (kSlopes) c *= slope[s.feature[k]];
      re += c * y[2 * k];
      im += c * y[2 * k + 1];
    }
    rr += x[0] * re, ii += x[1] * im, ri += x[0] * im, ir += x[1] * re;
    if constexpr (kSlopes) s.feature += L;
  }
  sum[0] = rr, sum[1] = ii, sum[2] = ri, sum[3] = ir;
}

template <bool kSlopes, int... L>
inline void add_all_runs(Stream &s, const int *count, const vec *u, const vec *slope, vec *sum, int longest,
                         std::integer_sequence<int, L...>) {
  ((L < longest ? add_runs<L + 1, kSlopes>(s, count[L], u, slope, sum) : void()), ...);
}

template <bool kSlopes>
void contract(const Tables &t, const double *coupling, Buffers &b) {
  Stream s{t.groups, coupling, t.feature};
  for (int out = 0; out < t.n_independent; ++out) {
    vec sum[4] = {};
    add_all_runs<kSlopes>(s, t.run_count + out * kMaxRun, b.full, b.slope, sum, t.two_j_max / 2 + 1,
                          std::make_integer_sequence<int, kMaxRun>{});
    b.y[2 * out] = sum[0] - sum[1];
    b.y[2 * out + 1] = sum[2] + sum[3];
  }
}

void pull_atom(const Job &job, Buffers &b, int lane) {
  const Tables &t = *job.tables;
  const double *rows = b.gradient_rows + (size_t)lane * b.n_gradient;
  for (int n = b.block_first[lane]; n < b.block_first[lane + 1]; ++n) {
    const Block &k = b.block[n];
    Slope slope = {};
    slope.value = all(b.y[0][lane]);
    b.level[0][0] = all(1), b.level[0][1] = vec{};
    for (int j = 1; j <= t.two_j_max; ++j) {
      if (j > 1) next_level<false>(j - 1, k, b.level[j & 1], b.level[~j & 1]);
      add_forms(t, j, b.level[~j & 1], rows, k, slope);
    }
    vec pull[3];
    pull_of(k, slope, pull);
    for (int l = 0; l < W && k.edge[l] >= 0; ++l)
      for (int c = 0; c < 3; ++c) job.pull[3 * k.edge[l] + c] = pull[c][l];
  }
}

#include "bispectrum_jacobian.hpp"

void run_batch(const Job &job, int64_t n, Buffers &b) {
  const Tables &t = *job.tables;
  const int64_t begin = job.batch[n];
  const int size = int(job.batch[n + 1] - begin);
  int64_t atom[W];
  b.block_first[0] = 0;
  for (int l = 0; l < W; ++l) {
    int count = 0;
    std::memset(b.sum, 0, b.n_moments * sizeof(vec));
    if (l < size) {
      atom[l] = job.order ? job.order[begin + l] : begin + l;
      count = stage_edges(job, atom[l], b);
    }
    for (int k = 0; k < count; ++k) {
      Block &block = b.block[b.block_first[l] + k];
      make_block(job.rfac0, job.rmin0, b.staged + W * k, block);
      add_moments(t, block, b);
    }
    b.block_first[l + 1] = b.block_first[l] + count;
    finish_moments(t, b, l);
  }
  spread_moments(t, b);
  if (job.features) {
    components(job, atom, size, b);
    return;
  }
  if (job.slope) {
    for (int k = 0; k < t.n_features; ++k)
      for (int l = 0; l < W; ++l) b.slope[k][l] = l < size ? job.slope[atom[l] * t.n_features + k] : 0;
    contract<true>(t, t.coupling, b);
  } else {
    contract<false>(t, job.folded[job.batch_species[n]], b);
  }
  if (job.energies) {
    vec energy = {};
    for (int i = 0; i < t.n_independent; ++i) {
      const vec *v = b.half + 2 * t.half_of[i];
      energy += b.y[2 * i] * v[0] + b.y[2 * i + 1] * v[1];
    }
    for (int l = 0; l < size; ++l) job.energies[atom[l]] = energy[l] / 3;
  }
  for (int j = 1; j <= t.two_j_max; ++j) make_gradient(t, j, b.y, b.gradient, b.gradient_rows, b.n_gradient);
  for (int l = 0; l < size; ++l) pull_atom(job, b, l);
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_, CAMBRIAN_ISA)(const Job &job) {
  int max_blocks = 0, max_neighbors = 0;
  for (int64_t n = 0; n < job.n_batches; ++n) {
    int blocks = 0;
    for (int64_t k = job.batch[n]; k < job.batch[n + 1]; ++k) {
      const int64_t atom = job.order ? job.order[k] : k;
      const int count = int(job.edges.first[atom + 1] - job.edges.first[atom]);
      blocks += (count + W - 1) / W;
      max_neighbors = count > max_neighbors ? count : max_neighbors;
    }
    max_blocks = blocks > max_blocks ? blocks : max_blocks;
  }
  Arena measure;
  layout(job, measure, max_blocks, max_neighbors);
  int failed = 0;
#pragma omp parallel num_threads(job.threads) if (job.n_batches > 1) reduction(| : failed)
  {
    if (workspace.size < measure.used) {
      std::free(workspace.memory);
      workspace.memory = static_cast<char *>(std::aligned_alloc(64, measure.used));
      workspace.size = workspace.memory ? measure.used : 0;
    }
    Arena arena{workspace.memory, 0};
    failed = !workspace.memory;
    Buffers buffers = layout(job, arena, max_blocks, max_neighbors);
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < job.n_batches; ++n)
      if (!failed) run_batch(job, n, buffers);
  }
  return failed;
}

}  // namespace cambrian
