"""Many products of a few numbers, by products of two: shared sub-products are computed once.

    value[node] = value[left] · value[right]          left, right < node; the first values are the factors themselves

A product of ν factors is split where both parts exist already, else in two halves.
G. Dusson et al., J. Comput. Phys. 454, 110946 (2022), section on recursive evaluation.
"""

from collections.abc import Iterable
from itertools import combinations

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

Product = tuple[int, ...]  # the factors, ascending


class Products:
    """A growing list of products; nodes 0 ... n_factors - 1 are the factors."""

    def __init__(self, n_factors: int):
        self.n_factors = n_factors
        self._left: list[int] = []
        self._right: list[int] = []
        self._node: dict[Product, int] = {(k,): k for k in range(n_factors)}

    @property
    def left(self) -> Int[NDArray, "products"]:
        """First part of every node after the factors."""
        return np.array(self._left, dtype=np.int64)

    @property
    def right(self) -> Int[NDArray, "products"]:
        """Second part of every node after the factors."""
        return np.array(self._right, dtype=np.int64)

    def __len__(self) -> int:
        return self.n_factors + len(self._left)

    def extend(self, products: Iterable[Product]) -> None:
        """Add products of any length, shorter ones first."""
        for product in sorted(set(products), key=lambda p: (len(p), p)):
            self.node(product)

    def node(self, product: Product) -> int:
        """The node of a product (factors ascending, at least one), made where it is not there yet."""
        found = self._node.get(product)
        if found is not None:
            return found
        first, second = self._parts(product)
        left, right = self.node(first), self.node(second)
        self._left.append(left)
        self._right.append(right)
        self._node[product] = len(self) - 1
        return len(self) - 1

    def _parts(self, product: Product) -> tuple[Product, Product]:
        """Two parts that exist, if there are such; the first half and the second otherwise."""
        places = range(len(product))
        for size in range(len(product) // 2, 0, -1):
            for chosen in combinations(places, size):
                first = tuple(product[k] for k in chosen)
                second = tuple(product[k] for k in places if k not in chosen)
                if first in self._node and second in self._node:
                    return first, second
        half = len(product) // 2
        return product[:half], product[half:]


def levels(left: Int[NDArray, "products"], right: Int[NDArray, "products"], n_factors: int) -> list[NDArray]:
    """Products that can be computed at once, as indices from 0; each list needs the ones before it only."""
    depth = np.zeros(n_factors + len(left), dtype=np.int64)
    for k, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        depth[n_factors + k] = 1 + max(depth[a], depth[b])
    own = depth[n_factors:]
    return [np.flatnonzero(own == level) for level in range(1, int(own.max(initial=0)) + 1)]
