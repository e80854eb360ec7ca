// An energy for each atom by its element: `energies` (n_species).
#include "deployed_term.hpp"

namespace cambrian::deployed {

namespace {

class Constants : public Term {
 public:
  explicit Constants(const Arrays &arrays) {
    const double *given = arrays.reals("energies", {arrays.n_species()});
    energies_.assign(given, given + arrays.n_species());
  }

  double cutoff() const override { return 0; }

  int evaluate(const Edges &edges, Scratch &, double *energies, double *) const override {
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i) energies[i] = energies_[edges.stars.species[i]];
    return 0;
  }

 private:
  std::vector<double> energies_;
};

}  // namespace

std::unique_ptr<Term> make_constants(const Arrays &arrays) { return std::make_unique<Constants>(arrays); }

}  // namespace cambrian::deployed
