// The bispectrum in vectors: neighbors in the lanes for the Wigner recursion and the gradient, atoms in the lanes between.
// Compiled once per instruction set; the equations are in bispectrum_tables.cpp.
//
//     V_i = 1 + sum_k w_k f(r_ik) v(q_ik),   Y = dE/dV from the flat quadratic form,
//     dE/dq = sum over the levels below of g(Y) v: four linear forms of the same v, no reverse recursion,
//     E(q) by Euler's theorem: the level j is homogeneous of degree j in q, so that j E_j = q . dE_j/dq.
#include "bispectrum_workspace.hpp"

#include <cstring>

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

using namespace cambrian;

namespace {

constexpr double kPi = 3.14159265358979323846;

// Only edges inside their cutoff become lanes; the others' outputs are zero.
int stage_edges(const Job &job, int64_t atom, Buffers &b) {
  const cambrian_edges &e = job.edges;
  int n = 0;
  for (int64_t k = e.first[atom]; k < e.first[atom + 1]; ++k) {
    const double *r = e.r_ij + 3 * k;
    const bool inside = r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < e.cutoff[k] * e.cutoff[k];
    double *s = b.staged + 5 * n;
    s[0] = r[0], s[1] = r[1], s[2] = r[2], s[3] = e.cutoff[k], s[4] = e.weight[k];
    b.staged_edge[n] = k;
    n += inside;
    if (!inside && job.pull) std::memset(job.pull + 3 * k, 0, 3 * sizeof(double));
    if (!inside && job.jacobian)
      std::memset(job.jacobian + 3 * k * job.tables->n_features, 0, 3 * job.tables->n_features * sizeof(double));
  }
  for (int k = n; k % W; ++k) {
    double *s = b.staged + 5 * k;
    s[0] = 1 + job.rmin0, s[1] = s[2] = s[4] = 0, s[3] = 2 * s[0];  // weight 0, and far from any division by 0
    b.staged_edge[k] = -1;
  }
  return (n + W - 1) / W;
}

void make_block(const Job &job, const double *staged, const int64_t *edge, Block &b) {
  vec d[3], cutoff, weight;
  for (int l = 0; l < W; ++l) {
    for (int c = 0; c < 3; ++c) d[c][l] = staged[5 * l + c];
    cutoff[l] = staged[5 * l + 3], weight[l] = staged[5 * l + 4];
    b.edge[l] = edge[l];
  }
  const vec r = root(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-40);
  const vec inverse = 1 / r;
  for (int c = 0; c < 3; ++c) b.n[c] = d[c] * inverse;
  const vec rate = kPi / (cutoff - job.rmin0), phase = (r - job.rmin0) * rate;
  vec s, c;
  sine_cosine(phase, s, c);
  const mask below = r <= all(job.rmin0);
  b.f = weight * (below ? all(1) : 0.5 * c + 0.5);
  b.df = weight * (below ? all(0) : -0.5 * s * rate);
  sine_cosine(job.rfac0 * phase, b.sine, b.cosine);
  b.dangle = job.rfac0 * rate;
  b.sine_over_r = b.sine * inverse;
}

// v_j = (a* - b* x) v_{j-1} row by row; the middle row of even j is (b + a x) times the row above it.
template <bool kSum>
inline void next_level(int j, const vec *below, vec *v, vec ar, vec ai, vec br, vec bi, vec *sum = nullptr) {
  auto put = [&](vec *row, int ma, vec re, vec im) {
    row[2 * ma] = re, row[2 * ma + 1] = im;
    if constexpr (kSum) sum[row - v + 2 * ma] += re, sum[row - v + 2 * ma + 1] += im;
  };
  for (int mb = 0; 2 * mb < j; ++mb) {
    const vec *p = below + 2 * mb * j;
    vec *c = v + 2 * mb * (j + 1);
    vec lr = {}, li = {};
    for (int ma = 0; ma < j; ++ma) {
      const vec pr = p[2 * ma], pi = p[2 * ma + 1];
      put(c, ma, ar * pr + ai * pi - br * lr - bi * li, ar * pi - ai * pr - br * li + bi * lr);
      lr = pr, li = pi;
    }
    put(c, j, -br * lr - bi * li, bi * lr - br * li);
  }
  if (j % 2 == 0) {
    const int mb = j / 2;
    const vec *p = below + 2 * (mb - 1) * j;
    vec *c = v + 2 * mb * (j + 1);
    vec lr = {}, li = {};
    for (int ma = 0; ma <= mb; ++ma) {
      const vec pr = p[2 * ma], pi = p[2 * ma + 1];
      const vec re = br * pr - bi * pi + ar * lr - ai * li, im = br * pi + bi * pr + ar * li + ai * lr;
      put(c, ma, re, im);
      const bool odd = (ma + mb) % 2;
      c[2 * (j - ma)] = odd ? -re : re, c[2 * (j - ma) + 1] = odd ? im : -im;
      lr = pr, li = pi;
    }
  }
}

void add_moments(const Tables &t, const Block &k, Buffers &b) {
  const vec ar = k.cosine, ai = -k.sine * k.n[2], br = k.sine * k.n[1], bi = -k.sine * k.n[0];
  b.level[0][0] = k.f, b.level[0][1] = vec{};
  b.sum[0] += k.f;
  for (int j = 1; j <= t.two_j_max; ++j) {
    next_level<true>(j, b.level[~j & 1], b.level[j & 1], ar, ai, br, bi, b.sum + 2 * t.level_half[j]);
  }
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

// The gradient's coefficients at the level below j, then one atom a row.
void make_gradient(const Tables &t, int j, Buffers &b) {
  const int from = t.level_independent[j - 1], to = t.level_independent[j];
  for (int i = from; i < to; ++i) {
    vec *g = b.gradient + 8 * i;  // (q0, q1, q2, q3) x (re, im)
    for (int pair = 0; pair < 2; ++pair) {
      vec even_re = {}, even_im = {}, odd_re = {}, odd_im = {};
      for (int k = t.share_first[2 * i + pair]; k < t.share_first[2 * i + pair + 1]; ++k) {
        const Share &s = t.shares[k];
        const vec re = b.y[2 * s.source], im = b.y[2 * s.source + 1];
        even_re += s.even_re * re, even_im += s.even_im * im, odd_re += s.odd_re * im, odd_im += s.odd_im * re;
      }
      const int even = pair ? 2 : 0, odd = pair ? 1 : 3;
      g[2 * even] = even_re, g[2 * even + 1] = even_im, g[2 * odd] = odd_re, g[2 * odd + 1] = odd_im;
    }
  }
  for (int i = 8 * from; i < 8 * to; i += W) {
    vec v[W];
    load(v, b.gradient + i);
    transpose(v);
    for (int l = 0; l < W; ++l) *reinterpret_cast<vec *>(b.gradient_rows + (size_t)l * b.n_gradient + i) = v[l];
  }
}

struct Slope {  // of the energy in q, and the energy itself
  vec q[4];
  vec value;
};

inline void add_forms(const Tables &t, int j, const vec *v, const double *rows, const vec *q, Slope &slope) {
  const double *g = rows + 8 * t.level_independent[j - 1];
  vec re[4] = {}, im[4] = {};
  for (int mb = 0; 2 * mb < j; ++mb, v += 2 * j) {
    const int n = 2 * mb == j - 1 ? mb + 1 : j;
    for (int ma = 0; ma < n; ++ma, g += 8)
      for (int c = 0; c < 4; ++c) {
        re[c] += g[2 * c] * v[2 * ma];
        im[c] += g[2 * c + 1] * v[2 * ma + 1];
      }
  }
  vec radial = {};
  for (int c = 0; c < 4; ++c) {
    const vec total = re[c] + im[c];
    slope.q[c] += total;
    radial += q[c] * total;
  }
  slope.value += radial * (1. / j);
}

inline void pull_of(const Block &k, const Slope &s, vec *pull) {
  const vec along = s.q[1] * k.n[0] + s.q[2] * k.n[1] + s.q[3] * k.n[2];
  const vec radial = k.dangle * (k.cosine * along - k.sine * s.q[0]) - k.sine_over_r * along;
  const vec common = k.f * radial + k.df * s.value, across = k.f * k.sine_over_r;
  for (int c = 0; c < 3; ++c) pull[c] = k.n[c] * common + across * s.q[1 + c];
}

void pull_atom(const Job &job, Buffers &b, int lane) {
  const Tables &t = *job.tables;
  const double *rows = b.gradient_rows + (size_t)lane * b.n_gradient;
  for (int n = b.block_first[lane]; n < b.block_first[lane + 1]; ++n) {
    const Block &k = b.block[n];
    const vec q[4] = {k.cosine, k.sine * k.n[0], k.sine * k.n[1], k.sine * k.n[2]};
    Slope slope = {};
    slope.value = all(b.y[0][lane]);
    b.level[0][0] = all(1), b.level[0][1] = vec{};
    for (int j = 1; j <= t.two_j_max; ++j) {
      if (j > 1) next_level<false>(j - 1, b.level[j & 1], b.level[~j & 1], q[0], -q[3], q[2], -q[1]);
      add_forms(t, j, b.level[~j & 1], rows, q, slope);
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
      make_block(job, b.staged + 5 * W * k, b.staged_edge + W * k, block);
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
  for (int j = 1; j <= t.two_j_max; ++j) make_gradient(t, j, b);
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
