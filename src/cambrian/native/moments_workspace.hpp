// A thread's memory: the neighbors of one batch of atoms, and every intermediate array. Part of moments_kernel.cpp.
#pragma once
#include "lanes.hpp"
#include "moments_job.hpp"

#include <cstdlib>

using namespace cambrian;

namespace {

constexpr int kBatch = kAtomsAtOnce;

struct wide {  // one number of every atom of a batch: a line of the cache
  vec v[kBatch / W];
};
inline wide &operator+=(wide &a, const wide &b) {
  for (int i = 0; i < kBatch / W; ++i) a.v[i] += b.v[i];
  return a;
}
inline wide operator*(const wide &a, const wide &b) {
  wide c;
  for (int i = 0; i < kBatch / W; ++i) c.v[i] = a.v[i] * b.v[i];
  return c;
}
inline wide operator*(double x, const wide &a) {
  wide c;
  for (int i = 0; i < kBatch / W; ++i) c.v[i] = x * a.v[i];
  return c;
}
inline wide spread(double x) {
  wide c;
  for (vec &v : c.v) v = all(x);
  return c;
}

struct Block {  // W neighbors of one kind of one atom
  vec n[3], inverse;  // direction, 1/r
  int64_t edge[W];    // -1: an idle lane, whose radial functions are zero
  int kind;
  vec *radial, *slope;    // of every radial function, and by r
  vec *angular, *polar;   // columns of the family; harmonics: q_lm
};

struct Workspace {
  char *memory = nullptr;
  size_t size = 0;
  ~Workspace() { std::free(memory); }
};

// Kept between calls: page faults of a fresh arena cost more than a small structure.
thread_local Workspace workspace;

struct Arena {
  char *next = nullptr;
  size_t used = 0;
  template <class T>
  T *take(size_t n) {
    T *p = next ? reinterpret_cast<T *>(next + used) : nullptr;
    used += (n * sizeof(T) + 63) / 64 * 64;
    return p;
  }
};

struct Buffers {
  Block *block;
  int first_block[kBatch + 1];
  double *staged;        // x, y, z of the neighbors, kind by kind
  int64_t *staged_edge;
  int *staged_species;
  vec *kept;             // arrays of the blocks
  vec *sum;              // moments of one atom, neighbors in the lanes
  double *rows;          // moments, later their slopes, one atom a row
  wide *node, *slope;    // atoms in the lanes
  vec *columns;          // three arrays of angular columns
  double *table;         // radial functions and slopes of a block, one neighbor a row
  vec *push;             // the Jacobian's: moments by x, y and z of a block
  wide *leaf;            // dB/dA of all features, one moment after the other
  double *leaf_rows;     // one atom a row
  vec *found;            // dB/dr of a block, and features
  int n_rows, n_leaf, n_found, size_of_block;
};

int round_up(int n) { return (n + W - 1) / W * W; }

int n_leaves(const MomentPlan &p) {
  int n = 0;
  for (int f = 0; f < p.n_features; ++f) n += p.features[f].n_moments;
  return n;
}

Buffers layout(const MomentJob &job, Arena &arena, int max_blocks, int max_neighbors) {
  const MomentPlan &p = *job.plan;
  Buffers b;
  b.n_rows = round_up(p.n_moments);
  b.n_leaf = job.jacobian ? round_up(n_leaves(p)) : 0;
  b.n_found = job.jacobian ? round_up(p.n_features) : 0;
  const int polar = p.family == CAMBRIAN_HARMONICS ? (p.degree + 1) * (p.degree + 2) / 2 : 0;
  b.size_of_block = 2 * p.stride + p.n_columns + polar;
  b.block = arena.take<Block>(max_blocks);
  const size_t n_staged = (size_t)max_neighbors + W * p.n_kinds;
  b.staged = arena.take<double>(3 * n_staged);
  b.staged_edge = arena.take<int64_t>(n_staged);
  b.staged_species = arena.take<int>(n_staged);
  b.kept = arena.take<vec>((size_t)max_blocks * b.size_of_block);
  b.sum = arena.take<vec>(b.n_rows);
  b.rows = arena.take<double>((size_t)kBatch * b.n_rows);
  b.node = arena.take<wide>(p.n_nodes + W);
  b.slope = arena.take<wide>(p.n_nodes + p.n_finals + W);
  b.columns = arena.take<vec>(3 * p.n_columns);
  b.table = arena.take<double>(2 * (size_t)W * p.stride);
  b.push = arena.take<vec>(job.jacobian ? 3 * (size_t)p.n_moments : 0);
  b.leaf = arena.take<wide>(b.n_leaf);
  b.leaf_rows = arena.take<double>((size_t)kBatch * b.n_leaf);
  b.found = arena.take<vec>(3 * (size_t)b.n_found);
  return b;
}

}  // namespace
