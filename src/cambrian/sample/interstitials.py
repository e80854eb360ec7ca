"""Interstitials: structures with atoms put into the room between the others."""

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import get_distances

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.elements import number
from cambrian.errors import UserError
from cambrian.sample.starting import seed_of, starting

TRIES = 2000  # per atom


class Interstitials(Sampler):
    """`n` structures from each start with `n_added` atoms of `element` at random places of the cell.

    No new atom is nearer to another than `closest` times the sum of their covalent radii. The total charge is kept.
    """

    needs_driver = False

    def __init__(self, element: str, *, n: int = 20, n_added: int = 1, closest: float = 0.7):
        if n < 1 or n_added < 1:
            raise UserError("interstitials need n >= 1 and n_added >= 1")
        self.element, self.n, self.n_added, self.closest = element, n, n_added, closest
        self.number = number(element)

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Draw them; raises UserError for a start without a cell, and where there is no room."""
        starts, drawn = starting(start), []
        for k, atoms in enumerate(starts):
            if atoms.cell.rank < 3:
                raise UserError("interstitials need a structure with a cell, in which they are put")
            rng = np.random.default_rng(seed_of(seed, k))
            drawn += [self._filled(atoms, rng) for _ in range(self.n)]
            progress("interstitials", (k + 1) / len(starts), f"{len(drawn)} structures")
        return drawn

    def _filled(self, atoms: Atoms, rng: np.random.Generator) -> Atoms:
        filled = atoms.copy()
        for _ in range(self.n_added):
            filled += Atoms([self.number], positions=[self._place(filled, rng)])
        kind = "interstitial" if self.n_added == 1 else f"{self.n_added} interstitials"
        filled.info["config_type"] = kind
        return filled

    def _place(self, atoms: Atoms, rng: np.random.Generator) -> np.ndarray:
        apart = self.closest * (covalent_radii[atoms.numbers] + covalent_radii[self.number])
        for _ in range(TRIES):
            place = rng.random(3) @ atoms.cell.array
            distances = get_distances(place[None], atoms.positions, cell=atoms.cell, pbc=atoms.pbc)[1][0]
            if (distances > apart).all():
                return place
        raise UserError(
            f"{atoms.get_chemical_formula()} has no room for {self.element} at {self.closest} of the covalent "
            "distance; lower closest"
        )

    @classmethod
    def example(cls) -> "Interstitials":
        """Hydrogen in two structures."""
        return cls("H", n=2, closest=0.5)
