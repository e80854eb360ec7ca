// The arrays of one term, checked as they are asked for: type, shape, finite numbers, and indices within their range.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "deployed_file.hpp"

namespace cambrian::deployed {

constexpr int64_t kAny = -1;  // of a dimension

class Arrays {
 public:
  Arrays(const std::string &prefix, int64_t n_species) : prefix_(prefix), n_species_(n_species) {}
  void add(const std::string &name, const Array &array) { arrays_.emplace(name, array); }

  int64_t n_species() const { return n_species_; }
  bool has(const char *name) const { return arrays_.count(name) > 0; }

  const Array &get(const char *name, bool real, const std::vector<int64_t> &shape) const;
  const double *reals(const char *name, const std::vector<int64_t> &shape) const;      // finite
  const double *any_reals(const char *name, const std::vector<int64_t> &shape) const;  // NaN allowed
  const double *positives(const char *name, const std::vector<int64_t> &shape) const;  // finite and above 0
  const int64_t *integers(const char *name, const std::vector<int64_t> &shape, int64_t low, int64_t high) const;
  int64_t length(const char *name) const;  // of the first dimension

  double real(const char *name) const { return *reals(name, {}); }
  int64_t integer(const char *name, int64_t low, int64_t high) const { return *integers(name, {}, low, high); }

  [[noreturn]] void refuse(const std::string &what) const;  // names the term
  void refuse_unread() const;

 private:
  std::string prefix_;
  int64_t n_species_;
  std::map<std::string, Array> arrays_;
  mutable std::set<std::string> read_;
};

}  // namespace cambrian::deployed
