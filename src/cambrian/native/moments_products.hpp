// Products of nodes and the slopes of their weighted sums, atoms in the lanes. Part of moments_kernel.cpp.
#pragma once

// Inner nodes from the moments.
void multiply(const MomentPlan &p, wide *node) {
  for (int i = p.n_moments; i < p.n_nodes; ++i) {
    const Node &own = p.inner[i - p.n_moments];
    wide sum = {};
    for (int k = own.first; k < own.last; ++k) sum += p.terms[k].c * node[p.terms[k].left] * node[p.terms[k].right];
    node[i] = sum;
  }
}

wide value_of(const Program &program, const wide *node) {
  wide value = {};
  for (int k = 0; k < program.n_seeds; ++k) value += program.seeds[k].weight * node[program.seeds[k].node];
  const Partner *partner = program.partners;
  for (int n = 0; n < program.n_groups; ++n) {
    wide sum = {};
    for (const Partner *last = program.partners + program.groups[n].last; partner < last; ++partner)
      sum += partner->c * node[partner->node];
    value += node[program.groups[n].left] * sum;
  }
  return value;
}

inline void pass_down(const MomentPlan &p, const Node &own, wide slope, const wide *node, wide *into) {
  for (int k = own.first; k < own.last; ++k) {
    const Term &t = p.terms[k];
    const wide scaled = t.c * slope;
    into[t.left] += scaled * node[t.right];
    into[t.right] += scaled * node[t.left];
  }
}

// The value, and its slopes in all nodes it depends on; the others are left alone.
wide sweep(const MomentPlan &p, const Program &program, const wide *node, wide *slope) {
  for (int k = 0; k < program.n_touched; ++k) slope[program.touched[k]] = wide{};
  wide value = {};
  for (int k = 0; k < program.n_seeds; ++k) {
    const Seed &s = program.seeds[k];
    value += s.weight * node[s.node];
    slope[s.node] = spread(s.weight);
  }
  const Partner *partner = program.partners;
  for (int n = 0; n < program.n_groups; ++n) {
    const int left = program.groups[n].left;
    const wide own = node[left];
    wide sum = {};
    for (const Partner *last = program.partners + program.groups[n].last; partner < last; ++partner) {
      sum += partner->c * node[partner->node];
      slope[partner->node] += partner->c * own;
    }
    value += own * sum;
    slope[left] += sum;
  }
  for (int k = 0; k < program.n_inner; ++k) {
    const int i = program.inner[k];
    pass_down(p, p.inner[i - p.n_moments], slope[i], node, slope);
  }
  return value;
}

// Slopes in all nodes from the slopes in the features.
void sweep_slopes(const MomentJob &job, const int64_t *atom, int size, Buffers &b) {
  const MomentPlan &p = *job.plan;
  std::memset(b.slope, 0, (p.n_nodes + p.n_finals) * sizeof(wide));
  for (int f = 0; f < p.n_features; ++f) {
    wide slope = {};
    for (int l = 0; l < size; ++l) slope.v[l / W][l % W] = job.slope[atom[l] * p.n_features + f];
    for (int64_t e = p.feature_first[f]; e < p.feature_first[f + 1]; ++e)
      b.slope[p.entries[e].node] += p.entries[e].weight * slope;
  }
  for (int i = p.n_finals - 1; i >= 0; --i) pass_down(p, p.finals[i], b.slope[p.n_nodes + i], b.node, b.slope);
  for (int i = p.n_nodes - 1; i >= p.n_moments; --i) pass_down(p, p.inner[i - p.n_moments], b.slope[i], b.node, b.slope);
}

void write_features(const MomentJob &job, const int64_t *atom, int size, const Buffers &b) {
  const MomentPlan &p = *job.plan;
  for (int f = 0; f < p.n_features; ++f) {
    const wide value = value_of(p.features[f], b.node);
    for (int l = 0; l < size; ++l) job.features[atom[l] * p.n_features + f] = value.v[l / W][l % W];
  }
}
