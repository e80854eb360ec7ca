"""Uniform over the energy: as many structures from its rare values as from its common ones.

Finkbeiner et al., "Efficient data selection methods for the development of machine learning potentials", ICLR SimDL
workshop (2021): the selection by global energy.
"""

from collections.abc import Callable

import numpy as np

from cambrian.contracts.potential import Potential
from cambrian.contracts.predict import predictions
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.subsets import evenly
from cambrian.select.pool import Pool


class EnergySelector(Selector):
    """Uniform over a histogram of the energy per atom: the labels', or else the potential's where one is not labelled.

    n_bins: bins of equal width between the lowest and the highest energy. Known structures fill their bins.
    """

    def __init__(self, *, n_bins: int = 50):
        self.n_bins = n_bins

    def choose(
        self,
        candidates: Dataset,
        n: int,
        *,
        known: Dataset | None = None,
        potential: Potential | None = None,
        seed: int = 0,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> list[int]:
        """Draw bins evenly, and from a bin at random."""
        pool = Pool.of(candidates, known)
        values = energies_per_atom(pool.data, potential, progress)
        return pool.indices(
            evenly(values, np.arange(len(values)), n, n_bins=self.n_bins, n_known=pool.n_known, seed=seed)
        )

    @classmethod
    def example(cls) -> "EnergySelector":
        """Few bins."""
        return cls(n_bins=5)


def energies_per_atom(data: Dataset, potential: Potential | None, progress: Callable[[float], None]) -> np.ndarray:
    """Labels in eV/atom where every structure has one, else what the potential says; UserError without either."""
    if all(s.has_energy for s in data):
        return np.array([s.energy_per_atom for s in data])
    if potential is None:
        where = next(s.where for s in data if not s.has_energy)
        raise UserError(f"{where}: has no energy to select by; give a potential (--potential) that tells it")
    values = []
    for s, p in zip(data, predictions(potential, data), strict=True):
        values.append(p.energy / len(s))
        progress(len(values) / len(data))
    return np.array(values)
