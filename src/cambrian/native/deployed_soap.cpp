// SOAP's power spectrum (soap.h) as a descriptor; sparse points that come next are summed in the same sweep.
//
// `knots` (segments + 1), `counts` (segments), `table` (pieces x 10 x degrees x n_max), `alone` (n_max).
#include "soap.h"

#include <new>

#include "deployed_pieces.hpp"
#include "deployed_points.hpp"
#include "sparse_kernel.h"

namespace cambrian::deployed {

namespace {

constexpr int64_t kMostDegrees = 13, kMostRadial = 256, kMostFeatures = int64_t(1) << 22;

struct Free {
  void operator()(cambrian_soap *kernel) const { cambrian_soap_free(kernel); }
  void operator()(cambrian_sparse *sparse) const { cambrian_sparse_free(sparse); }
};

class Soap : public Descriptor {
 public:
  explicit Soap(const Arrays &arrays) {
    cambrian_soap_arrays a{};
    const std::vector<int64_t> any{kAny, CAMBRIAN_SOAP_ORDERS, kAny, kAny}, &shape = arrays.get("table", true, any).shape;
    const int64_t pieces = shape[0], degrees = shape[2];
    a.n_species = arrays.n_species(), a.n_max = shape[3], a.l_max = degrees - 1;
    if (degrees < 1 || degrees > kMostDegrees || a.n_max < 1 || a.n_max > kMostRadial)
      arrays.refuse("its degrees or radial functions are too few or too many");
    const int64_t channels = a.n_species * a.n_max;
    if (channels * (channels + 1) / 2 * degrees > kMostFeatures) arrays.refuse("it has too many features");
    a.table = arrays.reals("table", any);
    a.alone = arrays.reals("alone", {a.n_max});
    const Pieces radial(arrays, pieces);
    a.n_segments = radial.n_segments, a.knots = radial.knots, a.counts = radial.counts;
    cutoff_ = radial.cutoff();
    kernel_.reset(cambrian_soap_new(&a));
    if (!kernel_) throw std::bad_alloc();
    n_ = cambrian_soap_n_features(kernel_.get());
  }

  double cutoff() const override { return cutoff_; }
  int64_t n_features() const override { return n_; }

  int features(const Edges &edges, Scratch &, double *features) const override {
    return cambrian_soap_features(kernel_.get(), &edges.stars, features);
  }

  int pull(const Edges &edges, Scratch &scratch, double *slope, double *pull) const override {
    double *energies = scratch.doubles(kEdgeValues, edges.stars.n_atoms);
    return cambrian_soap_energies_and_pull(kernel_.get(), &edges.stars, slope, energies, pull);
  }

  bool fold(const Points &p) override {
    sparse_.reset(cambrian_sparse_new(kernel_.get(), p.exponent, p.first.data(), p.points.data(), p.coefficients.data()));
    if (!sparse_) throw std::bad_alloc();
    return true;
  }

  int folded(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return cambrian_sparse_energies_and_pull(sparse_.get(), &edges.stars, energies, pull, nullptr);
  }

 private:
  int64_t n_;
  double cutoff_;
  std::unique_ptr<cambrian_soap, Free> kernel_;  // outlives what reads it
  std::unique_ptr<cambrian_sparse, Free> sparse_;
};

}  // namespace

std::unique_ptr<Descriptor> make_soap(const Arrays &arrays) { return std::make_unique<Soap>(arrays); }

}  // namespace cambrian::deployed
