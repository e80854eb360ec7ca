"""Uniform over the forces on atoms: structures that hold a rare net force come as often as common ones.

Finkbeiner et al., "Efficient data selection methods for the development of machine learning potentials", ICLR SimDL
workshop (2021): the selection by force.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.potential import Potential
from cambrian.contracts.predict import predictions
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.subsets import evenly
from cambrian.select.pool import Pool


class ForceSelector(Selector):
    """Uniform over a histogram of |F_i|: the labels', or else the potential's where one is not labelled.

    n_bins: bins of equal width between no force and the largest.
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
        """Draw bins evenly, and from a bin a structure that has an atom in it."""
        pool = Pool.of(candidates, known)
        values = magnitudes(pool.data, potential, progress)
        if not values:
            return []
        owner = np.repeat(np.arange(len(values)), [len(v) for v in values])
        chosen = evenly(np.concatenate(values), owner, n, n_bins=self.n_bins, n_known=pool.n_known, seed=seed)
        return pool.indices(chosen)

    @classmethod
    def example(cls) -> "ForceSelector":
        """Few bins."""
        return cls(n_bins=5)


def magnitudes(data: Dataset, potential: Potential | None, progress: Callable[[float], None]) -> list[NDArray]:
    """|F_i| in eV/Å of each structure: labels where all have them, else the potential's; UserError without either."""
    labelled = [s.forces for s in data if s.forces is not None and np.isfinite(s.forces).all()]
    if len(labelled) == len(data):
        return [np.linalg.norm(forces, axis=1) for forces in labelled]
    if potential is None:
        where = next(s.where for s in data if s.forces is None or not np.isfinite(s.forces).all())
        raise UserError(f"{where}: lacks forces to select by; give a potential (--potential) that tells them")
    values = []
    for p in predictions(potential, data):
        if p.forces is None:
            raise UserError("this potential gives no forces to select by")
        values.append(np.linalg.norm(p.forces, axis=1))
        progress(len(values) / len(data))
    return values
