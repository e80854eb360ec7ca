// Polynomials of moments in vectors: neighbors in the lanes for moments and forces, atoms in the lanes for products.
// Compiled once per instruction set.
//
//     A_qk = sum_j R_q(r_j) Y_k(n_j)          a matrix product of radial and angular functions, panel by panel
//     G_k = sum_q dE/dA_qk R_q,   H_k = sum_q dE/dA_qk R_q'      the same backwards, for every neighbor
//     dE/dr = n sum_k H_k Y_k + (1 - n n^T) sum_k G_k grad Y_k / r
#include "moments_angular.hpp"

#include <cstring>

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

namespace {

// Edges inside their cutoff, kind by kind in whole blocks; the others' outputs are zero.
int stage_edges(const MomentJob &job, int64_t atom, Buffers &b, Block *block) {
  const MomentPlan &p = *job.plan;
  const cambrian_stars &s = job.stars;
  const double *cutoffs = p.cutoffs + s.species[atom] * p.n_species;
  int n = 0;
  for (int kind = 0; kind < p.n_kinds; ++kind) {
    const int begin = n;
    for (int64_t e = s.first[atom]; e < s.first[atom + 1]; ++e) {
      const int64_t t = s.species[s.neighbor[e]];
      if (p.n_kinds > 1 && t != kind) continue;
      const double *r = s.r_ij + 3 * e;
      const bool inside = r[0] * r[0] + r[1] * r[1] + r[2] * r[2] < cutoffs[t] * cutoffs[t];
      for (int c = 0; c < 3; ++c) b.staged[3 * n + c] = r[c];
      b.staged_edge[n] = e, b.staged_species[n] = int(t);
      n += inside;
      if (!inside && job.pull) std::memset(job.pull + 3 * e, 0, 3 * sizeof(double));
      if (!inside && job.jacobian) std::memset(job.jacobian + 3 * e * p.n_features, 0, 3 * p.n_features * sizeof(double));
    }
    for (; n % W; ++n) {
      b.staged[3 * n] = 1, b.staged[3 * n + 1] = b.staged[3 * n + 2] = 0;
      b.staged_edge[n] = -1, b.staged_species[n] = 0;
    }
    for (int k = begin; k < n; k += W) block[k / W].kind = kind;
  }
  return n / W;
}

// Weights of f, h f', h^2 f'' at both ends of a piece, and their derivatives by r.
void weigh(vec t, vec rate, vec *w) {
  const vec u = 1 - t, t2 = t * t, u2 = u * u, t3 = t2 * t, u3 = u2 * u;
  w[0] = u3 * (1 + 3 * t + 6 * t2), w[1] = t * u3 * (1 + 3 * t), w[2] = 0.5 * t2 * u3;
  w[3] = t3 * (1 + 3 * u + 6 * u2), w[4] = -u * t3 * (1 + 3 * u), w[5] = 0.5 * u2 * t3;
  w[6] = -30 * rate * t2 * u2, w[9] = -w[6];
  w[7] = rate * u2 * (1 + 2 * t - 15 * t2), w[10] = rate * t2 * (1 + 2 * u - 15 * u2);
  w[8] = 0.5 * rate * t * u2 * (2 - 5 * t), w[11] = -0.5 * rate * u * t2 * (2 - 5 * u);
}

// One neighbor a row, radial functions in the lanes: those of one piece between two nodes.
void read_rows(const double *left, int stride, int n, const double *weight, double *value, double *slope) {
  vec w[12];
  for (int i = 0; i < 12; ++i) w[i] = all(weight[i * W]);
  for (int q = 0; q < n; q += W) {
    vec f = {}, df = {};
    for (int i = 0; i < 6; ++i) {
      const vec node = *reinterpret_cast<const vec *>(left + i * stride + q);
      f += w[i] * node;
      df += w[i + 6] * node;
    }
    *reinterpret_cast<vec *>(value + q) = f;
    *reinterpret_cast<vec *>(slope + q) = df;
  }
}

void read_table(const MomentPlan &p, int64_t center, const int *species, vec r, Buffers &b, Block &k) {
  vec rate, fraction, weight[12];
  for (int l = 0; l < W; ++l) rate[l] = p.pieces / p.cutoffs[center * p.n_species + species[l]];
  const vec x = r * rate;
  const double *left[W];
  for (int l = 0; l < W; ++l) {
    int64_t piece = int64_t(x[l]);
    piece = piece < 1 ? 1 : piece > p.pieces - 1 ? p.pieces - 1 : piece;
    fraction[l] = x[l] - double(piece);
    left[l] = p.nodes + ((center * p.n_species + species[l]) * p.pieces + piece - 1) * 3 * p.stride;
  }
  weigh(fraction, rate, weight);
  const int n = round_up(p.n_radial);
  double *rows = b.table;
  for (int l = 0; l < W; ++l, rows += 2 * p.stride) {
    if (k.edge[l] < 0)
      std::memset(rows, 0, 2 * p.stride * sizeof(double));
    else
      read_rows(left[l], p.stride, n, reinterpret_cast<const double *>(weight) + l, rows, rows + p.stride);
  }
  for (int q = 0; q < n; q += W) {
    vec value[W], slope[W];
    for (int l = 0; l < W; ++l) {
      value[l] = *reinterpret_cast<const vec *>(b.table + 2 * l * p.stride + q);
      slope[l] = *reinterpret_cast<const vec *>(b.table + (2 * l + 1) * p.stride + q);
    }
    transpose(value);
    transpose(slope);
    std::memcpy(k.radial + q, value, sizeof value);
    std::memcpy(k.slope + q, slope, sizeof slope);
  }
}

// The block's neighbors are staged from `first` on.
void make_block(const MomentJob &job, int64_t atom, int first, Buffers &b, Block &k) {
  const MomentPlan &p = *job.plan;
  const double *staged = b.staged + 3 * first;
  vec d[3];
  for (int l = 0; l < W; ++l) {
    for (int c = 0; c < 3; ++c) d[c][l] = staged[3 * l + c];
    k.edge[l] = b.staged_edge[first + l];
  }
  const vec r = root(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-40);
  k.inverse = 1 / r;
  for (int c = 0; c < 3; ++c) k.n[c] = d[c] * k.inverse;
  read_table(p, job.stars.species[atom], b.staged_species + first, r, b, k);
  p.family == CAMBRIAN_HARMONICS ? harmonics(p, k) : products(p, k);
}

template <int N>
inline void add_tile(const Block *block, int n_blocks, int radial, int column, vec *sum) {
  vec a[N] = {};
  for (int n = 0; n < n_blocks; ++n) {
    const vec x = block[n].radial[radial];
    const vec *y = block[n].angular + column;
    for (int i = 0; i < N; ++i) a[i] += x * y[i];
  }
  for (int i = 0; i < N; ++i) sum[i] += a[i];
}

void add_moments(const Kind &kind, const Block *block, int n_blocks, vec *sum) {
  for (int n = 0; n < kind.n_panels; ++n) {
    const Panel &panel = kind.panels[n];
    for (int i = 0; i < panel.n_columns; i += 8)
      for (int j = 0; j < panel.n_rows; ++j) {
        const int q = panel.rows[j].radial, column = panel.column + i;
        vec *into = sum + panel.rows[j].moment + i;
        switch (panel.n_columns - i) {
          case 1: add_tile<1>(block, n_blocks, q, column, into); break;
          case 2: add_tile<2>(block, n_blocks, q, column, into); break;
          case 3: add_tile<3>(block, n_blocks, q, column, into); break;
          case 4: add_tile<4>(block, n_blocks, q, column, into); break;
          case 5: add_tile<5>(block, n_blocks, q, column, into); break;
          case 6: add_tile<6>(block, n_blocks, q, column, into); break;
          case 7: add_tile<7>(block, n_blocks, q, column, into); break;
          default: add_tile<8>(block, n_blocks, q, column, into);
        }
      }
  }
}

void finish_moments(Buffers &b, int lane) {
  for (int i = 0; i < b.n_rows; i += W) {
    vec v[W];
    std::memcpy(v, b.sum + i, sizeof v);
    *reinterpret_cast<vec *>(b.rows + (size_t)lane * b.n_rows + i) = sums(v);
  }
}

// kBatch rows of `n` (a multiple of W) numbers <-> numbers of all atoms.
void rows_to_lanes(const double *rows, int n, wide *into) {
  for (int i = 0; i < n; i += W)
    for (int part = 0; part < kBatch / W; ++part) {
      vec v[W];
      for (int l = 0; l < W; ++l) v[l] = *reinterpret_cast<const vec *>(rows + (size_t)(part * W + l) * n + i);
      transpose(v);
      for (int l = 0; l < W; ++l) into[i + l].v[part] = v[l];
    }
}
void lanes_to_rows(const wide *from, int n, double *rows) {
  for (int i = 0; i < n; i += W)
    for (int part = 0; part < kBatch / W; ++part) {
      vec v[W];
      for (int l = 0; l < W; ++l) v[l] = from[i + l].v[part];
      transpose(v);
      for (int l = 0; l < W; ++l) *reinterpret_cast<vec *>(rows + (size_t)(part * W + l) * n + i) = v[l];
    }
}

#include "moments_products.hpp"

template <int N>
inline void pull_tile(const Panel &panel, int offset, const double *w, const Block &k, vec *values, vec *slopes) {
  vec g[N] = {}, h[N] = {};
  for (int j = 0; j < panel.n_rows; ++j) {
    const vec x = k.radial[panel.rows[j].radial], dx = k.slope[panel.rows[j].radial];
    const double *own = w + panel.rows[j].moment + offset;
    for (int i = 0; i < N; ++i) {
      const vec o = all(own[i]);
      g[i] += o * x;
      h[i] += o * dx;
    }
  }
  for (int i = 0; i < N; ++i) values[panel.column + offset + i] = g[i], slopes[panel.column + offset + i] = h[i];
}

void pull_block(const MomentJob &job, const Block &k, const double *w, Buffers &b) {
  const MomentPlan &p = *job.plan;
  const Kind &kind = p.kinds[k.kind];
  vec *values = b.columns, *slopes = b.columns + p.n_columns;
  std::memset(values, 0, 2 * p.n_columns * sizeof(vec));
  for (int n = 0; n < kind.n_panels; ++n) {
    const Panel &panel = kind.panels[n];
    for (int i = 0; i < panel.n_columns; i += 4) switch (panel.n_columns - i) {
        case 1: pull_tile<1>(panel, i, w, k, values, slopes); break;
        case 2: pull_tile<2>(panel, i, w, k, values, slopes); break;
        case 3: pull_tile<3>(panel, i, w, k, values, slopes); break;
        default: pull_tile<4>(panel, i, w, k, values, slopes);
      }
  }
  vec along = {}, g[3];
  for (int i = 0; i < p.n_columns; ++i) along += slopes[i] * k.angular[i];
  p.family == CAMBRIAN_HARMONICS ? pull_harmonics(p, k, values, g) : pull_products(p, k, values, g);
  along -= k.inverse * (g[0] * k.n[0] + g[1] * k.n[1] + g[2] * k.n[2]);
  for (int c = 0; c < 3; ++c) g[c] = k.n[c] * along + k.inverse * g[c];
  for (int l = 0; l < W && k.edge[l] >= 0; ++l)
    for (int c = 0; c < 3; ++c) job.pull[3 * k.edge[l] + c] = g[c][l];
}

#include "moments_jacobian.hpp"

// All moments of the batch, one atom a row.
void gather(const MomentJob &job, const int64_t *atom, int size, Buffers &b) {
  const MomentPlan &p = *job.plan;
  b.first_block[0] = 0;
  for (int l = 0; l < kBatch; ++l) {
    Block *block = b.block + b.first_block[l];
    const int count = l < size ? stage_edges(job, atom[l], b, block) : 0;
    std::memset(b.sum, 0, b.n_rows * sizeof(vec));
    for (int k = 0; k < count; ++k) {
      vec *kept = b.kept + (size_t)(b.first_block[l] + k) * b.size_of_block;
      block[k].radial = kept, block[k].slope = kept + p.stride;
      block[k].angular = kept + 2 * p.stride, block[k].polar = block[k].angular + p.n_columns;
      make_block(job, atom[l], W * k, b, block[k]);
    }
    for (int from = 0, to; from < count; from = to) {
      for (to = from + 1; to < count && block[to].kind == block[from].kind;) ++to;
      add_moments(p.kinds[block[from].kind], block + from, to - from, b.sum);
    }
    finish_moments(b, l);
    b.first_block[l + 1] = b.first_block[l] + count;
  }
}

void run_batch(const MomentJob &job, int64_t n, Buffers &b) {
  const MomentPlan &p = *job.plan;
  const int64_t begin = job.batch[n];
  const int size = int(job.batch[n + 1] - begin);
  int64_t atom[kBatch];
  for (int l = 0; l < size; ++l) atom[l] = job.order ? job.order[begin + l] : begin + l;
  gather(job, atom, size, b);
  rows_to_lanes(b.rows, b.n_rows, b.node);
  multiply(p, b.node);
  if (job.features) write_features(job, atom, size, b);
  if (job.jacobian) {
    differentiate(job, size, b);
    return;
  }
  if (!job.pull) return;
  if (job.folded) {
    std::memset(b.slope, 0, p.n_moments * sizeof(wide));
    const wide energy = sweep(p, job.folded[job.stars.species[atom[0]]], b.node, b.slope);
    for (int l = 0; l < size; ++l) job.energies[atom[l]] = energy.v[l / W][l % W];
  } else {
    sweep_slopes(job, atom, size, b);
  }
  lanes_to_rows(b.slope, b.n_rows, b.rows);
  for (int l = 0; l < size; ++l)
    for (int k = b.first_block[l]; k < b.first_block[l + 1]; ++k)
      pull_block(job, b.block[k], b.rows + (size_t)l * b.n_rows, b);
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_moments_, CAMBRIAN_ISA)(const MomentJob &job) {
  int max_blocks = 0, max_neighbors = 0;
  for (int64_t n = 0; n < job.n_batches; ++n) {
    int blocks = 0;
    for (int64_t k = job.batch[n]; k < job.batch[n + 1]; ++k) {
      const int64_t atom = job.order ? job.order[k] : k;
      const int count = int(job.stars.first[atom + 1] - job.stars.first[atom]);
      blocks += count / W + (count < job.plan->n_kinds ? count : job.plan->n_kinds);
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
