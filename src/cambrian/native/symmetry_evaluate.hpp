// Energy and dE/dG of one atom's network. Part of symmetry_kernel.cpp.
#pragma once
#include "symmetry_network.hpp"
#include "symmetry_workspace.hpp"

namespace {

// Arrays here are padded to whole vectors.
inline void apply(int kind, int n, const double *z, double *value, double *slope) {
  if (kind != CAMBRIAN_TANH) return activate(kind, n, z, value, slope);
  for (int i = 0; i < n; i += W) {
    const vec x = load(z + i), small = exponential(-2 * (x < all(0) ? -x : x));
    const vec size = (1 - small) / (1 + small), result = x < all(0) ? -size : size, change = 1 - size * size;
    std::memcpy(value + i, &result, sizeof(vec)), std::memcpy(slope + i, &change, sizeof(vec));
  }
}

// `slope` (n_features) receives dE/dG.
double evaluate(const Networks &networks, int species, int n_features, const double *features, double *slope, Space &space) {
  const Network &network = networks.of[species];
  const int width = padded(networks.widest), depth = network.depth;
  double *values = space.network.hold(size_t(width) * (2 * depth + 4)), *slopes = values + (depth + 1) * width;
  double *z = slopes + (depth + 1) * width, *back = z + width;
  for (int i = 0; i < n_features; ++i) values[i] = features[i] - network.center[i];
  for (int k = 0; k < depth; ++k) {
    const Layer &layer = network.layers[k];
    const double *in = values + k * width, *weight = layer.weight;
    for (int o = 0; o < padded(layer.n_out); ++o) z[o] = o < layer.n_out ? layer.bias[o] : 0;
    for (int i = 0; i < layer.n_in; ++i, weight += layer.n_out)
      for (int o = 0; o < layer.n_out; ++o) z[o] += in[i] * weight[o];
    apply(layer.activation, layer.n_out, z, values + (k + 1) * width, slopes + (k + 1) * width);
  }
  const double energy = values[depth * width];
  back[0] = 1;
  for (int k = depth - 1; k >= 0; --k) {
    const Layer &layer = network.layers[k];
    for (int o = 0; o < layer.n_out; ++o) z[o] = back[o] * slopes[(k + 1) * width + o];
    double *to = k ? back : slope;
    for (int i = 0; i < layer.n_in; ++i) {
      const double *weight = layer.weight + size_t(i) * layer.n_out;
      double sum = 0;
      for (int o = 0; o < layer.n_out; ++o) sum += weight[o] * z[o];
      to[i] = sum;
    }
  }
  return energy;
}

}  // namespace
