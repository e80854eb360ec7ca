// The bispectrum with a density for each channel in vectors: neighbors in the lanes for the densities and the gradient,
// atoms in the lanes between. Compiled once per instruction set.
//
//     U^c = 1 (own channel) + sum over neighbors k of channel c of w_k f(r_k) u(q_k)
//     Z^{ab} = C C U^a U^b of every coupling and pair of channels, once; then for every c
//     Y^c += slope of B Z^{ab},   E = 1/3 sum_c Re(Y^c* U^c),   B = Re(U^c* Z^{ab})
#include "chemical_job.hpp"
#include "pool.hpp"
#include "sphere.hpp"

#include <cstring>

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

namespace {

struct Space {  // what a thread works in: a batch of W atoms
  Pool<Staged> staged;
  Pool<Block> blocks;
  Pool<int> first;  // lane by lane, channel by channel: where the blocks begin
  Pool<vec> levels, sums, half, full, y, z, gradient, slopes;
  Pool<double> moments, rows;
};

thread_local Space workspace;

struct Batch {
  const ChemicalJob &job;
  const Tables &t;
  Space &space;
  int64_t begin;
  int size, n_moments, n_gradient;

  int n_full() const { return job.tables->level_full[t.two_j_max + 1]; }
  int first_block(int lane, int channel) const { return space.first.at[lane * job.n_channels + channel]; }
  vec *full(int channel, int j) const { return space.full.at + 2 * (channel * n_full() + job.tables->level_full[j]); }
  vec *y(int channel) const { return space.y.at + 2 * channel * t.n_independent; }
};

inline int up(int n) { return (n + W - 1) / W * W; }

// Edges inside their cutoff, channel by channel, in whole blocks.
void stage(const Batch &b) {
  const cambrian_edges &e = b.job.stars.edges;
  const int n_channels = b.job.n_channels;
  int *first = b.space.first.hold(W * n_channels + 1), n_blocks = 0;
  for (int l = 0; l < W; ++l)
    for (int c = 0; c < n_channels; ++c) {
      first[l * n_channels + c] = n_blocks;
      if (l >= b.size) continue;
      const int64_t from = e.first[b.begin + l], to = e.first[b.begin + l + 1];
      Staged *staged = b.space.staged.hold(to - from + W);
      int n = 0;
      for (int64_t k = from; k < to; ++k) {
        const double *r = e.r_ij + 3 * k;
        const bool inside = r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < e.cutoff[k] * e.cutoff[k];
        if (inside && b.job.stars.neighbor[k] == c) staged[n++] = {r[0], r[1], r[2], e.cutoff[k], e.weight[k], k};
      }
      const int more = (n + W - 1) / W;
      for (; n < W * more; ++n) staged[n] = idle(b.job.rmin0);
      Block *blocks = b.space.blocks.hold(n_blocks + more, n_blocks) + n_blocks;
      for (int k = 0; k < more; ++k) make_block(b.job.rfac0, b.job.rmin0, staged + W * k, blocks[k]);
      n_blocks += more;
    }
  first[W * n_channels] = n_blocks;
}

// v of all levels up to two_j_max.
inline void all_levels(const Tables &t, int two_j_max, const Block &k, vec *v) {
  v[0] = all(1), v[1] = vec{};
  for (int j = 1; j <= two_j_max; ++j)
    next_level<false>(j, k, v + 2 * t.level_half[j - 1], v + 2 * t.level_half[j]);
}

// V of one channel of all atoms, one atom a row.
void sum_density(const Batch &b, int channel) {
  vec *sum = b.space.sums.hold(b.n_moments), *v = b.space.levels.hold(2 * b.t.n_half);
  double *moments = b.space.moments.hold(size_t(W) * b.n_moments);
  for (int l = 0; l < W; ++l) {
    std::memset(static_cast<void *>(sum), 0, b.n_moments * sizeof(vec));
    for (int k = b.first_block(l, channel); k < b.first_block(l, channel + 1); ++k) {
      const Block &block = b.space.blocks.at[k];
      all_levels(b.t, b.t.two_j_max, block, v);
      for (int i = 0; i < 2 * b.t.n_half; ++i) sum[i] += block.f * v[i];
    }
    for (int i = 0; i < b.n_moments; i += W) {
      vec lanes[W];
      load(lanes, sum + i);
      const vec row = sums(lanes);
      std::memcpy(moments + size_t(l) * b.n_moments + i, &row, sizeof row);
    }
  }
}

// U of one channel: atoms in the lanes, the atoms themselves, and whole matrices.
void complete(const Batch &b, int channel) {
  const ChemicalTables &tables = *b.job.tables;
  vec *half = b.space.half.hold(b.n_moments), itself = {};
  for (int l = 0; l < b.size; ++l) itself[l] = b.job.self_in_all || b.job.stars.center[b.begin + l] == channel;
  for (int i = 0; i < b.n_moments; i += W) {
    for (int l = 0; l < W; ++l) std::memcpy(half + i + l, b.space.moments.at + size_t(l) * b.n_moments + i, sizeof(vec));
    transpose(half + i);
  }
  for (int j = 0; j <= b.t.two_j_max; ++j) {
    vec *to = b.full(channel, j);
    for (int row = 0; 2 * row <= j; ++row)
      for (int column = 0; column <= j; ++column) {
        const int at = b.t.level_half[j] + row * (j + 1) + column;
        vec re = tables.half_scale[at] * half[2 * at], im = tables.half_scale[at] * half[2 * at + 1];
        if (row == column) re += itself;
        const int mirror = (j - row) * (j + 1) + j - column, sign = (row + column) % 2 ? -1 : 1;
        to[2 * mirror] = sign * re, to[2 * mirror + 1] = -sign * im;
        to[2 * (row * (j + 1) + column)] = re, to[2 * (row * (j + 1) + column) + 1] = im;
      }
  }
}

// Z at the independent elements of its target.
void couple(const Coupling &c, const vec *first, const vec *second, vec *z) {
  const int p = c.first, q = c.second, shift = (p + q - c.target) / 2;
  for (int row = 0; 2 * row <= c.target; ++row) {
    const int n = 2 * row == c.target ? row + 1 : c.target + 1, last = row + shift < p ? row + shift : p;
    std::memset(static_cast<void *>(z), 0, 2 * n * sizeof(vec));
    for (int k = row + shift > q ? row + shift - q : 0; k <= last; ++k) {
      const double outer = c.c[k * (q + 1) + row + shift - k];
      const vec *x = first + 2 * k * (p + 1), *y = second + 2 * (row + shift - k) * (q + 1);
      for (int column = 0; column < n; ++column) {
        vec re = {}, im = {};
        const int sum = column + shift, end = sum < p ? sum : p;
        for (int i = sum > q ? sum - q : 0; i <= end; ++i) {
          const double inner = c.c[i * (q + 1) + sum - i];
          const vec xr = inner * x[2 * i], xi = inner * x[2 * i + 1], yr = y[2 * (sum - i)], yi = y[2 * (sum - i) + 1];
          re += xr * yr - xi * yi, im += xr * yi + xi * yr;
        }
        z[2 * column] += outer * re, z[2 * column + 1] += outer * im;
      }
    }
    z += 2 * n;
  }
}

// Calls visit(coupling, a, b, z) for every Z; of two factors of one order the second channel is not below the first.
template <class F>
void each_coupling(const Batch &b, F visit) {
  const ChemicalTables &tables = *b.job.tables;
  vec *z = b.space.z.hold(2 * b.t.n_independent);
  for (int k = 0; k < tables.n_couplings; ++k) {
    const Coupling &c = tables.couplings[k];
    for (int first = 0; first < b.job.n_channels; ++first)
      for (int second = c.first == c.second ? first : 0; second < b.job.n_channels; ++second) {
        couple(c, b.full(first, c.first), b.full(second, c.second), z);
        visit(c, first, second, z);
      }
  }
}

// Calls visit(component, factor) for what Z of a and b is a slope of, with respect to the channel.
template <class F>
inline void each_component(const Batch &batch, const Coupling &c, int a, int b, int channel, F visit) {
  const ChemicalTables &tables = *batch.job.tables;
  for (int u = c.begin; u < c.end; ++u) {
    const ChemicalUse &use = tables.uses[u];
    visit(component_of(use, tables.n_orders, batch.job.n_channels, a, b, channel), use);
    if (c.first == c.second && a != b) visit(component_of(use, tables.n_orders, batch.job.n_channels, b, a, channel), use);
  }
}

// Re(U* Z) at the level of a target, over its whole plane.
inline vec overlap(const Batch &b, int channel, int target, const vec *z) {
  const double *weight = b.job.tables->weight + b.t.level_independent[target];
  const vec *u = b.full(channel, target);
  vec sum = {};
  for (int row = 0, i = 0; 2 * row <= target; ++row, u += 2 * (target + 1))
    for (int column = 0; column < (2 * row == target ? row + 1 : target + 1); ++column, ++i)
      sum += weight[i] * (u[2 * column] * z[2 * i] + u[2 * column + 1] * z[2 * i + 1]);
  return sum;
}

void write_features(const Batch &b, const Coupling &c, int first, int second, const vec *z) {
  const int64_t K = b.job.n_features();
  for (int channel = 0; channel < b.job.n_channels; ++channel) {
    bool any = false;
    for (int u = c.begin; u < c.end; ++u) any = any || b.job.tables->uses[u].role == 0;
    if (!any) return;
    const vec value = overlap(b, channel, c.target, z);
    each_component(b, c, first, second, channel, [&](int64_t component, const ChemicalUse &use) {
      for (int l = 0; use.role == 0 && l < b.size; ++l) b.job.features[(b.begin + l) * K + component] = value[l];
    });
  }
}

// dB/dr of all that Z is a slope of: the target's channel is the neighbor's.
void add_derivatives(const Batch &b, const Coupling &c, int first, int second, const vec *z) {
  const int j = c.target, from = b.t.level_independent[j], to = b.t.level_independent[j + 1];
  const ChemicalTables &tables = *b.job.tables;
  const int64_t K = b.job.n_features();
  vec *y = b.y(0);
  for (int i = from; i < to; ++i)
    for (int h = 0; h < 2; ++h) y[2 * i + h] = tables.scale[i] * tables.weight[i] * z[2 * (i - from) + h];
  if (j > 0) make_gradient(b.t, j, y, b.space.gradient.at, b.space.rows.at, b.n_gradient);
  const int below = 2 * b.t.level_half[b.t.two_j_max];
  for (int l = 0; l < b.size; ++l)
    for (int channel = 0; channel < b.job.n_channels; ++channel)
      for (int k = b.first_block(l, channel); k < b.first_block(l, channel + 1); ++k) {
        const Block &block = b.space.blocks.at[k];
        Slope slope = {};
        if (j == 0) slope.value = all(y[0][l]);
        const vec *v = b.space.levels.at + size_t(k) * below;
        const double *rows = b.space.rows.at + size_t(l) * b.n_gradient;
        if (j > 0) add_forms(b.t, j, v + 2 * b.t.level_half[j - 1], rows, block, slope);
        vec pull[3];
        pull_of(block, slope, pull);
        each_component(b, c, first, second, channel, [&](int64_t component, const ChemicalUse &use) {
          for (int lane = 0; lane < W && block.edge[lane] >= 0; ++lane)
            for (int x = 0; x < 3; ++x) b.job.jacobian[(3 * block.edge[lane] + x) * K + component] += use.factor * pull[x][lane];
        });
      }
}

// Y of all channels by the slopes of each atom; energies besides.
void contract(const Batch &b) {
  const int64_t K = b.job.n_features();
  const int n_channels = b.job.n_channels, n = b.t.n_independent;
  const ChemicalTables &tables = *b.job.tables;
  vec *slopes = b.space.slopes.hold(K), energy = {};
  for (int l = 0; l < W; ++l) {
    const double *from = b.job.slopes + b.job.row[b.begin + (l < b.size ? l : 0)] * K;
    for (int64_t k = 0; k < K; ++k) slopes[k][l] = from[k];
  }
  std::memset(static_cast<void *>(b.y(0)), 0, size_t(2) * n * n_channels * sizeof(vec));
  each_coupling(b, [&](const Coupling &c, int first, int second, const vec *z) {
    const int from = b.t.level_independent[c.target], size = 2 * (b.t.level_independent[c.target + 1] - from);
    for (int channel = 0; channel < n_channels; ++channel) {
      vec sum = {}, *y = b.y(channel) + 2 * from;
      each_component(b, c, first, second, channel, [&](int64_t component, const ChemicalUse &use) { sum += use.factor * slopes[component]; });
      for (int i = 0; i < size; ++i) y[i] += sum * z[i];
    }
  });
  for (int channel = 0; channel < n_channels; ++channel) {
    vec *y = b.y(channel);
    for (int j = 0; j <= b.t.two_j_max; ++j) energy += overlap(b, channel, j, y + 2 * b.t.level_independent[j]);
    for (int i = 0; i < 2 * n; ++i) y[i] *= tables.scale[i / 2] * tables.weight[i / 2];
  }
  for (int l = 0; b.job.energies && l < b.size; ++l) b.job.energies[b.begin + l] = energy[l] / 3;
}

void pull_channel(const Batch &b, int channel) {
  const vec *y = b.y(channel);
  for (int j = 1; j <= b.t.two_j_max; ++j) make_gradient(b.t, j, y, b.space.gradient.at, b.space.rows.at, b.n_gradient);
  vec *v = b.space.levels.at;
  for (int l = 0; l < b.size; ++l)
    for (int k = b.first_block(l, channel); k < b.first_block(l, channel + 1); ++k) {
      const Block &block = b.space.blocks.at[k];
      const double *rows = b.space.rows.at + size_t(l) * b.n_gradient;
      Slope slope = {};
      slope.value = all(y[0][l]);
      all_levels(b.t, b.t.two_j_max - 1, block, v);
      for (int j = 1; j <= b.t.two_j_max; ++j) add_forms(b.t, j, v + 2 * b.t.level_half[j - 1], rows, block, slope);
      vec pull[3];
      pull_of(block, slope, pull);
      for (int lane = 0; lane < W && block.edge[lane] >= 0; ++lane)
        for (int x = 0; x < 3; ++x) b.job.pull[3 * block.edge[lane] + x] = pull[x][lane];
    }
}

void clear(const Batch &b) {
  const cambrian_edges &e = b.job.stars.edges;
  const int64_t K = b.job.n_features(), from = e.first[b.begin], n = e.first[b.begin + b.size] - from;
  if (b.job.pull) std::memset(b.job.pull + 3 * from, 0, 3 * n * sizeof(double));
  if (b.job.jacobian) std::memset(b.job.jacobian + 3 * K * from, 0, 3 * K * n * sizeof(double));
}

void run_batch(const Batch &b) {
  const Tables &t = b.t;
  clear(b);
  stage(b);
  b.space.full.hold(size_t(2) * b.n_full() * b.job.n_channels);
  b.space.y.hold(size_t(2) * t.n_independent * b.job.n_channels);
  b.space.gradient.hold(b.n_gradient);
  b.space.rows.hold(size_t(W) * b.n_gradient);
  for (int channel = 0; channel < b.job.n_channels; ++channel) sum_density(b, channel), complete(b, channel);
  if (b.job.features) each_coupling(b, [&](const Coupling &c, int first, int second, const vec *z) { write_features(b, c, first, second, z); });
  if (b.job.jacobian) {
    const int n_blocks = b.space.first.at[W * b.job.n_channels], below = 2 * t.level_half[t.two_j_max];
    vec *levels = b.space.levels.hold(size_t(n_blocks + 1) * below + 2);
    for (int k = 0; k < n_blocks && t.two_j_max > 0; ++k) all_levels(t, t.two_j_max - 1, b.space.blocks.at[k], levels + size_t(k) * below);
    each_coupling(b, [&](const Coupling &c, int first, int second, const vec *z) { add_derivatives(b, c, first, second, z); });
  }
  if (!b.job.slopes) return;
  contract(b);
  for (int channel = 0; channel < b.job.n_channels; ++channel) pull_channel(b, channel);
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_chemical_, CAMBRIAN_ISA)(const ChemicalJob &job) {
  const Tables &t = *job.tables->shared;
  const int64_t n_atoms = job.stars.edges.n_atoms, n_batches = (n_atoms + W - 1) / W;
  int failed = 0;
#pragma omp parallel for num_threads(job.threads) if (n_batches > 1) schedule(dynamic) reduction(| : failed)
  for (int64_t n = 0; n < n_batches; ++n) try {
      const int64_t begin = W * n, left = n_atoms - begin;
      if (!failed) run_batch({job, t, workspace, begin, int(left < W ? left : W), up(2 * t.n_half), 8 * t.level_independent[t.two_j_max]});
    } catch (const std::bad_alloc &) {
      failed = 1;
    }
  return failed;
}

}  // namespace cambrian
