"""Quadratic regressor: E_i = β_0 + β · G_i + ½ G_i^T α G_i with α symmetric, per element. With the bispectrum: qSNAP.

The columns are 1, G_1 ... G_K, and the upper triangle (1,1), (1,2) ... (K,K) of the products, the diagonal as ½ G_k².
M. A. Wood, A. P. Thompson, J. Chem. Phys. 148, 241721 (2018).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import CoefficientTable
from cambrian.contracts.linear import force_and_stress_rows
from cambrian.contracts.regressor import BasisRegressor, species_blocks
from cambrian.graph import Graph


class QuadraticRegressor(BasisRegressor):
    """A constant, a linear and a quadratic form per element; K features give 1 + K + K (K + 1) / 2 coefficients each.

    So many need a ridge: 55 features have 1596 coefficients.
    """

    def __init__(self):
        super().__init__()
        self.coefficients = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.register_buffer("n_species", torch.tensor(1))

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """All coefficients zero."""
        K = features.shape[1]
        self.n_species = torch.tensor(n_species)
        self.coefficients = nn.Parameter(features.new_zeros(n_species * (1 + K + K * (K + 1) // 2)))

    def basis(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows coefficients"]:
        """(1, G_k, G_k G_l) in the block of the row's element."""
        columns = torch.cat([features.new_ones(features.shape[0], 1), features, _products(features)], dim=-1)
        return species_blocks(columns, species, int(self.n_species))

    def push(
        self,
        features: Float[Tensor, "edges features"],
        jacobian: Float[Tensor, "edges 3 features"],
        species: Int[Tensor, "edges"],
    ) -> Float[Tensor, "edges 3 coefficients"]:
        """(0, dG_k, G_k dG_l + G_l dG_k) in the block of the center's element; on the diagonal G_k dG_k."""
        K = features.shape[1]
        columns = jacobian.new_empty(*jacobian.shape[:2], 1 + K + K * (K + 1) // 2)
        columns[..., 0] = 0.0
        columns[..., 1 : K + 1] = jacobian
        start = K + 1
        for k in range(K):
            products = columns[..., start : start + K - k]
            torch.mul(jacobian[..., k:], features[:, None, k : k + 1], out=products)
            products[..., 1:].addcmul_(jacobian[..., k : k + 1], features[:, None, k + 1 :])
            start += K - k
        return species_blocks(columns, species, int(self.n_species))

    def derivative_rows(
        self,
        graph: Graph,
        features: Float[Tensor, "atoms features"],
        jacobian: Float[Tensor, "edges 3 features"],
        species: Int[Tensor, "atoms"],
    ) -> tuple[Float[Tensor, "atoms 3 coefficients"], Float[Tensor, "structures 3 3 coefficients"]]:
        """Rows of forces and stress: G_k dG_l is summed over edges as matrix products, then made symmetric."""
        blocks = []
        for s in range(int(self.n_species)):
            own = jacobian if int(self.n_species) == 1 else jacobian * (species == s)[graph.center, None, None]
            forces, stress = force_and_stress_rows(graph, own)
            squared_forces = _symmetric_products(_force_products(graph, features, own))
            squared_stress = _symmetric_products(_stress_products(graph, features, own))
            blocks.append(
                (
                    torch.cat([torch.zeros_like(forces[..., :1]), forces, squared_forces], dim=-1),
                    torch.cat([torch.zeros_like(stress[..., :1]), stress, squared_stress], dim=-1),
                )
            )
        forces, stress = (torch.cat(parts, dim=-1) for parts in zip(*blocks, strict=True))
        return forces, stress

    def roughness(self, of_features: Float[Tensor, "species features"]) -> Float[Tensor, "coefficients"]:
        """That of its feature, in units of the least; a product has the sum of its two, a constant 1."""
        relative = (of_features / of_features.min()).expand(int(self.n_species), -1)
        first, second = torch.triu_indices(relative.shape[1], relative.shape[1], device=relative.device)
        products = relative[:, first] + relative[:, second]
        return torch.cat([torch.ones_like(relative[:, :1]), relative, products], dim=1).flatten()

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Energies by the symmetric matrices, without the products; far cheaper than the basis."""
        energies = torch.zeros_like(features[:, 0])
        for s, (constant, linear, matrix) in enumerate(zip(*self._forms(features.shape[1]), strict=True)):
            mine = (species == s).nonzero()[:, 0]
            own = features[mine]
            values = constant + own @ linear + 0.5 * ((own @ matrix) * own).sum(dim=-1)
            energies = energies.index_add(0, mine, values)
        return energies

    def _forms(self, K: int) -> tuple[Tensor, Tensor, Tensor]:
        """β_0, β and the symmetric α of each element."""
        table = self.coefficients.reshape(int(self.n_species), -1)
        upper, lower = torch.triu_indices(K, K, device=table.device)
        half = table.new_zeros(len(table), K, K).index_put(
            (torch.arange(len(table))[:, None], upper, lower), table[:, K + 1 :]
        )
        return table[:, 0], table[:, 1 : K + 1], half + half.mT - torch.diag_embed(half.diagonal(dim1=1, dim2=2))

    def compiled(self) -> CompiledPart:
        """Constants, coefficients and matrices."""
        columns = self.coefficients.numel() // int(self.n_species)  # 1 + K + K (K + 1) / 2
        constants, linear, matrices = self._forms((math.isqrt(8 * columns + 1) - 3) // 2)
        return CompiledPart.of("quadratic", constants=constants, coefficients=linear, quadratic=matrices)

    def lammps(self) -> CoefficientTable:
        """A row per element, as stored."""
        return CoefficientTable(self.coefficients.detach().reshape(int(self.n_species), -1), quadratic=True)

    @classmethod
    def example(cls) -> "QuadraticRegressor":
        """An instance, not yet set up."""
        return cls()


def _force_products(graph: Graph, features: Tensor, jacobian: Tensor) -> Float[Tensor, "atoms 3 features features"]:
    """Σ ± G_k dG_l/dr over the edges that start (+) and end (-) at each atom; all edges that start share G."""
    K = features.shape[1]
    starting = jacobian.new_zeros(graph.n_atoms, 3, K).index_add(0, graph.center, jacobian)
    products = features[:, None, :, None] * starting[:, :, None, :]
    order = torch.argsort(graph.neighbor, stable=True)
    ends = torch.bincount(graph.neighbor, minlength=graph.n_atoms).cumsum(0).tolist()
    for atom, (start, stop) in enumerate(zip([0, *ends], ends, strict=False)):
        ending = order[start:stop]
        summed = features[graph.center[ending]].T @ jacobian[ending].flatten(1)
        products[atom] -= summed.reshape(K, 3, K).transpose(0, 1)
    return products


def _stress_products(graph: Graph, features: Tensor, jacobian: Tensor) -> Tensor:
    """Σ r_ij ⊗ G_k dG_l/dr / V over the edges of each structure: (structures, 3, 3, features, features)."""
    K = features.shape[1]
    counts = torch.bincount(graph.structure[graph.center], minlength=graph.n_structures).tolist()
    parts = [graph.r_ij.split(counts), features[graph.center].split(counts), jacobian.flatten(1).split(counts)]
    summed = torch.stack(
        [
            torch.stack([((G * r[:, x, None]).T @ dG).reshape(K, 3, K).transpose(0, 1) for x in range(3)])
            for r, G, dG in zip(*parts, strict=True)
        ]
    )
    dX_dstrain = summed / graph.volume[:, None, None, None, None]
    return 0.5 * (dX_dstrain + dX_dstrain.transpose(1, 2))


def _symmetric_products(products: Float[Tensor, "... features features"]) -> Float[Tensor, "... products"]:
    """Upper triangle of G_k dG_l + G_l dG_k, the diagonal halved."""
    first, second = torch.triu_indices(*products.shape[-2:], device=products.device)
    both = products[..., first, second] + products[..., second, first]
    return both * torch.where(first == second, 0.5, 1.0).to(both)


def _products(features: Float[Tensor, "rows features"]) -> Float[Tensor, "rows products"]:
    """Upper triangle of the products of features, the diagonal halved."""
    K = features.shape[1]
    first, second = torch.triu_indices(K, K, device=features.device)
    factor = torch.where(first == second, 0.5, 1.0).to(features.dtype)
    return features[:, first] * features[:, second] * factor
