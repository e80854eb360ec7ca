// Every component by itself: features, and their derivatives for fitting rows. Part of bispectrum_kernel.cpp.
//
// v of all neighbors of the batch is kept; for every component its own Y, its own gradient, the same four forms.
#pragma once
#ifdef _OPENMP
#include <omp.h>
#endif

void keep_levels(const Tables &t, const Block &k, vec *v) {
  const vec ar = k.cosine, ai = -k.sine * k.n[2], br = k.sine * k.n[1], bi = -k.sine * k.n[0];
  if (t.two_j_max > 0) v[0] = all(1), v[1] = vec{};
  for (int j = 1; j < t.two_j_max; ++j)
    next_level<false>(j, v + 2 * t.level_half[j - 1], v + 2 * t.level_half[j], ar, ai, br, bi);
}

// Several blocks at once: each coefficient is loaded once for all of them.
template <int B>
inline void add_forms_of(const Tables &t, int j, const vec *const *levels, const double *rows, vec (*total)[4]) {
  const double *g = rows + 8 * t.level_independent[j - 1];
  for (int mb = 0; 2 * mb < j; ++mb) {
    const int n = 2 * mb == j - 1 ? mb + 1 : j, row = 2 * (t.level_half[j - 1] + mb * j);
    for (int ma = 0; ma < n; ++ma, g += 8)
      for (int c = 0; c < 4; ++c)
        for (int k = 0; k < B; ++k)
          total[k][c] += g[2 * c] * levels[k][row + 2 * ma] + g[2 * c + 1] * levels[k][row + 2 * ma + 1];
  }
}

template <int B>
inline void pull_blocks(const Tables &t, const Component &component, int feature, int lane, int n, Buffers &b) {
  const double *rows = b.gradient_rows + (size_t)lane * b.n_gradient;
  const vec *levels[B];
  for (int k = 0; k < B; ++k) levels[k] = b.kept_v + (size_t)(n + k) * 2 * t.level_half[t.two_j_max];
  Slope slope[B] = {};
  for (int i = 0; i < component.n_levels; ++i) {
    const int j = component.levels[i];
    vec total[B][4] = {};
    if (j > 0) add_forms_of<B>(t, j, levels, rows, total);
    for (int k = 0; k < B; ++k) {
      const Block &block = b.block[n + k];
      if (j == 0) {
        slope[k].value += b.y[0][lane];
        continue;
      }
      const vec *d = total[k], along = block.n[0] * d[1] + block.n[1] * d[2] + block.n[2] * d[3];
      slope[k].value += (block.cosine * d[0] + block.sine * along) * (1. / j);
      for (int c = 0; c < 4; ++c) slope[k].q[c] += d[c];
    }
  }
  for (int k = 0; k < B; ++k) {
    vec pull[3];
    pull_of(b.block[n + k], slope[k], pull);
    for (int c = 0; c < 3; ++c) b.kept_pull[((size_t)(n + k) * 3 + c) * b.n_slope + feature] = pull[c];
  }
}

void pull_component(const Tables &t, const Component &component, int feature, int lane, Buffers &b) {
  const int last = b.block_first[lane + 1];
  int n = b.block_first[lane];
  for (; n + 1 < last; n += 2) pull_blocks<2>(t, component, feature, lane, n, b);
  if (n < last) pull_blocks<1>(t, component, feature, lane, n, b);
}

// Neighbors in the lanes -> one edge a row.
void write_jacobian(const Job &job, const Block &k, vec *kept, int n_slope) {
  const int K = job.tables->n_features;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < n_slope; i += W) {
      vec *v = kept + (size_t)c * n_slope + i;
      transpose(v);
      const int width = K - i < W ? K - i : W;
      for (int l = 0; l < W && k.edge[l] >= 0; ++l)
        std::memcpy(job.jacobian + (3 * k.edge[l] + c) * K + i, v + l, width * sizeof(double));
    }
}

// The same summed up: onto the center, off the neighbors, and times r_ij.
void add_rows(const Job &job, int64_t atom, int lane, double *sums, Buffers &b) {
  double *const own = sums + job.block[atom] * padded(job.tables->n_features);
  double *const strain = own + job.n_forces;
  constexpr int first[6] = {0, 1, 2, 1, 0, 0}, second[6] = {0, 1, 2, 2, 2, 1};
  for (int i = 0; i < b.n_slope; i += W) {
    auto at = [i](double *row) -> loose & { return *reinterpret_cast<loose *>(row + i); };
    vec center[3] = {}, outer[6] = {};
    for (int n = b.block_first[lane]; n < b.block_first[lane + 1]; ++n) {
      const Block &k = b.block[n];
      vec v[3][W];
      for (int c = 0; c < 3; ++c) {
        std::memcpy(v[c], b.kept_pull + ((size_t)n * 3 + c) * b.n_slope + i, sizeof v[c]);
        transpose(v[c]);
      }
      for (int l = 0; l < W && k.edge[l] >= 0; ++l) {
        const double *r = job.edges.r_ij + 3 * k.edge[l];
        double *row = own + 3 * job.neighbor[k.edge[l]] * job.row;
        for (int c = 0; c < 3; ++c) {
          center[c] += v[c][l];
          at(row + c * job.row) -= v[c][l];
        }
        for (int a = 0; a < 6; ++a) outer[a] += r[first[a]] * v[second[a]][l];
      }
    }
    for (int c = 0; c < 3; ++c) at(own + (3 * atom + c) * job.row) += center[c];
    for (int a = 0; a < 6; ++a) at(strain + a * job.row) += outer[a];
  }
}

void components(const Job &job, const int64_t *atom, int size, Buffers &b) {
  const Tables &t = *job.tables;
  const int n_blocks = b.block_first[W];
  const bool slopes = job.jacobian || job.sums;
  if (slopes)
    for (int n = 0; n < n_blocks; ++n)
      keep_levels(t, b.block[n], b.kept_v + (size_t)n * 2 * t.level_half[t.two_j_max]);
  int from = 0;
  for (int f = 0; f < t.n_features; ++f) {
    const Component &component = t.components[f];
    const int all_outs = component.out_end[component.n_levels - 1];
    contract_component(t, from, slopes ? all_outs : component.out_end[0], b);
    vec value = {};
    for (int k = from; k < component.out_end[0]; ++k) {
      const int out = t.component_out[k];
      const vec *v = b.half + 2 * t.half_of[out];
      value += b.y[2 * out] * v[0] + b.y[2 * out + 1] * v[1];
    }
    for (int l = 0; l < size; ++l) job.features[atom[l] * t.n_features + f] = component.top_weight * value[l];
    from = all_outs;
    if (!slopes) continue;
    for (int i = 0; i < component.n_levels; ++i)
      if (component.levels[i] > 0) make_gradient(t, component.levels[i], b);
    for (int l = 0; l < size; ++l) pull_component(t, component, f, l, b);
  }
  if (job.sums) {
#ifdef _OPENMP
    double *sums = job.sums[omp_get_thread_num()];
#else
    double *sums = job.sums[0];
#endif
    for (int l = 0; l < size; ++l) add_rows(job, atom[l], l, sums, b);
  }
  if (!job.jacobian) return;
  for (int n = 0; n < n_blocks; ++n)
    write_jacobian(job, b.block[n], b.kept_pull + (size_t)n * 3 * b.n_slope, b.n_slope);
}
