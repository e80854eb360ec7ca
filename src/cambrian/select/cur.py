"""CUR: structures of the highest leverage, those without which the others could not be put together.

M. W. Mahoney, P. Drineas, PNAS 106, 697 (2009); one by one as in G. Imbalzano et al., J. Chem. Phys. 148, 241730
(2018).
"""

from collections.abc import Callable

from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.potential import Potential
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.math.subsets import cur
from cambrian.select.features import descriptor_for, points_of_structures
from cambrian.select.pool import Pool


class CUR(Selector):
    """Leverage scores of structure-averaged descriptors; nothing in it is random.

    descriptor: what is compared; that of the potential where not given.
    n_vectors: leading singular vectors in which the leverage is measured.
    """

    def __init__(self, *, descriptor: Descriptor | None = None, n_vectors: int = 1):
        self.descriptor, self.n_vectors = descriptor, n_vectors

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
        """The highest leverage in what known and chosen structures do not span."""
        pool = Pool.of(candidates, known)
        descriptor = descriptor_for(pool.data, self.descriptor, potential)
        points = points_of_structures(pool.data, descriptor, lambda fraction: progress(0.8 * fraction))
        chosen = cur(
            points.rows,
            n,
            n_known=pool.n_known,
            n_vectors=self.n_vectors,
            progress=lambda fraction: progress(0.8 + 0.2 * fraction),
        )
        return pool.indices(chosen)

    @classmethod
    def example(cls) -> "CUR":
        """By the descriptor of the potential."""
        return cls()
