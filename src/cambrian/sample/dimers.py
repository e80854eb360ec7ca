"""Dimers: every pair of elements at distances from close contact to where nothing is felt."""

from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.sample.starting import starting


class Dimers(Sampler):
    """`n` distances for each pair of the elements of the starts, from `closest` covalent distances to `farthest` Å.

    Total charge 0 and spin 0, or 1 where the number of electrons is odd: change them where another state is meant.
    """

    needs_driver = False

    def __init__(self, *, n: int = 20, closest: float = 0.6, farthest: float = 6.0):
        if n < 2 or not closest > 0:
            raise UserError("dimers need n >= 2 and closest above 0")
        self.n, self.closest, self.farthest = n, closest, farthest

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Make them, without a cell; raises UserError where `farthest` is nearer than the closest distance."""
        starting(start)  # refuses an empty start
        pairs = []
        for a, b in combinations_with_replacement(start.numbers, 2):
            name = f"{symbol(a)}-{symbol(b)}"
            nearest = self.closest * (covalent_radii[a] + covalent_radii[b])
            if nearest >= self.farthest:
                raise UserError(f"farthest ({self.farthest} Å) must exceed the closest {name}, {nearest:.2f} Å")
            info = {"config_type": f"dimer {name}", "total_charge": 0.0, "spin": float((a + b) % 2)}
            for distance in np.geomspace(nearest, self.farthest, self.n):
                pairs.append(Atoms([a, b], positions=[[0, 0, 0], [0, 0, distance]], info=dict(info)))
        return pairs

    @classmethod
    def example(cls) -> "Dimers":
        """Three distances."""
        return cls(n=3)
