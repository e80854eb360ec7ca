// All pairs of small structures: every atom against every image that its slab of the cell lets near.
//
// Positions are wrapped, p~ = p - w cell, so that a center with fraction f along a periodic direction of height h needs
// the images -floor(c + 1 - f) .. floor(c + f), c = cutoff / h. Distances to all atoms of one image are one plain loop.
#include "neighbors.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <vector>

namespace {

constexpr double kSlack = 1e-9;  // of a cell, and of the squared cutoff: what rounding may move

struct Image {
  int64_t n[3];
  double shift[3];
};

struct Edges {
  double cutoff, closest;
  int64_t capacity, count;
  int64_t *center, *neighbor, *shift;
  double *r_ij;
};

struct Search {
  const double *position, *cell, *inverse;
  const uint8_t *pbc;
  int64_t n_atoms, first_atom;
  double radius;
  std::vector<double> wrapped, fraction;  // 3 x n_atoms, n_atoms x 3
  std::vector<int64_t> wraps;             // n_atoms x 3
  std::vector<Image> images;
  std::vector<double> squared;  // images x n_atoms

  void wrap() {
    wrapped.resize(3 * n_atoms), fraction.assign(3 * n_atoms, 0), wraps.assign(3 * n_atoms, 0);
    for (int64_t i = 0; i < n_atoms; ++i) {
      const double *p = position + 3 * i;
      double moved[3] = {p[0], p[1], p[2]};
      for (int k = 0; k < 3; ++k) {
        if (!pbc[k]) continue;
        const double f = p[0] * inverse[k] + p[1] * inverse[3 + k] + p[2] * inverse[6 + k], whole = std::floor(f);
        fraction[3 * i + k] = f - whole;
        wraps[3 * i + k] = int64_t(whole);
        for (int c = 0; c < 3; ++c) moved[c] -= whole * cell[3 * k + c];
      }
      for (int c = 0; c < 3; ++c) wrapped[c * n_atoms + i] = moved[c];
    }
  }

  void find_images(int64_t i) {
    int64_t low[3] = {}, high[3] = {};
    for (int k = 0; k < 3; ++k) {
      if (!pbc[k]) continue;
      const double *v = inverse + k;
      const double reach = radius * std::sqrt(v[0] * v[0] + v[3] * v[3] + v[6] * v[6]) + kSlack, f = fraction[3 * i + k];
      low[k] = -int64_t(std::floor(reach + 1 - f)), high[k] = int64_t(std::floor(reach + f));
    }
    images.clear();
    for (int64_t x = low[0]; x <= high[0]; ++x)
      for (int64_t y = low[1]; y <= high[1]; ++y)
        for (int64_t z = low[2]; z <= high[2]; ++z) {
          Image image{{x, y, z}, {}};
          for (int c = 0; c < 3; ++c) image.shift[c] = x * cell[c] + y * cell[3 + c] + z * cell[6 + c];
          images.push_back(image);
        }
  }

  void measure(int64_t i) {
    squared.resize(images.size() * n_atoms);
    const double *x = wrapped.data(), *y = x + n_atoms, *z = y + n_atoms;
    double *out = squared.data();
    for (const Image &image : images) {
      const double ox = x[i] - image.shift[0], oy = y[i] - image.shift[1], oz = z[i] - image.shift[2];
      for (int64_t j = 0; j < n_atoms; ++j) {
        const double dx = x[j] - ox, dy = y[j] - oy, dz = z[j] - oz;
        out[j] = dx * dx + dy * dy + dz * dz;
      }
      out += n_atoms;
    }
  }

  // False where two atoms are at one place.
  bool write(int64_t i, Edges &edges) const {
    const double limit = radius * radius * (1 + kSlack);
    for (int64_t j = 0; j < n_atoms; ++j)
      for (size_t k = 0; k < images.size(); ++k) {
        if (!(squared[k * n_atoms + j] < limit)) continue;
        int64_t shift[3];
        double r[3];
        for (int c = 0; c < 3; ++c) shift[c] = images[k].n[c] - wraps[3 * j + c] + wraps[3 * i + c];
        if (i == j && !shift[0] && !shift[1] && !shift[2]) continue;
        for (int c = 0; c < 3; ++c)
          r[c] = position[3 * j + c] - position[3 * i + c] +
                 (shift[0] * cell[c] + shift[1] * cell[3 + c] + shift[2] * cell[6 + c]);
        const double exact = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
        if (exact < edges.closest * edges.closest) {
          edges.center[0] = first_atom + i, edges.neighbor[0] = first_atom + j;
          return false;
        }
        if (!(exact < edges.cutoff * edges.cutoff)) continue;
        const int64_t n = edges.count++;
        if (n >= edges.capacity) continue;
        edges.center[n] = first_atom + i, edges.neighbor[n] = first_atom + j;
        for (int c = 0; c < 3; ++c) edges.shift[3 * n + c] = shift[c], edges.r_ij[3 * n + c] = r[c];
      }
    return true;
  }
};

}  // namespace

int64_t cambrian_neighbors(const cambrian_structures *structures, double cutoff, double closest, int64_t capacity,
                           int64_t *center, int64_t *neighbor, int64_t *shift, double *r_ij) try {
  Edges edges{cutoff, closest, capacity, 0, center, neighbor, shift, r_ij};
  Search search{};
  search.radius = std::max(cutoff, closest);
  for (int64_t s = 0; s < structures->n_structures; ++s) {
    search.first_atom = structures->first_atom[s];
    search.n_atoms = structures->first_atom[s + 1] - search.first_atom;
    search.position = structures->positions + 3 * search.first_atom;
    search.cell = structures->cells + 9 * s;
    search.inverse = structures->inverses + 9 * s;
    search.pbc = structures->pbc + 3 * s;
    search.wrap();
    for (int64_t i = 0; i < search.n_atoms; ++i) {
      search.find_images(i);
      search.measure(i);
      if (!search.write(i, edges)) return -2;
    }
  }
  return edges.count;
} catch (const std::bad_alloc &) {
  return -1;
}
