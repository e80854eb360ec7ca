"""Sparse points: the few environments of the training set that a sparse Gaussian process is made of.

    farthest      next = argmax_i min_chosen |x_i - x_chosen|
    leverage      those of highest π_i = Σ_{k<=K} u_ik², u: left singular vectors of the K largest singular values (CUR)

Points that are as good as equal to one that is chosen add nothing and make K_MM singular; farthest points never are.
M. W. Mahoney, P. Drineas, PNAS 106, 697 (2009); T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985).
"""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from cambrian.configurable import Configurable

EQUAL = 1e-7  # distance of equal points, relative to the longest


class PointChoice(Configurable, ABC):
    """A way to choose sparse points of one element."""

    rooms = ("math",)

    @abstractmethod
    def choose(self, rows: Float[NDArray, "rows features"], n: int) -> list[int]:
        """At most `n` different rows; fewer where there are no more."""


class FarthestPoints(PointChoice):
    """Each is the one farthest from those before it, the first the one farthest from the mean: the widest coverage."""

    def choose(self, rows: Float[NDArray, "rows features"], n: int) -> list[int]:
        """Greedy; O(rows × n)."""
        squares = np.einsum("ik,ik->i", rows, rows)
        distance = np.full(len(rows), np.inf)
        limit = EQUAL**2 * squares.max(initial=0.0)
        chosen: list[int] = []
        best = int(np.argmax(np.square(rows - rows.mean(axis=0)).sum(axis=1))) if len(rows) else 0
        while len(chosen) < min(n, len(rows)) and distance[best] > limit:
            chosen.append(best)
            np.minimum(distance, squares - 2 * (rows @ rows[best]) + squares[best], out=distance)
            distance[best] = -np.inf
            best = int(np.argmax(distance))
        return chosen


class Leverage(PointChoice):
    """CUR: rows of the highest leverage in the leading singular vectors, equal ones left out."""

    def choose(self, rows: Float[NDArray, "rows features"], n: int) -> list[int]:
        """One singular value decomposition."""
        u, singular, _ = np.linalg.svd(rows, full_matrices=False)
        leading = u[:, : min(n, int((singular > 1e-12 * singular.max(initial=0.0)).sum()))]
        order = np.argsort(-np.square(leading).sum(axis=1), kind="stable")
        scale = np.abs(rows).max(initial=1e-300) * 1e-9
        _, first = np.unique(np.round(rows[order] / scale), axis=0, return_index=True)
        return [int(order[k]) for k in np.sort(first)[:n]]
