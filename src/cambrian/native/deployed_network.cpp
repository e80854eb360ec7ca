// The head of perceptrons: values forward, slopes backward, atom by atom. See deployed_perceptrons.hpp.
#include <cstring>

#include "deployed_perceptrons.hpp"
#include "runtime.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace cambrian::deployed {

namespace {

constexpr int64_t kDeepest = 64, kWidest = 1 << 20;

int this_thread() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

// Of one atom; `space` holds 2 (depth + 1) + 2 rows of the widest layer.
double run(const Network &network, int64_t widest, int64_t n_features, const double *features, double *slope, double *space) {
  double *values = space, *slopes = values + (network.depth + 1) * widest;
  double *z = slopes + (network.depth + 1) * widest, *back = z + widest;
  for (int64_t i = 0; i < n_features; ++i) values[i] = features[i] - network.center[i];
  for (int k = 0; k < network.depth; ++k) {
    const Layer &layer = network.layers[k];
    const double *in = values + k * widest, *weight = layer.weight;
    std::memcpy(z, layer.bias, sizeof(double) * layer.n_out);
    for (int i = 0; i < layer.n_in; ++i, weight += layer.n_out)
      for (int o = 0; o < layer.n_out; ++o) z[o] += in[i] * weight[o];
    activate(layer.activation, layer.n_out, z, values + (k + 1) * widest, slopes + (k + 1) * widest);
  }
  back[0] = 1;
  for (int k = network.depth - 1; k >= 0; --k) {
    const Layer &layer = network.layers[k];
    for (int o = 0; o < layer.n_out; ++o) z[o] = back[o] * slopes[(k + 1) * widest + o];
    double *to = k ? back : slope;
    for (int i = 0; i < layer.n_in; ++i) {
      const double *weight = layer.weight + int64_t(i) * layer.n_out;
      double sum = 0;
      for (int o = 0; o < layer.n_out; ++o) sum += weight[o] * z[o];
      to[i] = sum;
    }
  }
  return values[network.depth * widest];
}

class NetworkHead : public Head {
 public:
  NetworkHead(const Arrays &arrays, int64_t n_features) : n_(n_features), perceptrons_(arrays, n_features) {}

  void energies_and_slopes(const Edges &edges, const double *features, Scratch &scratch, double *energies,
                           double *slopes) const override {
    const Networks &networks = perceptrons_.networks();
    const int64_t widest = networks.widest, space = widest * (2 * networks.deepest + 4);
    const int threads = n_threads();
    double *spaces = scratch.doubles(kOwn, space * threads);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < edges.stars.n_atoms; ++i)
      energies[i] = run(networks.of[edges.stars.species[i]], widest, n_, features + i * n_, slopes + i * n_,
                        spaces + this_thread() * space);
  }

  bool fold_into(Descriptor &descriptor) const override { return descriptor.fold(perceptrons_); }

 private:
  int64_t n_;
  Perceptrons perceptrons_;
};

}  // namespace

Perceptrons::Perceptrons(const Arrays &arrays, int64_t n_features) {
  const int64_t n_species = arrays.n_species();
  if (n_features > kWidest) arrays.refuse("it has too many features for a network");
  const int64_t *depths = arrays.integers("depths", {n_species}, 1, kDeepest);
  int64_t n_layers = 0, n_values = 0;
  for (int64_t s = 0; s < n_species; ++s) n_layers += depths[s];
  const int64_t *sizes = arrays.integers("sizes", {n_layers + n_species}, 0, kWidest);
  const int64_t *activations = arrays.integers("activations", {n_layers}, CAMBRIAN_IDENTITY, CAMBRIAN_CELU);
  const int64_t *size = sizes;
  for (int64_t s = 0; s < n_species; ++s, ++size) {
    if (*size != n_features) arrays.refuse("a network begins with another number of features");
    n_values += n_features;
    for (int64_t k = 0; k < depths[s]; ++k, ++size) n_values += size[0] * size[1] + size[1];
    if (*size != 1) arrays.refuse("a network ends with more than one number");
  }
  values_ = arrays.reals("values", {n_values});
  depths_.assign(depths, depths + n_species);
  sizes_.assign(sizes, sizes + n_layers + n_species);
  activations_.assign(activations, activations + n_layers);
  networks_.reset(build_networks(int(n_species), int(n_features), depths_.data(), sizes_.data(), activations_.data(), values_));
}

std::unique_ptr<Head> make_network(const Arrays &arrays, int64_t n_features) {
  return std::make_unique<NetworkHead>(arrays, n_features);
}

}  // namespace cambrian::deployed
