"""A potential that keeps its parameters while others are fitted."""

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import LammpsForm
from cambrian.contracts.potential import Potential, Sum, Terms
from cambrian.data.dataset import Dataset
from cambrian.graph import Graph


class Frozen(Potential):
    """A potential whose parameters no solver changes: what it predicts is subtracted from the labels.

    Its ranges stay too where a fit goes on: it learns nothing of the new structures.
    """

    def __init__(self, potential: Potential):
        super().__init__()
        self.potential = potential.requires_grad_(False)
        self.elements = potential.elements.clone()
        self.cutoff, self.scope = potential.cutoff, potential.scope
        self.extensive, self.differentiable = potential.extensive, potential.differentiable

    @property
    def receptive_field(self) -> float:
        """That of the potential inside, Å."""
        return self.potential.receptive_field

    def setup(self, train: Dataset) -> None:
        """Set up the potential inside; its parameters stay frozen."""
        super().setup(train)
        self.potential.setup(train)
        self.potential.requires_grad_(False)

    def forward(self, graph: Graph) -> Terms:
        """The potential inside."""
        return self.potential(graph)

    def native(self):
        """The compiled route of the potential inside."""
        return self.potential.native()

    def lammps(self) -> LammpsForm | None:
        """That of the potential inside."""
        return self.potential.lammps()

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """That of the potential inside."""
        return self.potential.compiled(numbers)

    @classmethod
    def example(cls) -> "Frozen":
        """A frozen empty sum."""
        return cls(Sum.example())
