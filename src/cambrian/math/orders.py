"""Orders of points (atoms of a molecule) that mean the same: found by matching geometries, closed to a group.

Each pair of geometries A, B is matched by the assignment of points that minimizes -Σ |V_A||V_B|ᵀ, where the columns of
V are eigenvectors of the matrix of distances, descending; only points of one kind may be exchanged. A match counts as
far as it brings the distances nearer, |P A Pᵀ - B| < |A - B|. Matches contradict each other, so only those along the
minimum spanning tree of what is left over are kept, and the group that they generate is closed.

S. Chmiela, H. E. Sauceda, K.-R. Müller, A. Tkatchenko, Nat. Commun. 9, 3887 (2018).
"""

from collections.abc import Callable

import numpy as np
import scipy.optimize
import scipy.sparse.csgraph
from numpy.typing import NDArray


def equivalent_orders(
    points: NDArray,
    kinds: NDArray,
    *,
    limit: int = 100,
    progress: Callable[[float], None] = lambda fraction: None,
) -> NDArray:
    """Orders (orders, n_points) of one molecule, the identity first, from geometries (geometries, n_points, 3).

    kinds: whole numbers (n_points,); points of different kinds never change places.
    limit: the largest group that is accepted; beyond it only matches that do not touch larger ones generate the group.
    """
    generators = _matches_along_tree(points, kinds, progress)
    group = closed(generators, limit)
    if group is None:
        group = closed(_without_overlap(generators), limit)
    identity = np.arange(len(kinds))[None]
    if group is None:
        return identity
    return np.unique(group, axis=0)  # rows in lexical order: the identity first


def closed(orders: NDArray, limit: int) -> NDArray | None:
    """The group that some orders generate; None where it has more than `limit` elements."""
    identity = tuple(range(orders.shape[1]))
    known, border = {identity}, [identity]
    generators = [tuple(int(i) for i in o) for o in orders]
    while border:
        fresh = {tuple(one[i] for i in other) for one in border for other in generators} - known
        known |= fresh
        if len(known) > limit:
            return None
        border = list(fresh)
    return np.array(sorted(known))


def _matches_along_tree(points: NDArray, kinds: NDArray, progress: Callable[[float], None]) -> NDArray:
    """The identity, and the matches between geometries that are neighbors in the minimum spanning tree."""
    n, n_points = points.shape[:2]
    distances = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    vectors = np.abs(np.linalg.eigh(distances)[1][:, :, ::-1])
    left_over, found = np.zeros((n, n)), {}
    for k in range(n - 1):
        orders, before, after = _matches(distances, vectors, kinds, k)
        is_better = (after < before) & ~np.isclose(before, after)
        left_over[k, k + 1 :] = np.where(after < before, after, before)
        found |= {(k, k + 1 + j): orders[j] for j in np.flatnonzero(is_better)}
        progress((k + 1) / n)
    np.fill_diagonal(left_over, 0.0)  # no edge
    tree = scipy.sparse.csgraph.minimum_spanning_tree(left_over).tocoo()
    kept = [found[edge] for edge in zip(tree.row.tolist(), tree.col.tolist(), strict=True) if edge in found]
    return np.array([np.arange(n_points), *kept])


def _matches(distances: NDArray, vectors: NDArray, kinds: NDArray, k: int) -> tuple[NDArray, NDArray, NDArray]:
    """How geometry k is best reordered towards each later one; |A - B| before and after."""
    cost = -(vectors[k] @ vectors[k + 1 :].transpose(0, 2, 1))
    cost += (kinds[:, None] != kinds) * np.abs(cost).max(axis=(1, 2), keepdims=True)
    orders = np.array([scipy.optimize.linear_sum_assignment(c)[1] for c in cost])
    others = distances[k + 1 :]
    moved = distances[k][orders[:, :, None], orders[:, None, :]]
    before, after = (np.linalg.norm(d - others, axis=(1, 2)) for d in (distances[k], moved))
    return orders, before, after


def _without_overlap(orders: NDArray) -> NDArray:
    """Orders none of whose cycles touches a longer cycle of another."""
    cycles = [_cycles(order) for order in orders]
    every = [c for of_one in cycles for c in of_one]
    kept = [not any(len(c) < len(e) and c & e for c in of_one for e in every) for of_one in cycles]
    return orders[np.array(kept)]


def _cycles(order: NDArray) -> list[set[int]]:
    """Sets of points that an order moves round among themselves."""
    left, found = set(range(len(order))), []
    while left:
        place = min(left)
        cycle = set()
        while place not in cycle:
            cycle.add(place)
            place = int(order[place])
        left -= cycle
        if len(cycle) > 1:
            found.append(cycle)
    return found
