"""Where the potential is least sure of its forces: members of a committee disagree, or the posterior is wide.

    score = max_i σ_F,i        or the mean over atoms

H. S. Seung, M. Opper, H. Sompolinsky, COLT 1992; L. Zhang et al., Phys. Rev. Mater. 3, 023804 (2019).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.engine import spread_of
from cambrian.contracts.potential import Potential
from cambrian.contracts.selector import Selector
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.subsets import farthest
from cambrian.select.features import descriptor_for, points_of_structures
from cambrian.select.pool import Pool


class UncertaintySelector(Selector):
    """The largest uncertainty of the forces, by a committee or by the posterior of a linear fit.

    by: the `largest` uncertainty of an atom, or the `mean` over the atoms of a structure.
    shortlist: how many times the wanted number is put on a list of the most uncertain, from which farthest points are
        taken, so that they are not all alike; 1 takes the most uncertain.
    descriptor: what is compared on that list; that of the potential where not given.
    """

    needs_potential = True

    def __init__(
        self,
        *,
        by: Literal["largest", "mean"] = "largest",
        shortlist: float = 1.0,
        descriptor: Descriptor | None = None,
    ):
        if shortlist < 1:
            raise ValueError(f"shortlist is 1 or more, not {shortlist}: shorter than what is wanted it cannot be")
        self.by, self.shortlist, self.descriptor = by, shortlist, descriptor

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
        """The most uncertain first."""
        if potential is None:
            raise UserError("uncertainties are those of a potential; give one (--potential)")
        pool = Pool.of(candidates, known)
        scores = self.scores(pool.candidates, potential, progress)
        order = np.argsort(-scores, kind="stable")[: round(n * self.shortlist)]
        if self.shortlist == 1 or len(order) <= n:
            return pool.indices(order[:n].tolist())
        listed = Dataset([*pool.data[: pool.n_known], *pool.candidates[order]])
        points = points_of_structures(listed, descriptor_for(listed, self.descriptor, potential), progress)
        chosen = farthest(points.rows, points.owner, n, n_known=pool.n_known, seed=seed)
        return pool.indices(int(order[k]) for k in chosen)

    def scores(self, data: Dataset, potential: Potential, progress: Callable[[float], None]) -> np.ndarray:
        """The uncertainty of each structure in eV/Å; raises UserError naming the structure where there is none."""
        found, spread = [], spread_of(potential)
        for s, graph in zip(data, data.graphs(potential.cutoff), strict=True):
            try:
                forces = spread(graph).forces
            except UserError as error:
                raise error.at(s.where) from None
            found.append(float(forces.max() if self.by == "largest" else forces.mean()))
            progress(len(found) / len(data))
        return np.array(found)

    @classmethod
    def example(cls) -> "UncertaintySelector":
        """The most uncertain, however alike."""
        return cls()
