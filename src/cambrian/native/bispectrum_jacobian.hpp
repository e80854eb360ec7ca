// Every component by itself: features, and their derivatives for fitting rows. Part of bispectrum_kernel.cpp.
//
// v of all neighbors of the batch is kept; for every component its own Y, its own gradient, the same four forms.
#pragma once

void keep_levels(const Tables &t, const Block &k, vec *v) {
  const vec ar = k.cosine, ai = -k.sine * k.n[2], br = k.sine * k.n[1], bi = -k.sine * k.n[0];
  if (t.two_j_max > 0) v[0] = all(1), v[1] = vec{};
  for (int j = 1; j < t.two_j_max; ++j)
    next_level<false>(j, v + 2 * t.level_half[j - 1], v + 2 * t.level_half[j], ar, ai, br, bi);
}

void pull_component(const Tables &t, const Component &component, int feature, int lane, Buffers &b) {
  const double *rows = b.gradient_rows + (size_t)lane * b.n_gradient;
  for (int n = b.block_first[lane]; n < b.block_first[lane + 1]; ++n) {
    const Block &k = b.block[n];
    const vec *v = b.kept_v + (size_t)n * 2 * t.level_half[t.two_j_max];
    const vec q[4] = {k.cosine, k.sine * k.n[0], k.sine * k.n[1], k.sine * k.n[2]};
    Slope slope = {};
    for (int i = 0; i < component.n_levels; ++i) {
      const int j = component.levels[i];
      if (j == 0)
        slope.value += b.y[0][lane];
      else
        add_forms(t, j, v + 2 * t.level_half[j - 1], rows, q, slope);
    }
    vec pull[3];
    pull_of(k, slope, pull);
    for (int c = 0; c < 3; ++c) b.kept_pull[((size_t)n * 3 + c) * b.n_slope + feature] = pull[c];
  }
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

void components(const Job &job, const int64_t *atom, int size, Buffers &b) {
  const Tables &t = *job.tables;
  const int n_blocks = b.block_first[W];
  if (job.jacobian)
    for (int n = 0; n < n_blocks; ++n)
      keep_levels(t, b.block[n], b.kept_v + (size_t)n * 2 * t.level_half[t.two_j_max]);
  int from = 0;
  for (int f = 0; f < t.n_features; ++f) {
    const Component &component = t.components[f];
    const int all_outs = component.out_end[component.n_levels - 1];
    contract_component(t, from, job.jacobian ? all_outs : component.out_end[0], b);
    vec value = {};
    for (int k = from; k < component.out_end[0]; ++k) {
      const int out = t.component_out[k];
      const vec *v = b.half + 2 * t.half_of[out];
      value += b.y[2 * out] * v[0] + b.y[2 * out + 1] * v[1];
    }
    for (int l = 0; l < size; ++l) job.features[atom[l] * t.n_features + f] = component.top_weight * value[l];
    from = all_outs;
    if (!job.jacobian) continue;
    for (int i = 0; i < component.n_levels; ++i)
      if (component.levels[i] > 0) make_gradient(t, component.levels[i], b);
    for (int l = 0; l < size; ++l) pull_component(t, component, f, l, b);
  }
  if (!job.jacobian) return;
  for (int n = 0; n < n_blocks; ++n)
    write_jacobian(job, b.block[n], b.kept_pull + (size_t)n * 3 * b.n_slope, b.n_slope);
}
