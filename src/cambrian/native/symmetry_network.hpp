// A multilayer perceptron per species in plain numbers: z_1 = (G - center) W_1 + b_1, x = a(z), ..., E the last x.
#pragma once
#include <cstdint>

#include "symmetry_functions.h"

namespace cambrian {

struct Layer {
  int n_in, n_out, activation;
  const double *weight, *bias;  // n_in x n_out, n_out
};

struct Network {
  const double *center;
  const Layer *layers;
  int depth;
};

struct NetworkOwner;

struct Networks {
  const Network *of;
  int n_species, widest, deepest;
  NetworkOwner *owner;
};

Networks *build_networks(int n_species, int n_features, const int32_t *depths, const int32_t *sizes,
                         const int32_t *activations, const double *values);
void free_networks(Networks *networks);

// Values and slopes of an activation; tanh and the sigmoids have vectors in the kernels.
void activate(int kind, int n, const double *z, double *value, double *slope);

}  // namespace cambrian
