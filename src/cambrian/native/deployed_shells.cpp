// Atomic environment vectors (descriptors/aev.py) as a descriptor: shells of neighbors, and shells of angles,
//
//     radial     sum over j of 1/4 exp(-eta (r_j - r_s)^2) f(r_j)
//     angular    sum over j < k of 2 h^zeta exp(-angular_eta ((r_j + r_k)/2 - r_s)^2) f(r_j) f(r_k)
//                h = (1 + c cos t_s + (1 - c^2)^1/2 sin t_s) / 2,   c = 0.95 cos of the angle
//
// Columns run by element and shell, then by pair of elements, shell and angle; `place` (n_species) says where the columns
// of a species stand among the `n_elements`. `shells`, `angular_shells`, `angles`; `eta`, `angular_eta`, `zeta`, `cutoff`,
// `angular_cutoff`; `envelope`, `inner_fraction`.
#include <cmath>

#include "deployed_envelope.hpp"
#include "deployed_term.hpp"
#include "runtime.hpp"

namespace cambrian::deployed {

namespace {

constexpr double kShrink = 0.95;
constexpr int64_t kMostShells = 64;

struct Shells {
  Shells(const Arrays &arrays, const char *name) {
    const int64_t n = arrays.length(name);
    if (n < 1 || n > kMostShells) arrays.refuse("its shells are too few or too many");
    const double *given = arrays.reals(name, {n});
    at.assign(given, given + n);
  }
  int64_t n() const { return int64_t(at.size()); }
  std::vector<double> at;
};

struct Angle {  // what two neighbors of one atom make
  double cosine, window[kMostShells], by_first[kMostShells], by_second[kMostShells];
  double turned[kMostShells], by_cosine[kMostShells];
};

class AEV : public Descriptor {
 public:
  explicit AEV(const Arrays &arrays)
      : fade_(arrays), shells_(arrays, "shells"), angular_(arrays, "angular_shells"), angles_(arrays, "angles"),
        eta_(arrays.real("eta")), angular_eta_(arrays.real("angular_eta")), zeta_(arrays.real("zeta")),
        cutoff_(arrays.real("cutoff")), angular_cutoff_(arrays.real("angular_cutoff")) {
    if (!(angular_cutoff_ > 0 && cutoff_ >= angular_cutoff_ && zeta_ >= 1 && zeta_ <= 1024)) arrays.refuse("a setting has no meaning");
    n_elements_ = arrays.integer("n_elements", 1, 118);
    const int64_t *place = arrays.integers("place", {arrays.n_species()}, 0, n_elements_ - 1);
    place_.assign(place, place + arrays.n_species());
    for (double angle : angles_.at) cosines_.push_back(std::cos(angle)), sines_.push_back(std::sin(angle));
    n_ = n_elements_ * shells_.n() + n_elements_ * (n_elements_ + 1) / 2 * angular_.n() * angles_.n();
  }

  double cutoff() const override { return cutoff_; }
  int64_t n_features() const override { return n_; }

  int features(const Edges &edges, Scratch &scratch, double *features) const override {
    return over_atoms(edges, scratch, [&](int64_t i, int64_t begin, int64_t end, const double *fades, const double *falls) {
      double *G = features + i * n_;
      for (int64_t k = 0; k < n_; ++k) G[k] = 0;
      for (int64_t e = begin; e < end; ++e) {
        double slope, fade = fade_.at(edges.distance[e], cutoff_, slope), *own = G + radial_columns(edges, e);
        for (int64_t s = 0; s < shells_.n(); ++s) own[s] += gaussian(edges.distance[e] - shells_.at[s]) * fade;
      }
      Angle angle;
      for (int64_t j = begin; j < end; ++j)
        for (int64_t k = j + 1; k < end; ++k) {
          if (!meet(edges, j, k, fades, falls, angle)) continue;
          double *own = G + angular_columns(edges, j, k);
          for (int64_t s = 0; s < angular_.n(); ++s)
            for (int64_t t = 0; t < angles_.n(); ++t) *own++ += angle.window[s] * angle.turned[t];
        }
    });
  }

  int pull(const Edges &edges, Scratch &scratch, double *slopes, double *pull) const override {
    return over_atoms(edges, scratch, [&](int64_t i, int64_t begin, int64_t end, const double *fades, const double *falls) {
      const double *slope = slopes + i * n_;
      for (int64_t e = begin; e < end; ++e) pull_radially(edges, e, slope + radial_columns(edges, e), pull + 3 * e);
      Angle angle;
      for (int64_t j = begin; j < end; ++j)
        for (int64_t k = j + 1; k < end; ++k)
          if (meet(edges, j, k, fades, falls, angle)) pull_both(edges, j, k, angle, slope + angular_columns(edges, j, k), pull);
    });
  }

 private:
  // Calls with the edges of each atom, and the envelope up to the angular cutoff.
  template <class OfAtom>
  int over_atoms(const Edges &edges, Scratch &scratch, OfAtom of_atom) const {
    const cambrian_stars &stars = edges.stars;
    double *fades = scratch.doubles(kEdgeValues, edges.n_edges), *falls = scratch.doubles(kEdgeSlopes, edges.n_edges);
#pragma omp parallel for num_threads(n_threads()) schedule(dynamic, 8)
    for (int64_t i = 0; i < stars.n_atoms; ++i) {
      for (int64_t e = stars.first[i]; e < stars.first[i + 1]; ++e) {
        fades[e] = falls[e] = 0;
        if (edges.distance[e] < angular_cutoff_) fades[e] = fade_.at(edges.distance[e], angular_cutoff_, falls[e]);
      }
      of_atom(i, stars.first[i], stars.first[i + 1], fades, falls);
    }
    return 0;
  }

  int64_t radial_columns(const Edges &edges, int64_t e) const { return place_[edges.neighbor_species[e]] * shells_.n(); }

  int64_t angular_columns(const Edges &edges, int64_t j, int64_t k) const {
    int64_t low = place_[edges.neighbor_species[j]], high = place_[edges.neighbor_species[k]];
    if (low > high) std::swap(low, high);
    const int64_t pair = low * n_elements_ - low * (low - 1) / 2 + high - low;
    return n_elements_ * shells_.n() + pair * angular_.n() * angles_.n();
  }

  double gaussian(double offset) const { return 0.25 * std::exp(-eta_ * offset * offset); }

  double to_zeta_less_one(double h) const {
    if (zeta_ != std::floor(zeta_)) return std::pow(h, zeta_ - 1);
    double value = 1;
    for (int n = int(zeta_) - 1; n; n >>= 1, h *= h)
      if (n & 1) value *= h;
    return value;
  }

  bool meet(const Edges &edges, int64_t j, int64_t k, const double *fades, const double *falls, Angle &angle) const {
    const double a = edges.distance[j], b = edges.distance[k];
    if (!(a < angular_cutoff_ && b < angular_cutoff_)) return false;
    const double *one = edges.stars.r_ij + 3 * j, *two = edges.stars.r_ij + 3 * k;
    angle.cosine = (one[0] * two[0] + one[1] * two[1] + one[2] * two[2]) / (a * b);
    const double c = kShrink * angle.cosine, s = std::sqrt(1 - c * c);
    for (int64_t t = 0; t < angles_.n(); ++t) {
      const double h = (1 + c * cosines_[t] + s * sines_[t]) / 2, below = to_zeta_less_one(h);
      angle.turned[t] = 2 * below * h;
      angle.by_cosine[t] = kShrink * zeta_ * below * (cosines_[t] - sines_[t] * c / s);
    }
    const double both = fades[j] * fades[k];
    for (int64_t m = 0; m < angular_.n(); ++m) {
      const double offset = 0.5 * (a + b) - angular_.at[m], value = std::exp(-angular_eta_ * offset * offset);
      angle.window[m] = value * both;
      angle.by_first[m] = value * (falls[j] * fades[k] - angular_eta_ * offset * both);
      angle.by_second[m] = value * (fades[j] * falls[k] - angular_eta_ * offset * both);
    }
    return true;
  }

  void pull_radially(const Edges &edges, int64_t e, const double *slope, double *pull) const {
    const double r = edges.distance[e];
    double fall, fade = fade_.at(r, cutoff_, fall), sum = 0;
    for (int64_t s = 0; s < shells_.n(); ++s) {
      const double offset = r - shells_.at[s];
      sum += slope[s] * gaussian(offset) * (fall - 2 * eta_ * offset * fade);
    }
    for (int c = 0; c < 3; ++c) pull[c] = sum / r * edges.stars.r_ij[3 * e + c];
  }

  void pull_both(const Edges &edges, int64_t j, int64_t k, const Angle &angle, const double *slope, double *pull) const {
    double first = 0, second = 0, cosine = 0;
    for (int64_t m = 0; m < angular_.n(); ++m) {
      double stretch = 0, turn = 0;
      for (int64_t t = 0; t < angles_.n(); ++t, ++slope) stretch += *slope * angle.turned[t], turn += *slope * angle.by_cosine[t];
      first += stretch * angle.by_first[m], second += stretch * angle.by_second[m], cosine += turn * angle.window[m];
    }
    const double a = edges.distance[j], b = edges.distance[k];
    for (int c = 0; c < 3; ++c) {
      const double one = edges.stars.r_ij[3 * j + c] / a, two = edges.stars.r_ij[3 * k + c] / b;
      pull[3 * j + c] += first * one + cosine * (two - angle.cosine * one) / a;
      pull[3 * k + c] += second * two + cosine * (one - angle.cosine * two) / b;
    }
  }

  Fade fade_;
  Shells shells_, angular_, angles_;
  double eta_, angular_eta_, zeta_, cutoff_, angular_cutoff_;
  int64_t n_elements_, n_;
  std::vector<int64_t> place_;
  std::vector<double> cosines_, sines_;
};

}  // namespace

std::unique_ptr<Descriptor> make_shells(const Arrays &arrays) { return std::make_unique<AEV>(arrays); }

}  // namespace cambrian::deployed
