"""Choosing few of many: far from each other, of high leverage, or evenly over the bins of a histogram.

    farthest    next = argmax_i D_i,   D_i = min_chosen |x_i - x_chosen|                O(rows x chosen)
    CUR         next = argmax_i Σ_{j<=k} u_ij²,  then x_i -= x̂ (x̂ · x_i)               u: left singular vectors
    even        next = anyone unused with a value in the bin from which the fewest were drawn

T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985); M. W. Mahoney, P. Drineas, PNAS 106, 697 (2009), taken out one by
one as in G. Imbalzano et al., J. Chem. Phys. 148, 241730 (2018).

Everywhere the first `n_known` are already there: they steer the choice and are not chosen. Places are counted after
them.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

Progress = Callable[[float], None]
SPANNED = 1e-12  # of the sum of squares: what is left of rows that the chosen ones span


def silent(fraction: float) -> None:
    """No progress shown."""


def farthest(
    points: Float[NDArray, "rows columns"],
    owner: Int[NDArray, "rows"],
    n: int,
    *,
    n_known: int = 0,
    seed: int = 0,
    progress: Progress = silent,
) -> list[int]:
    """`n` owners of farthest points, the first at random where nothing is known; a chosen owner's points all count."""
    squares = np.einsum("ik,ik->i", points, points)
    distance = np.full(len(points), np.inf)

    def leave(rows: NDArray) -> None:
        for row in rows:
            np.minimum(distance, squares - 2 * (points @ points[row]) + squares[row], out=distance)
        distance[rows] = -np.inf

    leave(np.flatnonzero(owner < n_known))
    n = min(n, len(np.unique(owner[owner >= n_known])))
    chosen: list[int] = []
    while len(chosen) < n:
        best = np.argmax(distance)
        if np.isinf(distance[best]):
            best = np.random.default_rng(seed).integers(len(points))
        chosen.append(int(owner[best]) - n_known)
        leave(np.flatnonzero(owner == owner[best]))
        progress(len(chosen) / n)
    return chosen


def cur(
    points: Float[NDArray, "rows columns"], n: int, *, n_known: int = 0, n_vectors: int = 1, progress: Progress = silent
) -> list[int]:
    """Rows of the highest leverage in the `n_vectors` leading singular vectors, each taken out of all others.

    Once the chosen rows span everything, those that are left begin anew. The vectors come from XᵀX, which loses its
    directions together with X.
    """
    rest = Residual(points)
    for row in range(n_known):
        rest.take_out(row)
    is_open = np.arange(len(points)) >= n_known
    n = min(n, len(points) - n_known)
    chosen: list[int] = []
    while len(chosen) < n:
        if rest.is_spanned:
            rest = Residual(np.where(is_open[:, None], points, 0.0))
        best = int(np.argmax(np.where(is_open, rest.leverage(n_vectors), -1.0)))
        chosen.append(best - n_known)
        is_open[best] = False
        rest.take_out(best)
        progress(len(chosen) / n)
    return chosen


class Residual:
    """What is left of some rows once the directions of chosen ones are taken out."""

    def __init__(self, points: Float[NDArray, "rows columns"]):
        self.rows = np.array(points, dtype=float)
        self.gram = self.rows.T @ self.rows
        self._enough = SPANNED * np.trace(self.gram)

    @property
    def is_spanned(self) -> bool:
        """Whether nothing is left."""
        return bool(np.trace(self.gram) <= self._enough)

    def leverage(self, n_vectors: int) -> Float[NDArray, "rows"]:
        """Squared length of each row in the space of the leading left singular vectors."""
        squares, vectors = np.linalg.eigh(self.gram)
        leading = [k for k in np.argsort(squares)[::-1][:n_vectors] if squares[k] > self._enough]
        return np.square(self.rows @ vectors[:, leading] / np.sqrt(squares[leading])).sum(axis=1)

    def take_out(self, row: int) -> None:
        """Make all rows orthogonal to one of them."""
        length = np.linalg.norm(self.rows[row])
        if length**2 <= self._enough:
            return
        x = self.rows[row] / length
        self.rows -= np.outer(self.rows @ x, x)
        image = self.gram @ x
        self.gram += (x @ image) * np.outer(x, x) - np.outer(x, image) - np.outer(image, x)


def evenly(
    values: Float[NDArray, "values"],
    owner: Int[NDArray, "values"],
    n: int,
    *,
    n_bins: int,
    kind: Int[NDArray, "values"] | None = None,
    n_known: int = 0,
    seed: int = 0,
    progress: Progress = silent,
) -> list[int]:
    """`n` owners of values, drawn evenly from the bins of a histogram; each `kind` of value has its own histogram.

    A known owner counts as though drawn from that of its bins from which the fewest were drawn.
    """
    rng = np.random.default_rng(seed)
    bins = bins_of(values, np.zeros(len(values), dtype=int) if kind is None else kind, n_bins)
    n_owners = int(owner.max(initial=-1)) + 1
    bin_of, owner_of = np.divmod(np.unique(bins * n_owners + owner), max(n_owners, 1))
    drawn = np.zeros(int(bins.max(initial=-1)) + 1)
    for k in range(n_known):
        reached = bin_of[owner_of == k]
        if len(reached):
            drawn[reached[np.argmin(drawn[reached])]] += 1
    is_open = np.arange(n_owners) >= n_known
    waiting = [rng.permutation(owner_of[bin_of == b]).tolist() for b in range(len(drawn))]
    n = min(n, len(np.unique(owner[owner >= n_known])))
    chosen: list[int] = []
    while len(chosen) < n:
        emptiest = rng.permutation(np.flatnonzero(drawn == drawn.min()))[0]
        while waiting[emptiest] and not is_open[waiting[emptiest][-1]]:
            waiting[emptiest].pop()
        if not waiting[emptiest]:
            drawn[emptiest] = np.inf
            continue
        found = waiting[emptiest].pop()
        chosen.append(found - n_known)
        is_open[found] = False
        drawn[emptiest] += 1
        progress(len(chosen) / n)
    return chosen


def bins_of(values: Float[NDArray, "values"], kind: Int[NDArray, "values"], n_bins: int) -> Int[NDArray, "values"]:
    """Bins of equal width between the least and the greatest value of each kind, numbered kind by kind."""
    bins = np.zeros(len(values), dtype=int)
    for k in np.unique(kind):
        mine = kind == k
        low, high = values[mine].min(), values[mine].max()
        place = (values[mine] - low) / (high - low) if high > low else np.zeros(mine.sum())
        bins[mine] = k * n_bins + np.minimum((place * n_bins).astype(int), n_bins - 1)
    return bins
