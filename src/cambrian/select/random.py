"""A random choice: what every other way has to beat."""

from collections.abc import Callable

import numpy as np

from cambrian.contracts.potential import Potential
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.select.pool import Pool


class RandomSelector(Selector):
    """Random structures, each as likely as any other."""

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
        """The first of a random order."""
        pool = Pool.of(candidates, known)
        return pool.indices(np.random.default_rng(seed).permutation(len(pool.places))[:n].tolist())

    @classmethod
    def example(cls) -> "RandomSelector":
        """There is nothing to set."""
        return cls()
