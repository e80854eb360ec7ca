// Symmetry functions in vectors: neighbors in the lanes. Compiled once per instruction set.
//
// For each atom and each cutoff the neighbors inside are laid out species by species; the functions are summed (forward
// sweep), then the slopes dE/dG go back to dE/dr_ij (reverse sweep) over what the forward sweep left: every exponential
// is computed once a step, and no derivative of a single function ever exists.
#include "symmetry_compact.hpp"
#include "symmetry_evaluate.hpp"
#include "symmetry_triplets.hpp"
#include "symmetry_wide.hpp"

#define CAMBRIAN_JOIN2(a, b) a##b
#define CAMBRIAN_JOIN(a, b) CAMBRIAN_JOIN2(a, b)

namespace {

void lay_out(int n, Space &space) {
  Star &s = space.star;
  s.n = n;
  const int room = n + W, blocks = room / W;
  double *d = space.doubles.hold(size_t(4 + kRecord) * room);
  s.x = d, s.y = d + room, s.z = d + 2 * room, s.weight = d + 3 * room, s.record = d + 4 * room;
  vec *v = space.vecs.hold(size_t(11) * blocks);
  for (vec **to : {&s.r, &s.inverse, &s.f, &s.fp, &s.pull_x, &s.pull_y, &s.pull_z, &s.along}) *to = v, v += blocks;
  s.direction = v;
  s.scatter = space.quads.hold(room);
  s.edge = space.edges.hold(room);
}

void measure(const Fade &fading, Star &s) {
  for (int b = 0; b < s.n / W + 1; ++b) {
    const int at = W * b;
    const vec x = load(s.x + at), y = load(s.y + at), z = load(s.z + at), weight = load(s.weight + at);
    const vec r = root(x * x + y * y + z * z + 1e-40), inverse = 1 / r;
    vec *n = s.direction + 3 * b, f, slope;
    n[0] = x * inverse, n[1] = y * inverse, n[2] = z * inverse;
    fade(fading, r, f, slope);
    s.r[b] = r, s.inverse[b] = inverse, s.f[b] = weight * f, s.fp[b] = weight * slope * inverse;
    vec v[kRecord] = {n[0], n[1], n[2], r, s.f[b], s.fp[b], inverse, vec{}};
    for (int h = 0; h < kRecord; h += W) {
      transpose(v + h);
      for (int l = 0; l < W; ++l) std::memcpy(s.record + kRecord * (at + l) + h, v + h + l, sizeof(vec));
    }
  }
}

// The neighbors inside the shell, species by species; none: false.
bool gather_star(const SymmetryJob &job, const Shell &shell, const Fade &fading, int64_t atom, Space &space) {
  const cambrian_stars &stars = job.stars;
  const int64_t begin = stars.first[atom], n_edges = stars.first[atom + 1] - begin;
  int *inside = space.inside.hold(2 * n_edges), *kind = inside + n_edges, n = 0;
  double *squares = space.squares.hold(n_edges);
  int count[kMostSpecies] = {};
  const double limit = shell.cutoff * shell.cutoff;
  for (int64_t e = 0; e < n_edges; ++e) {
    const double *r = stars.r_ij + 3 * (begin + e);
    squares[e] = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
    if (squares[e] < limit) inside[n++] = int(e);
  }
  if (shell.windows.n) sort_by(squares, inside, n);
  for (int i = 0; i < n; ++i) {
    kind[i] = int(stars.species[stars.neighbor[begin + inside[i]]]);
    ++count[shell.weighted ? 0 : kind[i]];
  }
  Star &s = space.star;
  int next[kMostSpecies], total = 0;
  for (int k = 0; k < shell.n_segments; ++k) {
    s.first[k] = next[k] = total;
    s.end[k] = total + count[k];
    total += padded(count[k]);
  }
  s.first[shell.n_segments] = total;
  lay_out(total, space);
  if (n == 0) return false;
  for (int k = 0; k <= shell.n_segments; ++k)  // padding: far outside, counting nothing
    for (int i = k < shell.n_segments ? s.end[k] : total; i < (k < shell.n_segments ? s.first[k + 1] : total + W); ++i)
      s.x[i] = kFar, s.y[i] = s.z[i] = s.weight[i] = 0, s.edge[i] = -1;
  for (int i = 0; i < n; ++i) {
    const double *r = stars.r_ij + 3 * (begin + inside[i]);
    const int to = next[shell.weighted ? 0 : kind[i]]++;
    s.x[to] = r[0], s.y[to] = r[1], s.z[to] = r[2];
    s.weight[to] = shell.weighted ? job.plan->weight[kind[i]] : 1;
    s.edge[to] = begin + inside[i];
  }
  measure(fading, s);
  return true;
}

void look_at_radial(const Radial &radial, Space &space, size_t &at, double *row) {
  const Star &s = space.star;
  const int from = s.first[radial.segment] / W, to = s.first[radial.segment + 1] / W, n = radial.uses.n;
  vec *e = space.radial.hold(at + size_t(n) * (to - from), at) + at;
  at += size_t(n) * (to - from);
  for (int u = 0; u < n; ++u) {
    const RadialUse &use = radial.uses.at[u];
    vec sum = {};
    for (int b = from; b < to; ++b) {
      const vec away = s.r[b] - use.shift;
      *e = exponential(-use.eta * away * away);
      sum += *e++ * s.f[b];
    }
    if (row) row[use.feature] += total(sum);
  }
}

void pull_radial(const Radial &radial, const Space &space, size_t &at, const double *slope, int first, int last) {
  const Star &s = space.star;
  const int from = s.first[radial.segment] / W, to = s.first[radial.segment + 1] / W;
  const vec *e = space.radial.at + at;
  at += size_t(radial.uses.n) * (to - from);
  for (int u = first; u < last; ++u) {
    const RadialUse &use = radial.uses.at[u];
    const double k = slope[use.feature], twice = 2 * use.eta;
    for (int b = from; b < to; ++b)
      s.along[b] += k * e[u * (to - from) + b - from] * (s.fp[b] - twice * (1 - use.shift * s.inverse[b]) * s.f[b]);
  }
}

void look_at_shell(const Shell &shell, const Fade &fading, Space &space, double *row) {
  size_t radial = 0;
  for (const Radial &r : shell.radials) look_at_radial(r, space, radial, row);
  Cursor at;
  for (const Triplets &g : shell.triplets) {
    const Walk walk{shell, g, fading, space};
    g.narrow ? look_at_triplets<true>(walk, at, row) : look_at_triplets<false>(walk, at, row);
  }
  WideCursor wide;
  for (const Wide &w : shell.wides) look_at_wide(shell, w, space, wide, row);
  if (shell.windows.n) fill_windows(shell, space);
  if (!row) return;
  for (const CompactRadial &r : shell.compact_radials) look_at_compact(shell, r, space, row);
  for (const Compact &g : shell.compacts) g.narrow ? look_at_compact<true>(shell, g, space, row) : look_at_compact<false>(shell, g, space, row);
}

void clear_pulls(Star &s) {
  const size_t blocks = s.n / W + 1;
  std::memset(static_cast<void *>(s.pull_x), 0, 4 * blocks * sizeof(vec));  // x, y, z and along stand in a row
  std::memset(static_cast<void *>(s.scatter), 0, (s.n + W) * sizeof(quad));
}

// Adds to out[edge * 3 * stride + axis * stride].
void emit(const Star &s, double *out, int64_t stride) {
  for (int i = 0; i < s.n; ++i) {
    if (s.edge[i] < 0) continue;
    const int b = i / W, l = i % W;
    const quad t = s.scatter[i];
    const double along = s.along[b][l] + t[3];
    double *to = out + 3 * stride * s.edge[i];
    to[0] += s.pull_x[b][l] + t[0] + along * s.x[i];
    to[stride] += s.pull_y[b][l] + t[1] + along * s.y[i];
    to[2 * stride] += s.pull_z[b][l] + t[2] + along * s.z[i];
  }
}

void pull_shell(const SymmetryJob &job, const Shell &shell, const Fade &fading, Space &space, const double *slope) {
  clear_pulls(space.star);
  size_t radial = 0;
  for (const Radial &r : shell.radials) pull_radial(r, space, radial, slope, 0, r.uses.n);
  Cursor at;
  for (const Triplets &g : shell.triplets) {
    const Walk walk{shell, g, fading, space};
    g.narrow ? pull_triplets<true>(walk, at, slope, 0, g.uses.n)
             : pull_triplets<false>(walk, at, slope, 0, g.uses.n);
  }
  WideCursor wide;
  for (const Wide &w : shell.wides) pull_wide(shell, w, space, wide, slope);
  for (const CompactRadial &r : shell.compact_radials) pull_compact(shell, r, space, slope);
  for (const Compact &g : shell.compacts) pull_compact(shell, g, space, slope, 0, g.uses.n);
  emit(space.star, job.pull, 1);
}

// One function after the other, each with slope one; `one` is zero before and after.
void differentiate_shell(const SymmetryJob &job, const Shell &shell, const Fade &fading, Space &space, double *one) {
  const int64_t stride = job.plan->n_features;
  size_t radial = 0;
  auto single = [&](int feature, auto &&pull) {
    clear_pulls(space.star);
    one[feature] = 1;
    pull();
    one[feature] = 0;
    emit(space.star, job.jacobian + feature, stride);
  };
  for (const Radial &r : shell.radials) {
    size_t next = radial;
    for (int u = 0; u < r.uses.n; ++u)
      single(r.uses.at[u].feature, [&] { pull_radial(r, space, next = radial, one, u, u + 1); });
    radial = next;
  }
  Cursor at;
  for (const Triplets &g : shell.triplets) {
    const Walk walk{shell, g, fading, space};
    Cursor next = at;
    for (int u = 0; u < g.uses.n; ++u)
      single(g.uses.at[u].feature, [&] {
        next = at;
        g.narrow ? pull_triplets<true>(walk, next, one, u, u + 1) : pull_triplets<false>(walk, next, one, u, u + 1);
      });
    at = next;
  }
  WideCursor wide;
  for (const Wide &w : shell.wides) {
    WideCursor next = wide;
    for (const WideUse &use : w.uses) single(use.feature, [&] { pull_wide(shell, w, space, next = wide, one); });
    wide = next;
  }
  for (const CompactRadial &r : shell.compact_radials) single(r.feature, [&] { pull_compact(shell, r, space, one); });
  for (const Compact &g : shell.compacts)
    for (int u = 0; u < g.uses.n; ++u) single(g.uses.at[u].feature, [&] { pull_compact(shell, g, space, one, u, u + 1); });
}

void run_atom(const SymmetryJob &job, int64_t atom, Spaces &spaces) {
  const Plan &plan = *job.plan;
  const Center &center = plan.centers[job.stars.species[atom]];
  const int64_t K = plan.n_features, begin = job.stars.first[atom], n_edges = job.stars.first[atom + 1] - begin;
  Space &space = spaces[0];
  double *row = job.features ? job.features + atom * K : job.energies ? space.row.hold(K) : nullptr;
  double *one = job.jacobian ? space.one.hold(K) : nullptr;
  if (row) std::memset(row, 0, K * sizeof(double));
  if (one) std::memset(one, 0, K * sizeof(double));
  if (job.pull) std::memset(job.pull + 3 * begin, 0, 3 * n_edges * sizeof(double));
  if (job.jacobian) std::memset(job.jacobian + 3 * K * begin, 0, 3 * K * n_edges * sizeof(double));
  for (int i = 0; i < center.shells.n; ++i) {
    const Shell &shell = center.shells.at[i];
    const Fade fading = fade_of(plan.envelope, shell.cutoff);
    if (gather_star(job, shell, fading, atom, spaces[i])) look_at_shell(shell, fading, spaces[i], row);
  }
  const double *slope = job.slope ? job.slope + atom * K : nullptr;
  if (job.networks) {
    double *found = space.slope.hold(K);
    job.energies[atom] = evaluate(*job.networks, int(job.stars.species[atom]), int(K), row, found, space);
    slope = found;
  } else if (job.energies) {
    double energy = 0;
    for (int64_t k = 0; k < K; ++k) energy += slope[k] * row[k];
    job.energies[atom] = energy;
  }
  for (int i = 0; i < center.shells.n; ++i) {
    const Shell &shell = center.shells.at[i];
    const Fade fading = fade_of(plan.envelope, shell.cutoff);
    if (spaces[i].star.n == 0) continue;
    if (job.pull) pull_shell(job, shell, fading, spaces[i], slope);
    if (job.jacobian) differentiate_shell(job, shell, fading, spaces[i], one);
  }
}

}  // namespace

namespace cambrian {

int CAMBRIAN_JOIN(run_symmetry_, CAMBRIAN_ISA)(const SymmetryJob &job) {
  int failed = 0;
#pragma omp parallel for num_threads(job.threads) if (job.stars.n_atoms > 1) schedule(dynamic, 8) reduction(| : failed)
  for (int64_t atom = 0; atom < job.stars.n_atoms; ++atom) try {
      if (!failed) run_atom(job, atom, workspace);
    } catch (const std::bad_alloc &) {
      failed = 1;
    }
  return failed;
}

}  // namespace cambrian
