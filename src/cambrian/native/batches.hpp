// Atoms in batches of one size, where wanted of one species each.
#pragma once
#include <cstdint>
#include <vector>

namespace cambrian {

struct Batches {
  std::vector<int64_t> order, first{0}, species;  // without species: no order, as the atoms come

  Batches(int64_t n_atoms, int64_t size) { cut(0, n_atoms, size); }

  Batches(int64_t n_atoms, int64_t size, int n_species, const int64_t *of_atoms) : order(n_atoms) {
    std::vector<int64_t> next(n_species + 1, 0);
    for (int64_t i = 0; i < n_atoms; ++i) ++next[of_atoms[i] + 1];
    for (int s = 0; s < n_species; ++s) {
      next[s + 1] += next[s];
      cut(next[s], next[s + 1], size);
      species.resize(first.size() - 1, s);
    }
    for (int64_t i = 0; i < n_atoms; ++i) order[next[of_atoms[i]]++] = i;
  }

  int64_t count() const { return int64_t(first.size()) - 1; }

 private:
  void cut(int64_t begin, int64_t end, int64_t size) {
    for (int64_t at = begin; at < end; at += size) first.push_back(at + size < end ? at + size : end);
  }
};

}  // namespace cambrian
