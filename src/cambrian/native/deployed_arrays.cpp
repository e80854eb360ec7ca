// See deployed_arrays.hpp.
#include "deployed_arrays.hpp"

#include "runtime.hpp"

namespace cambrian::deployed {

const Array &Arrays::get(const char *name, bool real, const std::vector<int64_t> &shape) const {
  const auto at = arrays_.find(name);
  if (at == arrays_.end()) refuse(std::string("its array ") + name + " is missing");
  const Array &found = at->second;
  bool fits = found.real == real && found.shape.size() == shape.size();
  for (std::size_t k = 0; fits && k < shape.size(); ++k) fits = shape[k] == kAny || shape[k] == found.shape[k];
  if (!fits) refuse(std::string("its array ") + name + " has another type or shape than it should");
  read_.insert(name);
  return found;
}

const double *Arrays::any_reals(const char *name, const std::vector<int64_t> &shape) const {
  return static_cast<const double *>(get(name, true, shape).at);
}

const double *Arrays::reals(const char *name, const std::vector<int64_t> &shape) const {
  const Array &found = get(name, true, shape);
  const auto *values = static_cast<const double *>(found.at);
  if (!finite(values, found.count)) refuse(std::string("its array ") + name + " has numbers that are not finite");
  return values;
}

const double *Arrays::positives(const char *name, const std::vector<int64_t> &shape) const {
  const double *values = reals(name, shape);
  for (int64_t k = 0, n = arrays_.find(name)->second.count; k < n; ++k)
    if (!(values[k] > 0)) refuse(std::string("its array ") + name + " must be above 0 everywhere");
  return values;
}

const int64_t *Arrays::integers(const char *name, const std::vector<int64_t> &shape, int64_t low, int64_t high) const {
  const Array &found = get(name, false, shape);
  const auto *values = static_cast<const int64_t *>(found.at);
  for (int64_t k = 0; k < found.count; ++k)
    if (values[k] < low || values[k] > high) refuse(std::string("its array ") + name + " has a number out of range");
  return values;
}

int64_t Arrays::length(const char *name) const {
  const auto at = arrays_.find(name);
  if (at == arrays_.end() || at->second.shape.empty()) refuse(std::string("its array ") + name + " is missing");
  return at->second.shape[0];
}

void Arrays::refuse(const std::string &what) const { throw Fault{"in its term " + prefix_ + ", " + what}; }

void Arrays::refuse_unread() const {
  for (const auto &[name, array] : arrays_)
    if (!read_.count(name)) refuse("nobody knows the array " + name);
}

}  // namespace cambrian::deployed
