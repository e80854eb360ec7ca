// Screened repulsion with its switch, as classical/zbl.py has it, for each pair of elements:
//
//     V(r) = strength / r sum over k of prefactors_k exp(-rates_k r) + A/3 (r - inner)^3 + B/4 (r - inner)^4 + C
//
// without A and B below `inner`, and nothing from `outer` on. `switches`: A, B, C.
#include <algorithm>
#include <cmath>

#include "deployed_pairwise.hpp"

namespace cambrian::deployed {

namespace {

constexpr int kParts = 4;

class ZBL : public Term {
 public:
  explicit ZBL(const Arrays &arrays) : n_(arrays.n_species()) {
    const double *prefactors = arrays.reals("prefactors", {kParts});
    std::copy(prefactors, prefactors + kParts, prefactors_);
    outer_ = taken(arrays, "outer", 0), inner_ = taken(arrays, "inner", 0), strength_ = taken(arrays, "strength", 0);
    rates_ = taken(arrays, "rates", kParts), switches_ = taken(arrays, "switches", 3);
  }

  double cutoff() const override { return *std::max_element(outer_.begin(), outer_.end()); }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *pull) const override {
    return add_pairs(edges, n_, outer_.data(), energies, pull, [this](int64_t pair, double r, double &slope) {
      const double *rates = rates_.data() + kParts * pair, *S = switches_.data() + 3 * pair;
      double sum = 0, falling = 0;
      for (int k = 0; k < kParts; ++k) {
        const double decay = prefactors_[k] * std::exp(-rates[k] * r);
        sum += decay, falling += decay * (1 + rates[k] * r);
      }
      const double x = r > inner_[pair] ? r - inner_[pair] : 0, strength = strength_[pair] / r;
      slope = -strength / r * falling + x * x * (S[0] + S[1] * x);
      return strength * sum + x * x * x * (S[0] / 3 + S[1] / 4 * x) + S[2];
    });
  }

 private:
  std::vector<double> taken(const Arrays &arrays, const char *name, int64_t last) const {
    std::vector<int64_t> shape{n_, n_};
    if (last) shape.push_back(last);
    const double *given = arrays.reals(name, shape);
    return {given, given + n_ * n_ * (last ? last : 1)};
  }

  int64_t n_;
  double prefactors_[kParts];
  std::vector<double> outer_, inner_, strength_, rates_, switches_;
};

}  // namespace

std::unique_ptr<Term> make_zbl(const Arrays &arrays) { return std::make_unique<ZBL>(arrays); }

}  // namespace cambrian::deployed
