"""Reference energies: E = Σ_i E0(s_i), the part of a total energy that has nothing to do with bonding.

E0 is the energy of the isolated atom where the data hold one of each element; otherwise the least-squares solution of
E = Σ_s n_s E0(s), the one of least norm where the compositions do not decide it.
"""

from collections.abc import Callable

import numpy as np
import torch

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.evaluate import Prediction
from cambrian.contracts.lammps import LammpsConstants
from cambrian.contracts.pair_route import without_forces
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.composition import stated_atomic_energies
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph


class IsolatedAtoms(Potential):
    """A constant per element, eV; `energies` gives known ones by symbol, the data decide the others."""

    def __init__(self, energies: dict[str, float] | None = None):
        super().__init__()
        self.cutoff = 0.0
        self.known = {number(s): e for s, e in (energies or {}).items()}
        self.elements = torch.tensor(sorted(self.known), dtype=torch.int64)
        self.register_buffer("energies", torch.tensor([self.known[z] for z in sorted(self.known)], dtype=torch.float64))

    def setup(self, train: Dataset) -> None:
        """Take E0 from the constructor, from single atoms in the data, or by least squares, in this order.

        Raises UserError when the data hold no energy and the constructor does not give all.
        """
        super().setup(train)
        stated = {z: energies[-1] for z, energies in stated_atomic_energies(train).items()}
        known = stated | self.known
        unknown = [z for z in train.numbers if z not in known]
        if unknown:
            known |= _least_squares(train, unknown, known)
        self.energies = torch.tensor([known[z] for z in train.numbers], dtype=torch.float64)

    def forward(self, graph: Graph) -> Terms:
        """Look up each atom's constant."""
        species = torch.searchsorted(self.elements, graph.numbers)
        return Terms.of_atoms(self.energies[species], graph)

    def native(self) -> Callable[[Graph], Prediction]:
        """The same without derivatives."""
        return lambda graph: without_forces(graph, self.energies[torch.searchsorted(self.elements, graph.numbers)])

    def lammps(self) -> LammpsConstants:
        """Constants, for a pair style to carry."""
        return LammpsConstants(dict(zip(symbols(self.elements), self.energies.tolist(), strict=True)))

    def compiled(self, numbers: list[int]) -> list[CompiledPart]:
        """Constants."""
        return [CompiledPart.of("constants", energies=self.energies)]

    @classmethod
    def example(cls) -> "IsolatedAtoms":
        """Hydrogen, carbon and oxygen."""
        return cls({"H": -13.6, "C": -1028.0, "O": -2040.0})


def _least_squares(data: Dataset, unknown: list[int], known: dict[int, float]) -> dict[int, float]:
    labelled = [s for s in data if s.has_energy]
    if not labelled:
        names = ", ".join(symbol(z) for z in unknown)
        raise UserError(f"no structure has an energy, so the reference energies of {names} cannot be found")
    counts = np.array([[np.count_nonzero(s.atoms.numbers == z) for z in unknown] for s in labelled], dtype=float)
    offset = np.array([sum(e * np.count_nonzero(s.atoms.numbers == z) for z, e in known.items()) for s in labelled])
    energies = np.array([s.energy for s in labelled])
    sizes = np.array([len(s) for s in labelled], dtype=float)
    solution = np.linalg.lstsq(counts / sizes[:, None], (energies - offset) / sizes, rcond=1e-8)[0]
    return dict(zip(unknown, solution.tolist(), strict=True))
