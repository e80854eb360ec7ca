"""A constant per element that a solver fits together with the rest: E = Σ_i Δ(s_i).

Reference energies by least squares belong to a model that has no energy of its own; a pair potential binds, so the
constants must move when it does. They stand beside `IsolatedAtoms`, which takes away what is large.
"""

import torch
from torch import nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.lammps import LammpsConstants
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.composition import stated_atomic_energies
from cambrian.data.dataset import Dataset
from cambrian.elements import symbols
from cambrian.graph import Graph


class ElementShifts(Potential):
    """Shifts in eV, zero before the fit; elements whose isolated atom is in the data keep zero, and true binding."""

    def __init__(self):
        super().__init__()
        self.cutoff = 0.0
        self.shifts = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.register_buffer("free", torch.zeros(0, dtype=torch.int64))

    def setup(self, train: Dataset) -> None:
        """Decide which elements are free."""
        super().setup(train)
        known = stated_atomic_energies(train)
        self.free = torch.tensor([k for k, z in enumerate(train.numbers) if z not in known], dtype=torch.int64)
        self.shifts = nn.Parameter(torch.zeros(len(self.free), dtype=torch.float64))

    def by_element(self) -> torch.Tensor:
        """Shift of each element, (elements,) eV."""
        return self.shifts.new_zeros(len(self.elements)).index_add(0, self.free, self.shifts)

    def forward(self, graph: Graph) -> Terms:
        """Look up each atom's shift."""
        if not len(self.elements):
            return Terms.of_atoms(self.shifts.new_zeros(graph.n_atoms), graph)
        return Terms.of_atoms(self.by_element()[torch.searchsorted(self.elements, graph.numbers)], graph)

    def lammps(self) -> LammpsConstants:
        """Constants, for a pair style to carry."""
        return LammpsConstants(dict(zip(symbols(self.elements), self.by_element().tolist(), strict=True)))

    def compiled(self, numbers: list[int]) -> list[CompiledPart]:
        """Constants."""
        shifts = self.by_element() if len(self.elements) else [0.0] * len(numbers)
        return [CompiledPart.of("constants", energies=shifts)]

    @classmethod
    def example(cls) -> "ElementShifts":
        """Before the fit: no shift for any element."""
        return cls()
