"""Models that give forces without an energy: no `Potential`, and kept apart from potentials on purpose.

Forces that are learned as such are the gradient of nothing, so dynamics with them does not conserve energy, there is no
stress, and no free energy follows from them. Whatever needs an energy does not take such a model; `archive.load`
refuses its file, and who wants forces alone asks for them with `archive.load_model`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.configurable import Configurable
from cambrian.contracts.evaluate import Prediction, refuse_unknown_elements
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.graph import Graph

NOT_CONSERVED = "its forces are the gradient of no energy, so energy is not conserved"


@dataclass(frozen=True)
class Projections:
    """Of atoms of one element: rows · coefficients = forces projected on the directions, the unknown of a fit.

    `atoms`: where they stand in the graph; `directions` are not quite unit vectors.
    """

    element: int
    atoms: Int[Tensor, "chosen"]
    rows: Float[Tensor, "chosen points"]
    directions: Float[Tensor, "chosen projections 3"]


class ForceModel(Configurable, nn.Module, ABC):
    """Forces of structures, rotating with them, from kernels of atomic environments. Concrete classes are final.

    `cutoff` (Å) is the length of the edges it reads. The force on an atom is what agrees best with projections on
    `directions` of its own, each a kernel sum over sparse points of the same element.
    """

    cutoff: float
    elements: Tensor
    length: float
    rooms = ("networks",)

    def __init__(self):
        super().__init__()
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))

    @property
    def receptive_field(self) -> float:
        """Distance in Å beyond which no atom changes the force on another."""
        return self.cutoff

    def terms(self) -> Iterator["ForceModel"]:
        """This model itself: such models do not add up."""
        yield self

    def setup(self, train: Dataset) -> None:
        """Fix everything that depends on data; called once, by `fit`. Extend it, and call this one first."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    @abstractmethod
    def projections(self, graph: Graph) -> Iterator[Projections]:
        """The linear problem of the atoms of a graph, element by element."""

    @abstractmethod
    def prior(self, element: int) -> Float[Tensor, "points points"]:
        """K_MM: the kernel among the points of an element."""

    @abstractmethod
    def assign(self, element: int, coefficients: Float[Tensor, "points projections"]) -> None:
        """Take the coefficients of an element."""

    @abstractmethod
    def forces(self, graph: Graph) -> Float[Tensor, "atoms 3"]:
        """Forces in eV/Å, of a graph whose edges reach at least `cutoff`."""

    @torch.no_grad()
    def predict(self, graph: Graph) -> Prediction:
        """Forces in the form in which potentials predict: the energy is NaN, there is no stress.

        Raises UserError for an element that was not in `setup`.
        """
        refuse_unknown_elements(self, graph)
        nothing = graph.cell.new_full((graph.n_structures,), torch.nan)
        return Prediction(nothing, self.forces(graph.within(self.cutoff)))


Model = Potential | ForceModel
