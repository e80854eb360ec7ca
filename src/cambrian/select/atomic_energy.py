"""Uniform over atomic energies: structures that hold an atom whose energy is rare come as often as common ones.

Finkbeiner et al., "Efficient data selection methods for the development of machine learning potentials", ICLR SimDL
workshop (2021): the selection by local energy.
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


class AtomicEnergySelector(Selector):
    """Uniform over histograms of the atomic energies of a potential, one histogram for each element.

    n_bins: bins of equal width between the lowest and the highest energy of an element.
    """

    needs_potential = True

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
        if potential is None:
            raise UserError("atomic energies are those of a potential; give one (--potential)")
        pool = Pool.of(candidates, known)
        energies = []
        for p in predictions(potential, pool.data):
            if p.energies is None:
                raise UserError("this potential has an energy, but no atomic energies to select by")
            energies.append(p.energies)
            progress(len(energies) / len(pool.data))
        if not energies:
            return []
        chosen = evenly(
            np.concatenate(energies),
            np.repeat(np.arange(len(pool.data)), [len(s) for s in pool.data]),
            n,
            n_bins=self.n_bins,
            kind=np.searchsorted(pool.data.numbers, np.concatenate([s.atoms.numbers for s in pool.data])),
            n_known=pool.n_known,
            seed=seed,
        )
        return pool.indices(chosen)

    @classmethod
    def example(cls) -> "AtomicEnergySelector":
        """Few bins."""
        return cls(n_bins=5)
