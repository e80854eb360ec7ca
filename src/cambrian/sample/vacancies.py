"""Vacancies: structures from which atoms were taken at random."""

from math import comb
from pathlib import Path

import numpy as np
from ase import Atoms

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.elements import number
from cambrian.errors import UserError
from cambrian.sample.starting import seed_of, starting


class Vacancies(Sampler):
    """`n` structures from each start with `n_removed` atoms taken away, of one `element` or of any; none twice.

    Where there are fewer than `n` ways, all of them are given. Neighbors keep their places: rattle or run dynamics
    afterwards, or relax. The total charge is kept.
    """

    needs_driver = False

    def __init__(self, *, n: int = 20, n_removed: int = 1, element: str | None = None):
        if n < 1 or n_removed < 1:
            raise UserError("vacancies need n >= 1 and n_removed >= 1")
        self.n, self.n_removed, self.element = n, n_removed, element

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Draw them; raises UserError where a start has too few such atoms, or none would be left."""
        starts, drawn = starting(start), []
        for k, atoms in enumerate(starts):
            removed = self._choices(atoms, np.random.default_rng(seed_of(seed, k)))
            drawn += [_without(atoms, indices, self.n_removed) for indices in removed]
            progress("vacancies", (k + 1) / len(starts), f"{len(drawn)} structures")
        return drawn

    def _choices(self, atoms: Atoms, rng: np.random.Generator) -> list[tuple[int, ...]]:
        every = np.arange(len(atoms))
        sites = every if self.element is None else every[atoms.numbers == number(self.element)]
        if len(sites) < self.n_removed or len(atoms) == self.n_removed:
            kind = "atoms" if self.element is None else f"atoms of {self.element}"
            raise UserError(f"{atoms.get_chemical_formula()} has {len(sites)} {kind}: too few to take {self.n_removed}")
        chosen: dict[tuple[int, ...], None] = {}
        while len(chosen) < min(self.n, comb(len(sites), self.n_removed)):
            indices = sorted(rng.choice(sites, self.n_removed, replace=False).tolist())
            chosen[tuple(indices)] = None
        return list(chosen)

    @classmethod
    def example(cls) -> "Vacancies":
        """Two structures."""
        return cls(n=2)


def _without(atoms: Atoms, indices: tuple[int, ...], n_removed: int) -> Atoms:
    left = atoms.copy()
    del left[list(indices)]
    left.info["config_type"] = "vacancy" if n_removed == 1 else f"{n_removed} vacancies"
    return left
