"""The contract of a regressor: features to energies, one set of parameters per element.

A `BasisRegressor` is linear in its coefficients, E_i = c · φ(features_i), which is all that least squares needs.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.configurable import Configurable
from cambrian.contracts.atomic_network import AtomicNetwork
from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import CoefficientTable, NetworkTable
from cambrian.contracts.linear import force_and_stress_rows
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.native.sparse_kernel import PowerSums


class Regressor(Configurable, nn.Module, ABC):
    """Energies (eV) of atoms from their features; `species` is the index of an element in the potential's list."""

    rooms = ("regressors",)

    def meet(self, elements: list[str]) -> None:  # noqa: B027 - most regressors treat all elements alike
        """Learn which element (symbol) each species is; called before `setup`."""

    @abstractmethod
    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Make the parameters, and scales from the features of the training set."""

    def widen(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> None:  # noqa: B027
        """Take in environments of data that a fit goes on with; parameters that are there keep their values."""

    @abstractmethod
    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Energy of each row in eV."""

    def constant_slopes(self) -> Float[Tensor, "species features"] | None:
        """dE/dfeatures where it does not depend on the features (a linear regressor); None otherwise."""
        return None

    def lammps(self) -> CoefficientTable | NetworkTable | None:
        """The coefficients or layers as stock LAMMPS orders them; None where it knows no such regressor."""
        return None

    def compiled(self) -> CompiledPart | None:
        """The coefficients as arrays for the compiled library; None without, and where `networks` says it all."""
        return None

    def power_sums(self) -> PowerSums | None:
        """Sparse points and coefficients in plain numbers, where energies are sums of powers of cosines; else None."""
        return None

    def networks(self) -> list[AtomicNetwork] | None:
        """The network of each element in plain numbers, for files of other programs; None where it is no such thing."""
        return None

    def take(self, networks: list[AtomicNetwork]) -> None:
        """Become networks of others, one per element; their shapes must fit the constructor."""
        raise UserError(f"{type(self).__name__} cannot take the networks of others")

    @classmethod
    @abstractmethod
    def example(cls) -> "Regressor":
        """A small instance, not yet set up."""


class BasisRegressor(Regressor, ABC):
    """A regressor that is linear in `coefficients` (n_coefficients,)."""

    coefficients: Float[Tensor, "coefficients"]

    @abstractmethod
    def basis(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows coefficients"]:
        """The functions φ that the coefficients multiply."""

    @abstractmethod
    def push(
        self,
        features: Float[Tensor, "edges features"],
        jacobian: Float[Tensor, "edges 3 features"],
        species: Int[Tensor, "edges"],
    ) -> Float[Tensor, "edges 3 coefficients"]:
        """dφ/dr_ij from dfeatures/dr_ij, all of the center of each edge."""

    def derivative_rows(
        self,
        graph: Graph,
        features: Float[Tensor, "atoms features"],
        jacobian: Float[Tensor, "edges 3 features"],
        species: Int[Tensor, "atoms"],
    ) -> tuple[Float[Tensor, "atoms 3 coefficients"], Float[Tensor, "structures 3 3 coefficients"]]:
        """Rows of forces and stress; a regressor with many coefficients may add up before it multiplies out."""
        push = self.push(features[graph.center], jacobian, species[graph.center])
        return force_and_stress_rows(graph, push)

    def rows_of_sums(
        self, sums: Float[Tensor, "*where species features"]
    ) -> Float[Tensor, "*where coefficients"] | None:
        """Derivatives of Σ φ from those of the features' sums; None for φ that are not linear in the features."""
        return None

    def prior(self) -> Float[Tensor, "rows coefficients"] | None:
        """Factor R of a penalty |R c|² that belongs to the model; None for a flat prior."""
        return None

    def roughness(self, of_features: Float[Tensor, "species features"]) -> Float[Tensor, "coefficients"] | None:
        """That of each coefficient from that of the features (contracts/linear.py); None where it follows from none."""
        return None

    def unlikeness(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows"] | None:
        """How unlike all its sparse points each row is, 0 to 1; None for a basis that has no such points."""
        return None

    def open_variance(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows"]:
        """Variance of the energies (eV²) that no coefficient stands for: what sparse points leave open, else none."""
        return torch.zeros_like(features[:, 0])

    def scale_prior(self, factor: float) -> None:  # noqa: B027 - a flat prior has no scale
        """Let the coefficients vary `factor` times as much a priori."""

    def shape(self) -> float | None:
        """The number that shapes the basis (a kernel's length or exponent), where a solver may change it."""
        return None

    def reshape(self, value: float) -> None:
        """Change that number; raises UserError where there is none."""
        raise UserError(f"{type(self).__name__} has no shape to change")

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Energy of each row in eV."""
        return self.basis(features, species) @ self.coefficients


def species_blocks(values: Float[Tensor, "rows ... columns"], species: Int[Tensor, "rows"], n_species: int) -> Tensor:
    """Place the columns of each row into the block of its species: (rows, ..., n_species * columns)."""
    if n_species == 1:
        return values
    chosen = torch.nn.functional.one_hot(species, n_species).to(values.dtype)
    chosen = chosen.reshape(-1, *[1] * (values.dim() - 2), n_species, 1)
    return (chosen * values[..., None, :]).flatten(-2)
