"""Derivatives of polynomials given as products of two: again products of two, computed once and shared.

    N_n = Σ_{terms of n} c N_left N_right        y_f = Σ_n w_fn N_n
    ∂y_f/∂N_left += c N_right ∂y_f/∂N_n          and the same with left and right exchanged, from the last node down

Worked out once on paper, for every f: partial derivatives that are equal up to a factor are one node, so that all of
∂y_f/∂N_v, of which most are zero, cost little more than the polynomials themselves.
"""

from collections import defaultdict
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

Value = tuple[float, int]  # coefficient, node
Sum = dict[tuple[int, int], float]  # two nodes, in order -> coefficient


class ProductSlopes:
    """All derivatives of features by the first `n_leaves` nodes.

    terms: (target, left, right), targets ascending from n_leaves; coefficients: one for each.
    features: for each the nodes it is made of and their weights.
    """

    def __init__(
        self,
        n_leaves: int,
        terms: list[tuple[int, int, int]],
        coefficients: list[float],
        features: list[list[Value]],
    ):
        self.n_leaves, self.n_features = n_leaves, len(features)
        self.n_nodes = 1 + max((t for t, _, _ in terms), default=n_leaves - 1)
        self.terms, self.coefficients = list(terms), list(coefficients)
        self.one = self.n_nodes  # a node with the value 1
        self._next = self.n_nodes + 1
        self._known: dict[tuple, int] = {}
        below = defaultdict(list)
        for (target, left, right), c in zip(terms, coefficients, strict=True):
            below[target].append((left, right, c))
        entries = [(f, v, *value) for f, parts in enumerate(features) for v, value in self._slopes(parts, below)]
        self.entries = entries  # feature, leaf, coefficient, node

    def _slopes(self, parts: list[Value], below: dict[int, list]) -> list[tuple[int, Value]]:
        """∂y/∂N of the leaves that one feature depends on."""
        open_sums: dict[int, Sum] = defaultdict(lambda: defaultdict(float))
        for weight, node in parts:
            open_sums[node][self.one, self.one] += weight
        found = []
        while open_sums:
            node = max(open_sums)
            factor, slope = self._value(open_sums.pop(node))
            if node < self.n_leaves:
                found.append((node, (factor, slope)))
            for left, right, c in below[node]:
                for mine, other in ((left, right), (right, left)):
                    open_sums[mine][min(other, slope), max(other, slope)] += c * factor
        return found

    def _value(self, products: Sum) -> Value:
        """The node of a sum of products, and a factor; none is made for what is there already."""
        if len(products) == 1:
            ((left, right), c) = next(iter(products.items()))
            if self.one in (left, right):
                return c, left + right - self.one
        factor = products[min(products)]
        key = tuple((left, right, c / factor) for (left, right), c in sorted(products.items()))
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = self._next
            self._next += 1
            self.terms += [(node, left, right) for left, right, _ in key]
            self.coefficients += [c for _, _, c in key]
        return factor, node

    def __call__(self, leaves: Float[Tensor, "rows leaves"]) -> Float[Tensor, "rows features leaves"]:
        """∂y_f/∂N_v at values of the leaves."""
        nodes = leaves.new_empty(self._next, len(leaves))
        nodes[: self.n_leaves] = leaves.mT
        nodes[self.one] = 1.0
        for targets, place, left, right, c in self._steps:
            products = nodes[left] * nodes[right] * c.to(leaves)[:, None]
            nodes[targets] = products.new_zeros(len(targets), len(leaves)).index_add_(0, place, products)
        feature, leaf, c, node = self._entries
        found = leaves.new_zeros(self.n_features * self.n_leaves, len(leaves))
        found[feature * self.n_leaves + leaf] = c.to(leaves)[:, None] * nodes[node]
        return found.unflatten(0, (self.n_features, self.n_leaves)).movedim(2, 0)

    @cached_property
    def _steps(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
        """Nodes that can be computed at once; and of their terms the place among them, left, right, coefficient."""
        depth = [0] * self._next
        for target, left, right in self.terms:
            depth[target] = max(depth[target], depth[left] + 1, depth[right] + 1)
        of_nodes, terms = torch.tensor(depth), torch.tensor(self.terms, dtype=torch.int64).reshape(-1, 3)
        coefficients = torch.tensor(self.coefficients, dtype=torch.float64)
        found = []
        for step in range(1, max(depth, default=0) + 1):
            chosen = of_nodes[terms[:, 0]] == step
            target, left, right = terms[chosen].unbind(dim=1)
            targets = torch.nonzero(of_nodes == step)[:, 0]
            found.append((targets, torch.searchsorted(targets, target.contiguous()), left, right, coefficients[chosen]))
        return found

    @cached_property
    def _entries(self) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"], Float[Tensor, "n"], Int[Tensor, "n"]]:
        feature, leaf, c, node = zip(*self.entries, strict=True)
        return torch.tensor(feature), torch.tensor(leaf), torch.tensor(c, dtype=torch.float64), torch.tensor(node)
