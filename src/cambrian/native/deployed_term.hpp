// What a deployed potential adds up: terms. A file deployed_<kind>.cpp makes those of one kind from the arrays of the file.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "deployed_arrays.hpp"
#include "symmetry_functions.h"

namespace cambrian::deployed {

// Memory of one evaluation that is kept for the next.
class Scratch {
 public:
  double *doubles(int slot, int64_t n) { return grown(doubles_, slot, n); }
  int64_t *integers(int slot, int64_t n) { return grown(integers_, slot, n); }

 private:
  template <class T>
  static T *grown(std::vector<std::vector<T>> &slots, int slot, int64_t n) {
    if (int64_t(slots.size()) <= slot) slots.resize(slot + 1);
    if (int64_t(slots[slot].size()) < n) slots[slot].resize(n + n / 8);
    return slots[slot].data();
  }
  std::vector<std::vector<double>> doubles_;
  std::vector<std::vector<int64_t>> integers_;
};

// Slots that several files share; what is local to one kind goes on from `own`.
enum Slot { kFeatures = 0, kSlopes = 1, kEdgeValues = 2, kEdgeSlopes = 3, kEdgeIntegers = 0, kOwn = 4 };

// Edges within the cutoff of a term.
struct Edges {
  cambrian_stars stars;  // `neighbor` and `species` as they came
  int64_t n_edges;
  const double *distance;           // n_edges
  const int64_t *neighbor_species;  // n_edges
};

// Status of an evaluation: that of the C ABI, where 3 means too many neighbors for the kernel.
class Term {
 public:
  virtual ~Term() = default;
  virtual double cutoff() const = 0;
  // Sets energies (n_atoms) and pull (n_edges x 3).
  virtual int evaluate(const Edges &edges, Scratch &scratch, double *energies, double *pull) const = 0;
  virtual bool has_grade() const { return false; }
  virtual int grade(const Edges &, Scratch &, double *) const { return 0; }
};

// Features of atoms, and the way back.
class Descriptor {
 public:
  virtual ~Descriptor() = default;
  virtual double cutoff() const = 0;
  virtual int64_t n_features() const = 0;
  // features: n_atoms x K
  virtual int features(const Edges &edges, Scratch &scratch, double *features) const = 0;
  // slope: n_atoms x K, which it may overwrite; pull: n_edges x 3
  virtual int pull(const Edges &edges, Scratch &scratch, double *slope, double *pull) const = 0;

  // For descriptors that have a shorter way with coefficients (n_species x K), with networks, or with sparse points.
  virtual bool fold(const double *) { return false; }
  virtual bool fold(const class Perceptrons &) { return false; }
  virtual bool fold(const struct Points &) { return false; }
  virtual int folded(const Edges &, Scratch &, double *, double *) const { return 1; }
};

// Energies of atoms from their features.
class Head {
 public:
  virtual ~Head() = default;
  // Sets energies (n_atoms) and slopes (n_atoms x K).
  virtual void energies_and_slopes(const Edges &edges, const double *features, Scratch &scratch, double *energies,
                                   double *slopes) const = 0;
  // Lets the descriptor take its place; true where it did, and `constants` are all that it leaves.
  virtual bool fold_into(Descriptor &) const { return false; }
  virtual const double *constants() const { return nullptr; }  // n_species
};

// By the words of a kind: "constants", or "descriptor+head". Throws Fault.
std::unique_ptr<Term> make_term(const std::string &kind, const Arrays &arrays);

using MakeTerm = std::unique_ptr<Term> (*)(const Arrays &);
using MakeDescriptor = std::unique_ptr<Descriptor> (*)(const Arrays &);
using MakeHead = std::unique_ptr<Head> (*)(const Arrays &, int64_t n_features);

std::unique_ptr<Term> make_constants(const Arrays &);
std::unique_ptr<Term> make_zbl(const Arrays &);
std::unique_ptr<Term> make_gaussians(const Arrays &);
std::unique_ptr<Term> make_curves(const Arrays &);
std::unique_ptr<Term> make_powers(const Arrays &);
std::unique_ptr<Term> make_triangles(const Arrays &);
std::unique_ptr<Term> make_embedded(const Arrays &);
std::unique_ptr<Descriptor> make_bispectrum(const Arrays &);
std::unique_ptr<Descriptor> make_chemical(const Arrays &);
std::unique_ptr<Descriptor> make_moments(const Arrays &);
std::unique_ptr<Descriptor> make_symmetry(const Arrays &);
std::unique_ptr<Descriptor> make_shells(const Arrays &);
std::unique_ptr<Descriptor> make_soap(const Arrays &);
std::unique_ptr<Head> make_linear(const Arrays &, int64_t);
std::unique_ptr<Head> make_quadratic(const Arrays &, int64_t);
std::unique_ptr<Head> make_network(const Arrays &, int64_t);
std::unique_ptr<Head> make_points(const Arrays &, int64_t);
std::unique_ptr<Head> make_gaussian_points(const Arrays &, int64_t);

}  // namespace cambrian::deployed
