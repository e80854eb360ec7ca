// Derivatives of every feature for fitting rows: dB/dA of an atom, which is sparse, times dA/dr of its neighbors. Part of
// moments_kernel.cpp.
#pragma once

// d(R_q Y_k)/dr of all moments of the block's kind: push[3 v + c].
void push_moments(const MomentPlan &p, const Block &k, vec *grad, vec *push) {
  gradients(p, k, grad);
  for (int i = 0; i < p.n_columns; ++i) {  // on the sphere, over r
    vec *g = grad + 3 * i;
    const vec along = g[0] * k.n[0] + g[1] * k.n[1] + g[2] * k.n[2];
    for (int c = 0; c < 3; ++c) g[c] = k.inverse * (g[c] - along * k.n[c]);
  }
  const Kind &kind = p.kinds[k.kind];
  for (int n = 0; n < kind.n_panels; ++n) {
    const Panel &panel = kind.panels[n];
    for (int j = 0; j < panel.n_rows; ++j) {
      const vec x = k.radial[panel.rows[j].radial], dx = k.slope[panel.rows[j].radial];
      for (int i = 0; i < panel.n_columns; ++i) {
        const vec *g = grad + 3 * (panel.column + i), along = dx * k.angular[panel.column + i];
        vec *into = push + 3 * (size_t)(panel.rows[j].moment + i);
        for (int c = 0; c < 3; ++c) into[c] = along * k.n[c] + x * g[c];
      }
    }
  }
}

// Neighbors in the lanes -> one edge a row.
void write_jacobian(const MomentJob &job, const Block &k, Buffers &b) {
  const int K = job.plan->n_features;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < K; i += W) {
      vec *v = b.found + (size_t)c * b.n_found + i;
      transpose(v);
      const int width = K - i < W ? K - i : W;
      for (int l = 0; l < W && k.edge[l] >= 0; ++l)
        std::memcpy(job.jacobian + (3 * k.edge[l] + c) * K + i, v + l, width * sizeof(double));
    }
}

void differentiate_block(const MomentJob &job, const Block &k, const double *leaf, Buffers &b) {
  const MomentPlan &p = *job.plan;
  push_moments(p, k, b.columns, b.push);
  for (int f = 0; f < p.n_features; ++f) {
    const Program &program = p.features[f];
    vec x = {}, y = {}, z = {};
    for (int i = 0; i < program.n_moments; ++i) {
      const int v = program.touched[i];
      if (p.species[v] >= 0 && p.species[v] != k.kind) continue;
      const vec *push = b.push + 3 * (size_t)v;
      x += leaf[i] * push[0];
      y += leaf[i] * push[1];
      z += leaf[i] * push[2];
    }
    leaf += program.n_moments;
    b.found[f] = x, b.found[b.n_found + f] = y, b.found[2 * (size_t)b.n_found + f] = z;
  }
  write_jacobian(job, k, b);
}

void differentiate(const MomentJob &job, int size, Buffers &b) {
  const MomentPlan &p = *job.plan;
  wide *leaf = b.leaf;
  for (int f = 0; f < p.n_features; ++f) {
    sweep(p, p.features[f], b.node, b.slope);
    for (int i = 0; i < p.features[f].n_moments; ++i) *leaf++ = b.slope[p.features[f].touched[i]];
  }
  lanes_to_rows(b.leaf, b.n_leaf, b.leaf_rows);
  for (int l = 0; l < size; ++l)
    for (int k = b.first_block[l]; k < b.first_block[l + 1]; ++k)
      differentiate_block(job, b.block[k], b.leaf_rows + (size_t)l * b.n_leaf, b);
}
