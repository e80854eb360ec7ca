// Networks per species as flat arrays, and the activations that are not worth a vector. Compiled once, exactly.
#include "symmetry_network.hpp"

#include <cmath>
#include <memory>
#include <vector>

namespace cambrian {

struct NetworkOwner {
  std::vector<double> values;
  std::vector<Layer> layers;
  std::vector<Network> networks;
};

Networks *build_networks(int n_species, int n_features, const int32_t *depths, const int32_t *sizes,
                         const int32_t *activations, const double *values) {
  size_t n_values = 0, n_layers = 0;
  const int32_t *size = sizes;
  for (int s = 0; s < n_species; ++s, ++size) {
    n_values += n_features;
    for (int k = 0; k < depths[s]; ++k, ++size, ++n_layers) n_values += size_t(size[0]) * size[1] + size[1];
  }
  auto owner = std::make_unique<NetworkOwner>();
  owner->values.assign(values, values + n_values);
  owner->layers.reserve(n_layers);
  const double *next = owner->values.data();
  int widest = n_features, deepest = 0;
  size = sizes;
  for (int s = 0; s < n_species; ++s, ++size) {
    const double *center = next;
    const Layer *first = owner->layers.data() + owner->layers.size();
    next += n_features;
    for (int k = 0; k < depths[s]; ++k, ++size) {
      const double *weight = next, *bias = weight + size_t(size[0]) * size[1];
      next = bias + size[1];
      owner->layers.push_back({size[0], size[1], *activations++, weight, bias});
      widest = size[1] > widest ? size[1] : widest;
    }
    owner->networks.push_back({center, first, depths[s]});
    deepest = depths[s] > deepest ? depths[s] : deepest;
  }
  const Network *networks = owner->networks.data();
  return new Networks{networks, n_species, widest, deepest, owner.release()};
}

void free_networks(Networks *networks) {
  if (networks) delete networks->owner;
  delete networks;
}

void activate(int kind, int n, const double *z, double *value, double *slope) {
  for (int i = 0; i < n; ++i) {
    const double x = z[i], s = 1 / (1 + std::exp(-x));
    switch (kind) {
      case CAMBRIAN_SOFTPLUS:
        value[i] = x > 40 ? x : std::log1p(std::exp(x)), slope[i] = s;
        break;
      case CAMBRIAN_SILU:
        value[i] = x * s, slope[i] = s * (1 + x * (1 - s));
        break;
      case CAMBRIAN_GELU: {
        const double below = 0.5 * std::erfc(-x * 0.70710678118654752440);
        value[i] = x * below, slope[i] = below + x * std::exp(-0.5 * x * x) * 0.39894228040143267794;
        break;
      }
      case CAMBRIAN_GAUSSIAN:
        value[i] = std::exp(-0.5 * x * x), slope[i] = -x * value[i];
        break;
      case CAMBRIAN_COS:
        value[i] = std::cos(x), slope[i] = -std::sin(x);
        break;
      case CAMBRIAN_FALLING_EXPONENTIAL:
        value[i] = std::exp(-x), slope[i] = -value[i];
        break;
      case CAMBRIAN_SQUARE:
        value[i] = x * x, slope[i] = 2 * x;
        break;
      case CAMBRIAN_CELU:  // alpha = 0.1
        value[i] = x > 0 ? x : 0.1 * std::expm1(10 * x), slope[i] = x > 0 ? 1 : std::exp(10 * x);
        break;
      case CAMBRIAN_TANH:
        value[i] = std::tanh(x), slope[i] = 1 - value[i] * value[i];
        break;
      case CAMBRIAN_SIGMOID:
        value[i] = s, slope[i] = s * (1 - s);
        break;
      case CAMBRIAN_ONE_MINUS_SIGMOID:
        value[i] = 1 / (1 + std::exp(x)), slope[i] = -s * (1 - s);
        break;
      default:
        value[i] = x, slope[i] = 1;
    }
  }
}

}  // namespace cambrian
