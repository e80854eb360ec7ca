"""Choosing few of many features that say nearly the same: by leverage, by distance, by correlation.

    z_k = (x_k - <x_k>) / σ_k                ρ_kl = <z_k z_l>                  columns as they vary over the rows
    CUR               next = argmax_k u_k1²,  then its direction is taken out of all others (math/subsets.py)
    farthest point    next = argmax_k min_chosen (1 - |ρ_kl|), from the column that is most like all others
    correlation       of the two most alike, the one more like all others goes, until none is left: the last are first

Each gives an order, of which the first n are the choice of n: nothing in it is random. Columns of equal information but
opposite sign count as alike. G. Imbalzano et al., J. Chem. Phys. 148, 241730 (2018).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from cambrian.math.subsets import cur

Columns = Float[NDArray, "rows columns"]


def standardized(points: Columns) -> Columns:
    """Columns of zero mean and unit variance; those that do not vary become zero."""
    centered = points - points.mean(axis=0)
    deviation = centered.std(axis=0)
    still = deviation <= 1e-12 * np.abs(points).max(axis=0, initial=1e-300)
    return np.where(still, 0.0, centered / np.where(still, 1.0, deviation))


def varying(points: Columns, least_range: float) -> Bool[NDArray, "columns"]:
    """Columns whose values span at least `least_range`."""
    return np.ptp(points, axis=0) >= least_range


def by_cur(points: Columns, n: int) -> list[int]:
    """Columns of the highest leverage."""
    z = standardized(points)
    squares, vectors = np.linalg.eigh(z.T @ z / len(z))
    return cur(vectors * np.sqrt(squares.clip(min=0.0)), n)  # the same inner products, in as few rows as columns


def by_farthest_point(points: Columns, n: int) -> list[int]:
    """Columns that are least like those before them."""
    alike = _alikeness(points)
    chosen = [int(alike.sum(axis=1).argmax())]
    nearest = alike[chosen[0]].copy()
    nearest[chosen] = np.inf
    while len(chosen) < min(n, len(alike)):
        best = int(nearest.argmin())
        chosen.append(best)
        nearest = np.maximum(nearest, alike[best])
        nearest[chosen] = np.inf
    return chosen


def by_correlation(points: Columns, n: int) -> list[int]:
    """Columns that stay longest while one of the most correlated pair is struck out."""
    alike = _alikeness(points)
    np.fill_diagonal(alike, -1.0)
    left = alike.clip(min=0.0).sum(axis=1)
    struck: list[int] = []
    while len(struck) < len(alike) - 1:
        pair = np.unravel_index(alike.argmax(), alike.shape)
        goes = int(max(pair, key=lambda k: (left[k], k)))
        struck.append(goes)
        left -= alike[goes].clip(min=0.0)
        alike[goes, :] = alike[:, goes] = -1.0
    last = sorted(set(range(len(alike))) - set(struck))
    return (last + struck[::-1])[:n]


def _alikeness(points: Columns) -> Float[NDArray, "columns columns"]:
    z = standardized(points)
    return np.abs(z.T @ z) / len(z)


ORDERS: dict[str, Callable[[Columns, int], list[int]]] = {
    "cur": by_cur,
    "farthest_point": by_farthest_point,
    "correlation": by_correlation,
}
