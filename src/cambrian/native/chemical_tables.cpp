// Every component B_{j1 j2 j}, j >= j1 >= j2, has three slopes, each a Z of the two other factors:
//
//     dB/dU_j = Z_{j1 j2}^j      dB/dU_{j1} = (j+1)/(j1+1) Z_{j j2}^{j1}      dB/dU_{j2} = (j+1)/(j2+1) Z_{j j1}^{j2}
//
// so one list of couplings serves features and slopes. A. P. Thompson et al., J. Comput. Phys. 285, 316 (2015);
// M. A. Cusentino, M. A. Wood, A. P. Thompson, J. Phys. Chem. A 124, 5456 (2020).
#include "chemical_tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "wigner.hpp"

namespace cambrian {

struct ChemicalOwner {
  std::vector<Coupling> couplings;
  std::vector<ChemicalUse> uses;
  std::vector<double> scale, weight, half_scale;
  std::vector<std::vector<double>> coefficients;
};

namespace {

std::vector<double> coefficients_of(int first, int second, int target) {
  std::vector<double> found;
  for (int a = 0; a <= first; ++a)
    for (int b = 0; b <= second; ++b) {
      const int m1 = 2 * a - first, m2 = 2 * b - second;
      found.push_back(std::abs(m1 + m2) <= target ? clebsch_gordan(first, m1, second, m2, target, m1 + m2) : 0);
    }
  return found;
}

void build_couplings(int two_j_max, ChemicalOwner &owner, int &n_orders) {
  std::map<std::array<int, 3>, std::vector<ChemicalUse>> found;
  n_orders = 0;
  for (int j1 = 0; j1 <= two_j_max; ++j1)
    for (int j2 = 0; j2 <= j1; ++j2)
      for (int j = j1 - j2; j <= std::min(two_j_max, j1 + j2); j += 2) {
        if (j < j1) continue;
        found[{j1, j2, j}].push_back({n_orders, 0, 1});
        found[{j, j2, j1}].push_back({n_orders, 1, (j + 1.) / (j1 + 1.)});
        found[{j, j1, j2}].push_back({n_orders, 2, (j + 1.) / (j2 + 1.)});
        ++n_orders;
      }
  for (const auto &[key, uses] : found) {
    const auto [first, second, target] = key;
    owner.coefficients.push_back(coefficients_of(first, second, target));
    const int begin = int(owner.uses.size());
    owner.uses.insert(owner.uses.end(), uses.begin(), uses.end());
    owner.couplings.push_back({first, second, target, nullptr, begin, int(owner.uses.size())});
  }
  for (size_t k = 0; k < owner.couplings.size(); ++k) owner.couplings[k].c = owner.coefficients[k].data();
}

}  // namespace

ChemicalTables *build_chemical_tables(int two_j_max) {
  auto owner = std::make_unique<ChemicalOwner>();
  auto tables = std::make_unique<ChemicalTables>();
  build_couplings(two_j_max, *owner, tables->n_orders);
  for (int j = 0, full = 0; j <= two_j_max; full += (j + 1) * (j + 1), ++j) {
    tables->level_full[j] = full;
    tables->level_full[j + 1] = full + (j + 1) * (j + 1);
    for (int row = 0; 2 * row <= j; ++row)
      for (int column = 0; column <= j; ++column) {
        owner->half_scale.push_back(wigner_scale(j, row, column));
        if (2 * row == j && column > row) continue;
        owner->scale.push_back(owner->half_scale.back());
        owner->weight.push_back(2 * row == j && column == row ? 1 : 2);
      }
  }
  tables->shared = build_tables(two_j_max);
  tables->n_couplings = int(owner->couplings.size());
  tables->couplings = owner->couplings.data(), tables->uses = owner->uses.data();
  tables->scale = owner->scale.data(), tables->weight = owner->weight.data(), tables->half_scale = owner->half_scale.data();
  tables->owner = owner.release();
  return tables.release();
}

void free_chemical_tables(ChemicalTables *tables) {
  if (!tables) return;
  free_tables(const_cast<Tables *>(tables->shared));
  delete tables->owner;
  delete tables;
}

}  // namespace cambrian
