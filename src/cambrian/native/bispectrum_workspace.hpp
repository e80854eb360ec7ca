// A thread's memory: the neighbors of one batch of atoms, and every intermediate array. Part of bispectrum_kernel.cpp.
#pragma once
#include "bispectrum_job.hpp"
#include "sphere.hpp"

#include <cstdlib>

namespace {

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
  int block_first[W + 1];
  Staged *staged;        // the longest neighbor list
  vec *level[2];         // the recursion's two levels
  vec *sum;              // V of one atom, neighbors in the lanes
  double *moments;       // W x n_moments, one atom a row
  vec *half, *full;      // V of the batch, atoms in the lanes
  vec *y, *gradient;
  double *gradient_rows;  // W x n_gradient, one atom a row
  vec *slope;
  double *parts;   // dB/dU of all components, W x n_row, one atom a row
  vec *slopes;     // dU/dr of one block
  vec *kept_pull;  // dB/dr of every block of one atom
  int n_moments, n_gradient, n_slope;
};

int round_up(int n) { return (n + W - 1) / W * W; }

Buffers layout(const Job &job, Arena &arena, int max_blocks, int max_neighbors) {
  const Tables &t = *job.tables;
  const int J = t.two_j_max;
  Buffers b;
  b.n_moments = round_up(2 * t.n_half);
  b.n_gradient = 8 * t.level_independent[J];
  b.n_slope = round_up(t.n_features);
  b.block = arena.take<Block>(max_blocks);
  b.staged = arena.take<Staged>(max_neighbors + W);
  for (vec *&level : b.level) level = arena.take<vec>(2 * (J / 2 + 1) * (J + 1));
  b.sum = arena.take<vec>(b.n_moments);
  b.moments = arena.take<double>((size_t)W * b.n_moments);
  b.half = arena.take<vec>(b.n_moments);
  b.full = arena.take<vec>(2 * t.n_full);
  b.y = arena.take<vec>(2 * t.n_independent);
  b.gradient = arena.take<vec>(b.n_gradient);
  b.gradient_rows = arena.take<double>((size_t)W * b.n_gradient);
  b.slope = arena.take<vec>(b.n_slope);
  const bool slopes = job.jacobian || job.sums;
  b.parts = arena.take<double>(job.features ? (size_t)W * t.n_row : 0);
  b.slopes = arena.take<vec>(slopes ? 6 * t.n_independent : 0);
  b.kept_pull = arena.take<vec>(slopes ? (size_t)((max_neighbors + W - 1) / W) * 3 * b.n_slope : 0);
  return b;
}

}  // namespace
