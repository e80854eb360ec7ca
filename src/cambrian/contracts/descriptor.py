"""The contract of a descriptor: features of each atom's environment (or of a whole structure).

Elements may differ in their number of features: the columns an element does not use are zero, and stay zero.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from ase import Atoms
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.configurable import Configurable
from cambrian.contracts.atomic_network import SymmetryFunctions
from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import CoefficientTable, LammpsForm, NetworkTable
from cambrian.data.dataset import Dataset
from cambrian.graph import Graph
from cambrian.native.sparse_kernel import PowerSums
from cambrian.native.symmetry_functions import PlainNetwork

# graph, species of its atoms, whether features are wanted -> atomic energies, dE/dr_ij and features
Sweep = Callable[[Graph, Tensor, bool], tuple[Tensor, Tensor, Tensor | None]]


class DescriptorKernel(Protocol):
    """A compiled route to a descriptor: features, and the adjoint that turns dE/dfeatures into dE/dr_ij."""

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The same values as the descriptor's own `features`."""
        ...

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """The same values as the descriptor's own `jacobian`."""
        ...

    def pull(self, graph: Graph, slopes: Float[Tensor, "atoms features"]) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge from the slopes dE_i/dfeatures of every atom."""
        ...

    def energies_and_pull(
        self, graph: Graph, slopes: Float[Tensor, "species features"], species: Int[Tensor, "atoms"]
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Σ_k slopes[species_i, k] features[i, k] and its dE/dr_ij in one sweep: energies linear in the features."""
        ...

    def row_sums(self, graph: Graph, species: Int[Tensor, "atoms"], n_species: int) -> "RowSums | None":
        """What rows of a fit are made of; None where these loops add up nothing."""
        return None

    def fused(self, networks: list[PlainNetwork]) -> "Sweep | None":
        """One sweep for the networks of all species; None where these loops have no networks."""
        return None

    def summed(self, sums: PowerSums) -> "Sweep | None":
        """One sweep for sparse points of all species; None where these loops know none."""
        return None


class RowSums(NamedTuple):
    """Features, and their derivatives added up over the edges of each species of center.

    `forces`: dfeatures/dr_ij of the edges of an atom less those of the edges to it; `strain`: Σ r_ij dfeatures/dr_ij
    over each structure, symmetric.
    """

    features: Float[Tensor, "atoms features"]
    forces: Float[Tensor, "atoms 3 species features"]
    strain: Float[Tensor, "structures 3 3 species features"]


class Descriptor(Configurable, nn.Module, ABC):
    """Features (atoms, n_features) of a graph; `per` is "atom", or "structure" for whole molecules."""

    cutoff: float
    n_features: int
    per: str = "atom"
    differentiable: bool = True
    rooms = ("descriptors",)

    @property
    def fixed(self) -> bool:
        """Whether the features depend on the geometry alone, so that they can be computed once before training."""
        return not any(p.requires_grad for p in self.parameters())

    def setup(self, train: Dataset) -> None:  # noqa: B027 - most descriptors need nothing of the data
        """Fix what depends on data: usually the list of elements, and with it `n_features`."""

    @abstractmethod
    def features(self, graph: Graph) -> Float[Tensor, "rows features"]:
        """Features of every atom (or structure); differentiable in r_ij."""

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and the derivative of each edge's center features with respect to r_ij of that edge.

        This truth takes one reverse sweep per feature; descriptors that know better override it.
        """
        with torch.enable_grad():
            r_ij = graph.r_ij.detach().requires_grad_()
            leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
            features = self.features(leaves)
            if not features.requires_grad:
                return features, r_ij.new_zeros(*r_ij.shape, features.shape[1])
            columns = [
                torch.autograd.grad(features[:, k].sum(), r_ij, retain_graph=True, materialize_grads=True)[0]
                for k in range(features.shape[1])
            ]
        return features.detach(), torch.stack(columns, dim=-1) if columns else r_ij.new_zeros(*r_ij.shape, 0)

    def roughness(self) -> Float[Tensor, "elements features"] | None:
        """How fast each column varies with the geometry, above zero, in any unit: the ridge of a linear fit grows so.

        A basis that knows the degree of its functions tells it here, once set up; one row serves where all elements
        have the same columns. None: all columns alike.
        """
        return None

    def name_of(self, atomic_number: int, feature: int) -> str:
        """What a column of an element's features measures, in words, where columns have a meaning."""
        return f"feature {feature}"

    def kernel(self) -> DescriptorKernel | None:
        """The compiled route to these features where one exists on this machine."""
        return None

    def symmetry_functions(self) -> SymmetryFunctions | None:
        """The functions that the columns are, once set up; None where they are something else."""
        return None

    def lammps(self, elements: list[str], table: CoefficientTable | NetworkTable) -> LammpsForm | None:
        """These features with a regressor's coefficients, in the form that stock LAMMPS reads; None where it has none.

        `elements` are the symbols of the rows of the table.
        """
        return None

    def compiled(self, numbers: list[int]) -> CompiledPart | None:
        """These features as arrays for the compiled library, for elements of these atomic numbers; None without."""
        return None

    @classmethod
    @abstractmethod
    def example(cls) -> "Descriptor":
        """A small instance, ready to use on the elements H, C and O; tests, docs and benchmarks build this one."""

    @classmethod
    def example_atoms(cls) -> list[Atoms]:
        """Structures that suit the example, where not any of its elements will do (molecules of one size ...)."""
        return []
