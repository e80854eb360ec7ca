"""Linear regressor: E_i = β_0(s) + Σ_k β_k(s) G_ik, one constant and one row of coefficients per element s.

A. P. Thompson et al., J. Comput. Phys. 285, 316 (2015): with the bispectrum as features this is SNAP.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import CoefficientTable
from cambrian.contracts.regressor import BasisRegressor, species_blocks


class LinearRegressor(BasisRegressor):
    """A constant and a linear form per element; coefficients are stored element by element, the constant first."""

    def __init__(self):
        super().__init__()
        self.coefficients = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.register_buffer("n_species", torch.tensor(1))

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """All coefficients zero."""
        self.n_species = torch.tensor(n_species)
        self.coefficients = nn.Parameter(features.new_zeros(n_species * (1 + features.shape[1])))

    def basis(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Tensor:
        """(1, G_1, G_2 ...) in the block of the row's element."""
        ones = features.new_ones(features.shape[0], 1)
        return species_blocks(torch.cat([ones, features], dim=-1), species, int(self.n_species))

    def push(
        self, features: Tensor, jacobian: Float[Tensor, "edges 3 features"], species: Int[Tensor, "edges"]
    ) -> Tensor:
        """(0, dG_1, dG_2 ...) in the block of the center's element."""
        zeros = jacobian.new_zeros(*jacobian.shape[:2], 1)
        return species_blocks(torch.cat([zeros, jacobian], dim=-1), species, int(self.n_species))

    def rows_of_sums(self, sums: Float[Tensor, "*where species features"]) -> Float[Tensor, "*where coefficients"]:
        """(0, dG_1, dG_2 ...) of every element."""
        return torch.cat([sums.new_zeros(*sums.shape[:-1], 1), sums], dim=-1).flatten(-2)

    def roughness(self, of_features: Float[Tensor, "species features"]) -> Float[Tensor, "coefficients"]:
        """That of its feature, in units of the least; a constant has 1."""
        relative = (of_features / of_features.min()).expand(int(self.n_species), -1)
        return torch.cat([torch.ones_like(relative[:, :1]), relative], dim=1).flatten()

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """β_0 + β · G with the coefficients of each row's element."""
        table = self.coefficients.reshape(int(self.n_species), -1)
        return table[species, 0] + (features * table[species, 1:]).sum(dim=-1)

    def constant_slopes(self) -> Float[Tensor, "species features"]:
        """β without the constants."""
        return self.coefficients.reshape(int(self.n_species), -1)[:, 1:]

    def lammps(self) -> CoefficientTable:
        """A row per element, the constant first."""
        return CoefficientTable(self.coefficients.detach().reshape(int(self.n_species), -1), quadratic=False)

    def compiled(self) -> CompiledPart:
        """Constants and coefficients."""
        table = self.coefficients.reshape(int(self.n_species), -1)
        return CompiledPart.of("linear", constants=table[:, 0], coefficients=table[:, 1:])

    @classmethod
    def example(cls) -> "LinearRegressor":
        """An instance, not yet set up."""
        return cls()
