// A perceptron for each element, as in symmetry_functions.h:
//
//     z_1 = (G - center) W_1 + b_1,   x_1 = a_1(z_1),   ...,   E the one output of the last layer
//
// `depths` (n_species), `sizes` (K and the outputs of each layer, element after element), `activations` (layer after layer),
// `values`: center (K), then W (inputs x outputs) and b of each layer, element after element.
#pragma once
#include "deployed_term.hpp"
#include "symmetry_network.hpp"

namespace cambrian::deployed {

class Perceptrons {
 public:
  Perceptrons(const Arrays &arrays, int64_t n_features);

  const Networks &networks() const { return *networks_; }
  const std::vector<int32_t> &depths() const { return depths_; }
  const std::vector<int32_t> &sizes() const { return sizes_; }
  const std::vector<int32_t> &activations() const { return activations_; }
  const double *values() const { return values_; }  // while the file is open

 private:
  struct Free {
    void operator()(Networks *networks) const { free_networks(networks); }
  };
  std::vector<int32_t> depths_, sizes_, activations_;
  const double *values_;
  std::unique_ptr<Networks, Free> networks_;
};

}  // namespace cambrian::deployed
