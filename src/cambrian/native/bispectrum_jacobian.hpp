// Every component by itself: features, and their derivatives for fitting rows. Part of bispectrum_kernel.cpp.
//
//     dB_k/dr = sum over the levels j of k, over the elements of U_j, of (dB_k/dU) (dU/dr):
//
// a product of matrices per level, its first factor from sums of products of U (atoms in the lanes), its second from the
// level below (neighbors in the lanes): with v = v(q), j v = q . dv/dq, dq/dr = dq/d|r| n + sin/r (1 - n n),
//     d(f v)/dr = n g . dv/dq + f sin/r dv/dq_xyz,    g = f' q/j + f ((-angle' sin, angle' cos n) - (0, sin/r n)).
#pragma once
#ifdef _OPENMP
#include <omp.h>
#endif

// (re, im) of W atoms, to the same place of W rows.
inline void scatter(vec re, vec im, double *row, int n_row) {
  typedef double two __attribute__((vector_size(16), may_alias, aligned(16)));
  const vec even = low<1>(re, im, Lanes{}), odd = high<1>(re, im, Lanes{});
  for (int l = 0; l < W; l += 2) {
    *reinterpret_cast<two *>(row + (size_t)l * n_row) = two{even[l], even[l + 1]};
    *reinterpret_cast<two *>(row + (size_t)(l + 1) * n_row) = two{odd[l], odd[l + 1]};
  }
}

template <int C>
inline void add_products(const Bundle &bundle, const Product *product, const double *coupling, const int *out,
                         const Tables &t, Buffers &b) {
  vec re[C] = {}, im[C] = {};
  for (int n = 0; n < bundle.n_products; ++n, coupling += bundle.n_outs) {
    const vec *x = b.full + 2 * product[n].first, *y = b.full + 2 * product[n].second;
    const vec pr = x[0] * y[0] - x[1] * y[1], pi = x[0] * y[1] + x[1] * y[0];
    for (int c = 0; c < C; ++c) re[c] += coupling[c] * pr, im[c] += coupling[c] * pi;
  }
  for (int c = 0; c < C; ++c) scatter(re[c], im[c], b.parts + out[c], t.n_row);
}

template <int... C>
inline void add_products(int n_outs, const Bundle &bundle, const Product *product, const double *coupling,
                         const int *out, const Tables &t, Buffers &b, std::integer_sequence<int, C...>) {
  ((C + 1 == n_outs ? add_products<C + 1>(bundle, product, coupling, out, t, b) : void()), ...);
}

// dB/dU of all components and levels, or of those that B itself needs; one atom a row.
void contract_parts(const Tables &t, bool tops_only, Buffers &b) {
  const Product *product = t.products;
  const double *coupling = t.bundle_coupling;
  const int *out = t.bundle_out;
  for (int n = 0; n < t.n_bundles; ++n) {
    const Bundle &bundle = t.bundles[n];
    add_products(tops_only ? bundle.n_tops : bundle.n_outs, bundle, product, coupling, out, t, b,
                 std::make_integer_sequence<int, kMaxRun>{});
    product += bundle.n_products;
    coupling += bundle.n_products * bundle.n_outs;
    out += bundle.n_outs;
  }
}

// The independent elements of a level are the first of its half.
void write_features(const Tables &t, int lane, const Buffers &b, double *features) {
  for (int f = 0; f < t.n_features; ++f) {
    const Part &part = t.parts[t.components[f].top];
    const double *y = b.parts + (size_t)lane * t.n_row + part.start;
    const double *v = b.moments + (size_t)lane * b.n_moments + 2 * t.level_half[part.level];
    const int length = 2 * (t.level_independent[part.level + 1] - t.level_independent[part.level]);
    double value = 0;
    for (int k = 0; k < length; ++k) value += y[k] * v[k];
    features[f] = t.components[f].top_weight * value;
  }
}

struct Complex {
  vec re, im;
};

struct LevelBelow {  // n v_{j-1}[mb', ma], zero outside
  const vec *row;
  double n;
  bool mirrored;  // stored as (-1)^(mb' + ma) conj(v[j - 1 - mb', j - 1 - ma])
  int j, mb;

  Complex at(int ma) const {
    if (ma < 0 || ma >= j || n == 0) return {vec{}, vec{}};
    if (!mirrored) return {n * row[2 * ma], n * row[2 * ma + 1]};
    const double s = (mb + ma) % 2 ? -n : n;
    return {s * row[2 * (j - 1 - ma)], -s * row[2 * (j - 1 - ma) + 1]};
  }
};

// d(w f v_j)/dr of one block of neighbors: (x, y, z) of the real, then of the imaginary part of every independent element.
vec *level_slopes(const Block &k, int j, const vec *below, vec *slopes) {
  const vec across = k.f * k.sine_over_r, along = k.f * (k.dangle * k.cosine - k.sine_over_r) + k.df * k.sine * (1. / j);
  const vec g[4] = {k.df * k.cosine * (1. / j) - k.f * k.dangle * k.sine, along * k.n[0], along * k.n[1], along * k.n[2]};
  for (int mb = 0; 2 * mb <= j; ++mb) {
    const bool middle = 2 * mb == j;
    const LevelBelow low{below + 2 * j * (middle ? mb - 1 : mb), double(j - mb), middle, j, mb};
    const LevelBelow high{below + 2 * j * (mb - 1), double(mb), false, j, mb - 1};
    Complex b_star{vec{}, vec{}}, a{vec{}, vec{}};  // - dv/db* and dv/da of this ma
    for (int ma = 0; ma <= (middle ? mb : j); ++ma) {
      const Complex a_star = low.at(ma), b = high.at(ma);
      const vec re[4] = {a_star.re + a.re, b_star.im + b.im, b.re - b_star.re, a.im - a_star.im};
      const vec im[4] = {a_star.im + a.im, -b_star.re - b.re, b.im - b_star.im, a_star.re - a.re};
      const vec common_re = g[0] * re[0] + g[1] * re[1] + g[2] * re[2] + g[3] * re[3];
      const vec common_im = g[0] * im[0] + g[1] * im[1] + g[2] * im[2] + g[3] * im[3];
      for (int c = 0; c < 3; ++c) {
        slopes[c] = k.n[c] * common_re + across * re[1 + c];
        slopes[3 + c] = k.n[c] * common_im + across * im[1 + c];
      }
      slopes += 6;
      b_star = a_star, a = b;
    }
  }
  return slopes;
}

void make_slopes(const Tables &t, const Block &k, Buffers &b) {
  vec *slopes = b.slopes;
  for (int c = 0; c < 3; ++c) slopes[c] = k.df * k.n[c], slopes[3 + c] = vec{};
  slopes += 6;
  b.level[0][0] = all(1), b.level[0][1] = vec{};
  for (int j = 1; j <= t.two_j_max; ++j) {
    slopes = level_slopes(k, j, b.level[~j & 1], slopes);
    if (j < t.two_j_max) next_level<false>(j, k, b.level[~j & 1], b.level[j & 1]);
  }
}

// Some parts of one level at once: each slope is loaded once for all of them.
template <int P>
inline void multiply_parts(const Part *part, const double *row, int length, const vec *slopes, vec *pull, int n_slope) {
  vec sum[P][3];
  for (int p = 0; p < P; ++p)
    for (int c = 0; c < 3; ++c) sum[p][c] = pull[(size_t)c * n_slope + part[p].feature];
  for (int i = 0; i < length; ++i, slopes += 3)
    for (int p = 0; p < P; ++p) {
      const double y = row[part[p].start + i];
      for (int c = 0; c < 3; ++c) sum[p][c] += y * slopes[c];
    }
  for (int p = 0; p < P; ++p)
    for (int c = 0; c < 3; ++c) pull[(size_t)c * n_slope + part[p].feature] = sum[p][c];
}

void pull_block(const Tables &t, int lane, const Block &block, vec *pull, Buffers &b) {
  const double *row = b.parts + (size_t)lane * t.n_row;
  make_slopes(t, block, b);
  std::memset(pull, 0, 3 * b.n_slope * sizeof(vec));
  for (int j = 0; j <= t.two_j_max; ++j) {
    const vec *slopes = b.slopes + 6 * t.level_independent[j];
    const int length = 2 * (t.level_independent[j + 1] - t.level_independent[j]), end = t.level_part[j + 1];
    int p = t.level_part[j];
    for (; p + 3 < end; p += 4) multiply_parts<4>(t.parts + p, row, length, slopes, pull, b.n_slope);
    if (p + 1 < end) multiply_parts<2>(t.parts + p, row, length, slopes, pull, b.n_slope), p += 2;
    if (p < end) multiply_parts<1>(t.parts + p, row, length, slopes, pull, b.n_slope);
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

// The same summed up: onto the center, off the neighbors, and times r_ij.
void add_rows(const Job &job, int64_t atom, int lane, Buffers &b) {
#ifdef _OPENMP
  double *const sums = job.sums[omp_get_thread_num()];
#else
  double *const sums = job.sums[0];
#endif

  double *const own = sums + job.block[atom] * padded(job.tables->n_features);
  double *const strain = own + job.n_forces + 6 * job.structure[atom] * job.row;
  constexpr int first[6] = {0, 1, 2, 1, 0, 0}, second[6] = {0, 1, 2, 2, 2, 1};
  for (int i = 0; i < b.n_slope; i += W) {
    auto at = [i](double *row) -> loose & { return *reinterpret_cast<loose *>(row + i); };
    vec center[3] = {}, outer[6] = {};
    const vec *kept = b.kept_pull + i;
    for (int n = b.block_first[lane]; n < b.block_first[lane + 1]; ++n) {
      const Block &k = b.block[n];
      vec v[3][W];
      for (int c = 0; c < 3; ++c, kept += b.n_slope) {
        load(v[c], kept);
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
  const bool slopes = job.jacobian || job.sums;
  contract_parts(t, !slopes, b);
  for (int l = 0; l < size; ++l) {
    write_features(t, l, b, job.features + atom[l] * t.n_features);
    if (!slopes) continue;
    vec *pull = b.kept_pull;
    for (int n = b.block_first[l]; n < b.block_first[l + 1]; ++n, pull += 3 * b.n_slope) {
      pull_block(t, l, b.block[n], pull, b);
      if (job.jacobian) write_jacobian(job, b.block[n], pull, b.n_slope);
    }
    if (job.sums) add_rows(job, atom[l], l, b);
  }
}
