"""Rows that span the largest volume, so that every other row is a combination of them with small weights (MaxVol).

    C = B A⁻¹          A (columns, columns): the active rows, chosen among the rows B
    while max |C_ij| > 1.01:  row j of A becomes row i of B, |det A| grows by |C_ij|
        C <- C - C_:j (C_i: - e_j) / C_ij                                                (Sherman, Morrison)

γ(b) = max_j |b A⁻¹|_j of a new row b: at most 1.01 for all of B; above, b lies outside what B spans, all columns
taken together. S. A. Goreinov et al., "How to find a good submatrix" (2010); E. V. Podryabinkin, A. V. Shapeev, Comput.
Mater. Sci. 140, 171 (2017).
"""

from collections.abc import Iterator
from typing import cast

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int
from numpy.typing import NDArray

EDGE = 1.01
ROUNDING = 1e-6
BLOCK = 20_000  # rows that are looked at together
POOL = 4_000  # rows that compete at once


def maxvol(
    rows: Float[NDArray, "rows columns"], start: Int[NDArray, "columns"] | None = None
) -> Int[NDArray, "columns"]:
    """Places of the active rows, beginning with `start` (pivots of Gaussian elimination where not given).

    Raises ValueError for rows of less than full rank.
    """
    n_columns = rows.shape[1]
    chosen = _pivots(rows) if start is None else start.copy()
    while True:
        C = np.linalg.solve(rows[chosen].T, rows.T).T  # anew now and then: what swaps leave of rounding adds up
        n_swaps = 0
        while n_swaps < 10 * n_columns:
            i, j = divmod(int(np.abs(C).argmax()), n_columns)
            if abs(C[i, j]) <= EDGE:
                break
            step = C[i].copy()
            step[j] -= 1.0
            C -= np.outer(C[:, j], step / C[i, j])
            chosen[j], n_swaps = i, n_swaps + 1
        if n_swaps == 0:
            return chosen


def active_rows(rows: Float[NDArray, "rows columns"], known: Float[NDArray, "columns columns"]) -> NDArray:
    """Active rows among `rows` and those `known` before, which have full rank; memory is that of a block of them."""
    active, start = known, None
    while True:
        outside = [block[g > EDGE + ROUNDING] for block, g in _graded(rows, active)]
        pool = np.concatenate(outside)
        if not len(pool):
            return active
        if len(pool) > POOL:
            pool = pool[np.linspace(0, len(pool) - 1, POOL).astype(int)]
        both = np.concatenate([active, pool])
        active = both[maxvol(both, start)]
        start = np.arange(len(active))  # from now on the volume never falls, so that this ends


def grades(rows: Float[NDArray, "rows columns"], active: Float[NDArray, "columns columns"]) -> Float[NDArray, "rows"]:
    """γ of each row."""
    return np.concatenate([np.zeros(0), *(g for _, g in _graded(rows, active))])


def _graded(rows: NDArray, active: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    inverse = np.linalg.inv(active)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        yield block, np.abs(block @ inverse).max(axis=1)


def _pivots(rows: NDArray) -> NDArray:
    """The rows that elimination with row pivoting takes."""
    if len(rows) < rows.shape[1]:
        raise ValueError(f"{len(rows)} rows do not span {rows.shape[1]} columns")
    place, _, upper = cast(tuple[NDArray, NDArray, NDArray], scipy.linalg.lu(rows, p_indices=True))
    if np.abs(np.diagonal(upper)).min() == 0:
        raise ValueError("the rows have less than full rank")
    return np.argsort(place)[: rows.shape[1]]
