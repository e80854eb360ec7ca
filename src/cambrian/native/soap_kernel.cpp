// SOAP in vectors, neighbors in the lanes. Compiled once per instruction set.
//
//     c_s[h][n] = sum over neighbors of species s of G_ln(r) Y_h,   h = (l, m)
//     p_st = sum over m of c_s[h][n] c_t[h][n']
//     dE/dr = u sum D_s[h][n] Y_h dG_ln/dr + sum D_s[h][n] G_ln dY_h/dr,   D = dE/dc: one reverse sweep
//     dp_st/dr = (dc_s) . c_t: two outer products over n and n' a direction, V = sum over m of (Y, dY) c_t
#include <cstdlib>
#include <cstring>

#include "soap_neighbors.hpp"

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

namespace {

struct Workspace {
  char *memory = nullptr;
  size_t size = 0;
  ~Workspace() { std::free(memory); }
};

thread_local Workspace workspace;

struct Buffers {
  char *next = nullptr;
  size_t used = 0;
  SoapBlock *block;
  int *block_first;  // n_species + 1
  vec *arrays, *sum, *v, *rows;
  double *c, *d, *table;
  int n_block, n_moments;

  template <class T>
  T *take(size_t n) {
    T *p = next ? reinterpret_cast<T *>(next + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
  Buffers(const SoapJob &job, char *memory, int max_neighbors) : next(memory) {
    const SoapPlan &p = *job.plan;
    const int N = p.n_max, L = p.l_max + 1, H = L * L, blocks = max_neighbors / W + p.n_species + 1;
    n_block = 2 * L * N + 4 * H;
    n_moments = (H * N + W - 1) / W * W;
    block = take<SoapBlock>(blocks);
    block_first = take<int>(p.n_species + 1);
    arrays = take<vec>((size_t)blocks * n_block);
    sum = take<vec>(n_moments);
    c = take<double>((size_t)p.n_species * n_moments);
    d = take<double>((size_t)p.n_species * n_moments);
    table = take<double>((size_t)N * N);
    v = take<vec>(job.jacobian ? (size_t)4 * p.n_species * L * N : 0);
    rows = take<vec>(job.jacobian ? (size_t)3 * (p.n_features + W) : 0);
  }
  SoapArrays of(const SoapPlan &p, int b) const {
    const int L = p.l_max + 1;
    vec *start = arrays + (size_t)b * n_block;
    return {start, start + L * p.n_max, start + 2 * L * p.n_max, start + 2 * L * p.n_max + L * L};
  }
};

void make_block(const SoapJob &job, const int64_t *edge, const SoapArrays &a, SoapBlock &b) {
  vec d[3], f = {}, df = {};
  for (int c = 0; c < 3; ++c) d[c] = all(c == 2);  // an empty lane stands at 1 and counts 0
  for (int l = 0; l < W; ++l) {
    b.edge[l] = edge[l];
    if (edge[l] < 0) continue;
    for (int c = 0; c < 3; ++c) d[c][l] = job.stars.r_ij[3 * edge[l] + c];
    f[l] = job.stars.fade[edge[l]], df[l] = job.stars.fade_slope[edge[l]];
  }
  const vec r = root(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  const vec inverse = 1 / r;
  for (int c = 0; c < 3; ++c) b.u[c] = d[c] * inverse;
  radial(*job.plan, r, f, df, a);
  harmonics(*job.plan, b.u, inverse, a);
}

// Blocks by species, and the sums c of every species.
void add_neighbors(const SoapJob &job, int64_t atom, Buffers &b) {
  const SoapPlan &p = *job.plan;
  const int N = p.n_max;
  int n_blocks = 0;
  for (int s = 0; s < p.n_species; ++s) {
    b.block_first[s] = n_blocks;
    std::memset(b.sum, 0, sizeof(vec) * b.n_moments);
    int64_t waiting[W];
    int n = 0;
    for (int64_t k = job.stars.first[atom]; k < job.stars.first[atom + 1] || n; ++k) {
      const bool more = k < job.stars.first[atom + 1];
      if (more && (job.stars.neighbor_species[k] != s || (job.stars.fade[k] == 0 && job.stars.fade_slope[k] == 0))) continue;
      waiting[n++] = more ? k : -1;
      if (n < W) continue;
      n = 0;
      const SoapArrays a = b.of(p, n_blocks);
      make_block(job, waiting, a, b.block[n_blocks++]);
      for (int l = 0; l <= p.l_max; ++l) {
        const vec *g = a.g + l * N;
        for (int h = l * l; h < (l + 1) * (l + 1); ++h) {
          const vec y = a.y[h];
          vec *sum = b.sum + h * N;
          for (int m = 0; m < N; ++m) sum[m] += y * g[m];
        }
      }
    }
    double *c = b.c + (size_t)s * b.n_moments;
    for (int i = 0; i < b.n_moments; i += W) {
      vec part[W];
      std::memcpy(part, b.sum + i, sizeof part);
      *reinterpret_cast<vec *>(c + i) = sums(part);
    }
    if (job.stars.species[atom] == s)
      for (int m = 0; m < N; ++m) c[m] += p.alone[m];
  }
  b.block_first[p.n_species] = n_blocks;
}

void write_features(const SoapPlan &p, const Buffers &b, double *out) {
  const int N = p.n_max;
  for (const SoapPair &pair : p.pairs) {
    const double *cs = b.c + (size_t)pair.s * b.n_moments, *ct = b.c + (size_t)pair.t * b.n_moments;
    const SoapColumn *column = pair.columns.data();
    double *to = out + pair.start;
    const int n_columns = int(pair.columns.size()) / (p.l_max + 1);
    for (int l = 0; l <= p.l_max; ++l) {
      double *P = b.table;
      std::memset(P, 0, sizeof(double) * N * N);
      for (int h = l * l; h < (l + 1) * (l + 1); ++h)
        for (int n = 0; n < N; ++n) {
          const double x = cs[h * N + n];
          for (int m = 0; m < N; ++m) P[n * N + m] += x * ct[h * N + m];
        }
      for (int k = 0; k < n_columns; ++k, ++column) *to++ = column->factor * P[column->first * N + column->second];
    }
  }
}

// D = dE/dc, and E = 1/2 D . c, since every feature is a product of two.
double gradient(const SoapPlan &p, const Buffers &b, const double *slope) {
  const int N = p.n_max, H = (p.l_max + 1) * (p.l_max + 1);
  std::memset(b.d, 0, sizeof(double) * p.n_species * b.n_moments);
  for (const SoapPair &pair : p.pairs) {
    const size_t s = (size_t)pair.s * b.n_moments, t = (size_t)pair.t * b.n_moments;
    const SoapColumn *column = pair.columns.data();
    const double *from = slope + pair.start;
    const int n_columns = int(pair.columns.size()) / (p.l_max + 1);
    for (int l = 0; l <= p.l_max; ++l) {
      double *A = b.table;
      std::memset(A, 0, sizeof(double) * N * N);
      for (int k = 0; k < n_columns; ++k, ++column) A[column->first * N + column->second] = column->factor * *from++;
      for (int h = l * l; h < (l + 1) * (l + 1); ++h) {
        const double *cs = b.c + s + h * N, *ct = b.c + t + h * N;
        double *ds = b.d + s + h * N, *dt = b.d + t + h * N;
        for (int n = 0; n < N; ++n) {
          const double x = cs[n];
          double sum = 0;
          for (int m = 0; m < N; ++m) sum += A[n * N + m] * ct[m];
          ds[n] += sum;
          for (int m = 0; m < N; ++m) dt[m] += x * A[n * N + m];
        }
      }
    }
  }
  double energy = 0;
  for (int s = 0; s < p.n_species; ++s)
    for (int i = 0; i < H * N; ++i) energy += b.c[(size_t)s * b.n_moments + i] * b.d[(size_t)s * b.n_moments + i];
  return 0.5 * energy;
}

void write_pull(const SoapJob &job, const Buffers &b) {
  const SoapPlan &p = *job.plan;
  const int N = p.n_max, H = (p.l_max + 1) * (p.l_max + 1);
  for (int s = 0; s < p.n_species; ++s) {
    const double *D = b.d + (size_t)s * b.n_moments;
    for (int k = b.block_first[s]; k < b.block_first[s + 1]; ++k) {
      const SoapArrays a = b.of(p, k);
      vec along = {}, x = {}, y = {}, z = {};
      for (int l = 0; l <= p.l_max; ++l) {
        const vec *g = a.g + l * N, *dg = a.dg + l * N;
        for (int h = l * l; h < (l + 1) * (l + 1); ++h) {
          vec value = {}, slope = {};
          for (int n = 0; n < N; ++n) value += D[h * N + n] * g[n], slope += D[h * N + n] * dg[n];
          along += slope * a.y[h];
          x += value * a.dy[h], y += value * a.dy[H + h], z += value * a.dy[2 * H + h];
        }
      }
      const SoapBlock &block = b.block[k];
      x += along * block.u[0], y += along * block.u[1], z += along * block.u[2];
      for (int lane = 0; lane < W; ++lane)
        if (block.edge[lane] >= 0) {
          double *out = job.pull + 3 * block.edge[lane];
          out[0] = x[lane], out[1] = y[lane], out[2] = z[lane];
        }
    }
  }
}

// V[t][0 .. 3][l][n'] of one block: the harmonics and their derivatives against the sums of species t.
void project(const SoapPlan &p, const Buffers &b, const SoapArrays &a, int t) {
  const int N = p.n_max, L = p.l_max + 1, H = L * L;
  const double *c = b.c + (size_t)t * b.n_moments;
  vec *V = b.v + (size_t)4 * t * L * N;
  for (int l = 0; l < L; ++l)
    for (int n = 0; n < N; ++n) {
      vec v = {}, x = {}, y = {}, z = {};
      for (int h = l * l; h < (l + 1) * (l + 1); ++h) {
        const double k = c[h * N + n];
        v += k * a.y[h], x += k * a.dy[h], y += k * a.dy[H + h], z += k * a.dy[2 * H + h];
      }
      V[l * N + n] = v, V[L * N + l * N + n] = x, V[2 * L * N + l * N + n] = y, V[3 * L * N + l * N + n] = z;
    }
}

void block_jacobian(const SoapPlan &p, const Buffers &b, const SoapArrays &a, const vec *u, int own) {
  const int N = p.n_max, LN = (p.l_max + 1) * N, stride = p.n_features + W;
  std::memset(b.rows, 0, sizeof(vec) * 3 * stride);
  for (int t = 0; t < p.n_species; ++t) project(p, b, a, t);
  for (const SoapPair &pair : p.pairs) {
    if (pair.s != own && pair.t != own) continue;
    const vec *V = b.v + (size_t)4 * (own == pair.s ? pair.t : pair.s) * LN;
    vec *out = b.rows + pair.start;
    for (const SoapColumn &column : pair.columns) {
      const int first = column.l * N + column.first, second = column.l * N + column.second;
      const int mine = own == pair.s ? first : second, other = own == pair.s ? second : first;
      vec along = a.dg[mine] * V[other];
      vec x = a.g[mine] * V[LN + other], y = a.g[mine] * V[2 * LN + other], z = a.g[mine] * V[3 * LN + other];
      if (pair.s == pair.t) {
        along += a.dg[other] * V[mine];
        x += a.g[other] * V[LN + mine], y += a.g[other] * V[2 * LN + mine], z += a.g[other] * V[3 * LN + mine];
      }
      out[0] = column.factor * (x + u[0] * along);
      out[stride] = column.factor * (y + u[1] * along);
      out[2 * stride] = column.factor * (z + u[2] * along);
      ++out;
    }
  }
}

void write_jacobian(const SoapJob &job, const Buffers &b) {
  const SoapPlan &p = *job.plan;
  const int K = p.n_features, stride = K + W;
  for (int s = 0; s < p.n_species; ++s)
    for (int k = b.block_first[s]; k < b.block_first[s + 1]; ++k) {
      const SoapBlock &block = b.block[k];
      block_jacobian(p, b, b.of(p, k), block.u, s);
      for (int c = 0; c < 3; ++c)
        for (int i = 0; i < K; i += W) {
          vec v[W];
          std::memcpy(v, b.rows + c * stride + i, sizeof v);
          transpose(v);
          const size_t bytes = sizeof(double) * (K - i < W ? K - i : W);
          for (int lane = 0; lane < W; ++lane)
            if (block.edge[lane] >= 0) std::memcpy(job.jacobian + (3 * block.edge[lane] + c) * K + i, v + lane, bytes);
        }
    }
}

void run_atom(const SoapJob &job, int64_t atom, Buffers &b) {
  const SoapPlan &p = *job.plan;
  const int64_t first = job.stars.first[atom], count = job.stars.first[atom + 1] - first;
  add_neighbors(job, atom, b);
  if (job.features) write_features(p, b, job.features + atom * p.n_features);
  if (job.pull) {
    std::memset(job.pull + 3 * first, 0, sizeof(double) * 3 * count);
    job.energies[atom] = gradient(p, b, job.slope + atom * p.n_features);
    write_pull(job, b);
  }
  if (job.jacobian) {
    for (int64_t k = first; k < first + count; ++k)  // lanes cover all but those that count nothing
      if (job.stars.fade[k] == 0 && job.stars.fade_slope[k] == 0)
        std::memset(job.jacobian + 3 * k * p.n_features, 0, sizeof(double) * 3 * p.n_features);
    write_jacobian(job, b);
  }
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_soap_, CAMBRIAN_ISA)(const SoapJob &job) {
  int64_t longest = 0;
  for (int64_t i = 0; i < job.stars.n_atoms; ++i) {
    const int64_t count = job.stars.first[i + 1] - job.stars.first[i];
    longest = count > longest ? count : longest;
  }
  const size_t needed = Buffers(job, nullptr, int(longest)).used;
  int failed = 0;
#pragma omp parallel num_threads(job.threads) if (job.stars.n_atoms > 1) reduction(| : failed)
  {
    if (workspace.size < needed) {
      std::free(workspace.memory);
      workspace.memory = static_cast<char *>(std::aligned_alloc(64, needed));
      workspace.size = workspace.memory ? needed : 0;
    }
    failed = !workspace.memory;
    Buffers buffers(job, workspace.memory, int(longest));
#pragma omp for schedule(dynamic, 4)
    for (int64_t i = 0; i < job.stars.n_atoms; ++i)
      if (!failed) run_atom(job, i, buffers);
  }
  return failed;
}

}  // namespace cambrian
