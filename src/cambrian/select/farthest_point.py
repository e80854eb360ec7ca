"""Farthest points: every structure is chosen for being unlike all those before it.

T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985).
"""

from collections.abc import Callable
from typing import Literal

from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.potential import Potential
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.math.subsets import farthest
from cambrian.select.features import descriptor_for, points_of_atoms, points_of_structures
from cambrian.select.pool import Pool


class FarthestPoint(Selector):
    """Farthest-point sampling in the space of a descriptor, away from known structures.

    descriptor: what is compared; that of the potential where not given.
    by: `structures` compares averages over the atoms of each element, `atoms` takes the structure that holds the most
        unusual atom (more memory: a point for each atom).
    The first is random where nothing is known.
    """

    def __init__(self, *, descriptor: Descriptor | None = None, by: Literal["structures", "atoms"] = "structures"):
        self.descriptor, self.by = descriptor, by

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
        """The farthest from all known and chosen, one after another."""
        pool = Pool.of(candidates, known)
        descriptor = descriptor_for(pool.data, self.descriptor, potential)
        points_of = {"structures": points_of_structures, "atoms": points_of_atoms}[self.by]
        points = points_of(pool.data, descriptor, lambda fraction: progress(0.8 * fraction))
        chosen = farthest(
            points.rows,
            points.owner,
            n,
            n_known=pool.n_known,
            seed=seed,
            progress=lambda fraction: progress(0.8 + 0.2 * fraction),
        )
        return pool.indices(chosen)

    @classmethod
    def example(cls) -> "FarthestPoint":
        """By the descriptor of the potential."""
        return cls()
