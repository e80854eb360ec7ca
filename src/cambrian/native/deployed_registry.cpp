// The kinds of terms by name, and the term that joins a descriptor and a head: E_i = head(features_i).
#include <map>

#include "deployed_grade.hpp"
#include "deployed_term.hpp"

namespace cambrian::deployed {

namespace {

const std::map<std::string, MakeTerm> terms{{"constants", make_constants},
                                            {"zbl", make_zbl},
                                            {"gaussians", make_gaussians},
                                            {"curves", make_curves},
                                            {"powers", make_powers},
                                            {"triangles", make_triangles},
                                            {"embedded", make_embedded}};
const std::map<std::string, MakeDescriptor> descriptors{{"bispectrum", make_bispectrum},
                                                        {"chemical", make_chemical},
                                                        {"moments", make_moments},
                                                        {"symmetry", make_symmetry},
                                                        {"shells", make_shells},
                                                        {"soap", make_soap}};
const std::map<std::string, MakeHead> heads{
    {"linear", make_linear}, {"quadratic", make_quadratic}, {"network", make_network}, {"points", make_points},
    {"gaussian_points", make_gaussian_points}};

class FeatureTerm : public Term {
 public:
  FeatureTerm(const Arrays &arrays, std::unique_ptr<Descriptor> descriptor, MakeHead make)
      : descriptor_(std::move(descriptor)), head_(make(arrays, descriptor_->n_features())) {
    folded_ = head_->fold_into(*descriptor_);
    if (arrays.has("combinations")) grade_ = std::make_unique<Grade>(arrays, descriptor_->n_features());
  }

  double cutoff() const override { return descriptor_->cutoff(); }

  int evaluate(const Edges &edges, Scratch &scratch, double *energies, double *pull) const override {
    if (folded_) {
      if (const int status = descriptor_->folded(edges, scratch, energies, pull)) return status;
      const double *constants = head_->constants();
      for (int64_t i = 0; constants && i < edges.stars.n_atoms; ++i) energies[i] += constants[edges.stars.species[i]];
      return 0;
    }
    double *features = scratch.doubles(kFeatures, edges.stars.n_atoms * descriptor_->n_features());
    double *slopes = scratch.doubles(kSlopes, edges.stars.n_atoms * descriptor_->n_features());
    if (const int status = descriptor_->features(edges, scratch, features)) return status;
    head_->energies_and_slopes(edges, features, scratch, energies, slopes);
    return descriptor_->pull(edges, scratch, slopes, pull);
  }

  bool has_grade() const override { return bool(grade_); }

  int grade(const Edges &edges, Scratch &scratch, double *grade) const override {
    double *features = scratch.doubles(kFeatures, edges.stars.n_atoms * descriptor_->n_features());
    if (const int status = descriptor_->features(edges, scratch, features)) return status;
    grade_->of(edges.stars, features, grade);
    return 0;
  }

 private:
  std::unique_ptr<Descriptor> descriptor_;
  std::unique_ptr<Head> head_;
  std::unique_ptr<Grade> grade_;
  bool folded_ = false;
};

}  // namespace

std::unique_ptr<Term> make_term(const std::string &kind, const Arrays &arrays) {
  std::unique_ptr<Term> made;
  if (const auto at = terms.find(kind); at != terms.end()) {
    made = at->second(arrays);
  } else {
    const std::size_t plus = kind.find('+');
    const auto descriptor = descriptors.find(kind.substr(0, plus));
    const auto head = heads.find(plus == std::string::npos ? "" : kind.substr(plus + 1));
    if (descriptor == descriptors.end() || head == heads.end()) arrays.refuse("nobody knows its kind");
    made = std::make_unique<FeatureTerm>(arrays, descriptor->second(arrays), head->second);
  }
  arrays.refuse_unread();
  return made;
}

}  // namespace cambrian::deployed
