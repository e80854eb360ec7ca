// Symmetry functions (symmetry_functions.h) as a descriptor, with the networks in the same sweep where these come next.
//
// `functions` (m x 5: center, kind, first, second, feature), `shapes` (m x 5: eta, shift, cutoff, zeta, lam), `weights`
// (n_species, of neighbors in weighted functions), `envelope`, `inner_fraction`; where there are compact ones,
// `compact` (c x 7: center, kind, first, second, feature, core, asymmetric) and `intervals` (c x 4: lower, upper,
// angle_low, angle_high).
#include <new>

#include "deployed_envelope.hpp"
#include "deployed_perceptrons.hpp"

namespace cambrian::deployed {

namespace {

constexpr double kHighestZeta = 64;
constexpr int64_t kHighestCore = 4;
constexpr int64_t kMostMonomials = int64_t(1) << 24;  // of wide functions together: their sums are memory at run time

struct Free {
  void operator()(cambrian_symmetry *kernel) const { cambrian_symmetry_free(kernel); }
  void operator()(cambrian_networks *networks) const { cambrian_networks_free(networks); }
};

class Symmetry : public Descriptor {
 public:
  explicit Symmetry(const Arrays &arrays) {
    const int64_t n = arrays.n_species(), m = arrays.length("functions"), c = arrays.has("compact") ? arrays.length("compact") : 0;
    const int64_t *numbers = arrays.integers("functions", {m, 5}, -1, m + c + n + CAMBRIAN_WIDE);
    const double *shapes = arrays.reals("shapes", {m, 5}), *weights = arrays.reals("weights", {n});
    const cambrian_envelope envelope = Fade(arrays).as_c();
    std::vector<cambrian_symmetry_function> functions;
    int64_t monomials = 0;
    for (int64_t k = 0; k < m; ++k) {
      const int64_t *f = numbers + 5 * k;
      const double *x = shapes + 5 * k;
      const bool radial = f[1] == CAMBRIAN_RADIAL;
      const bool right = placed(f, n, m + c) && x[0] >= 0 && x[2] > 0;
      if (!right || !(radial || (x[3] >= 0 && x[3] <= kHighestZeta))) arrays.refuse("a symmetry function does not exist");
      functions.push_back({int32_t(f[0]), int32_t(f[1]), int32_t(f[2]), int32_t(f[3]), int32_t(f[4]), x[0], x[1], x[2], x[3], x[4]});
      cutoff_ = x[2] > cutoff_ ? x[2] : cutoff_;
      const int64_t degree = f[1] == CAMBRIAN_WIDE ? int64_t(x[3]) + 1 : 0;
      monomials += degree * (degree + 1) * (degree + 2) / 6;
    }
    if (monomials > kMostMonomials) arrays.refuse("its wide functions are too many or too sharp");
    const auto compact = c ? compact_of(arrays, m, c) : std::vector<cambrian_compact_function>();
    for (const auto &f : compact) cutoff_ = f.upper > cutoff_ ? f.upper : cutoff_;
    kernel_.reset(cambrian_symmetry_new(int(n), weights, m, functions.data(), c, compact.data(), &envelope));
    if (!kernel_) throw std::bad_alloc();
    n_ = cambrian_symmetry_n_features(kernel_.get());
  }

  double cutoff() const override { return cutoff_; }
  int64_t n_features() const override { return n_; }

  int features(const Edges &edges, Scratch &, double *features) const override {
    return cambrian_symmetry_features(kernel_.get(), &edges.stars, features);
  }

  int pull(const Edges &edges, Scratch &, double *slope, double *pull) const override {
    return cambrian_symmetry_pull(kernel_.get(), &edges.stars, slope, pull);
  }

  bool fold(const Perceptrons &p) override {
    const int n_species = int(p.depths().size());
    networks_.reset(cambrian_networks_new(kernel_.get(), n_species, p.depths().data(), p.sizes().data(),
                                          p.activations().data(), p.values()));
    if (!networks_) throw std::bad_alloc();
    return true;
  }

  int folded(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return cambrian_symmetry_networks(kernel_.get(), networks_.get(), &edges.stars, nullptr, energies, pull);
  }

 private:
  // Center, kind, neighbors and column of a function.
  static bool placed(const int64_t *f, int64_t n_species, int64_t n_functions) {
    const bool known = f[0] >= 0 && f[0] < n_species && f[1] >= 0 && f[1] <= CAMBRIAN_WIDE && f[4] >= 0 && f[4] < n_functions;
    return known && f[2] < n_species && f[3] < n_species && (f[1] == CAMBRIAN_RADIAL || (f[2] < 0) == (f[3] < 0));
  }

  static std::vector<cambrian_compact_function> compact_of(const Arrays &arrays, int64_t m, int64_t c) {
    const int64_t n = arrays.n_species();
    const int64_t *numbers = arrays.integers("compact", {c, 7}, -1, m + c + n + kHighestCore + CAMBRIAN_WIDE);
    const double *intervals = arrays.reals("intervals", {c, 4});
    std::vector<cambrian_compact_function> found;
    for (int64_t k = 0; k < c; ++k) {
      const int64_t *f = numbers + 7 * k;
      const double *x = intervals + 4 * k;
      const bool right = placed(f, n, m + c) && f[5] >= 0 && f[5] <= kHighestCore && (f[6] == 0 || f[6] == 1);
      if (!right || !(x[0] < x[1] && x[1] > 0 && x[2] < x[3])) arrays.refuse("a compact function does not exist");
      found.push_back({int32_t(f[0]), int32_t(f[1]), int32_t(f[2]), int32_t(f[3]), int32_t(f[4]), int32_t(f[5]), int32_t(f[6]),
                       x[0], x[1], x[2], x[3]});
    }
    return found;
  }

  int64_t n_;
  double cutoff_ = 0;
  std::unique_ptr<cambrian_symmetry, Free> kernel_;
  std::unique_ptr<cambrian_networks, Free> networks_;
};

}  // namespace

std::unique_ptr<Descriptor> make_symmetry(const Arrays &arrays) { return std::make_unique<Symmetry>(arrays); }

}  // namespace cambrian::deployed
