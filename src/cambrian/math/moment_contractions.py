"""Scalars made of moment tensors: which there are up to a level, and each as a polynomial of tensor components.

    M_μν = Σ_j f_μ(r_ij) r̂_ij ⊗ ... ⊗ r̂_ij   (ν times)        level(M_μν) = base + radial μ + angular ν      (2, 4, 1)

A full contraction of a product of moments is a multigraph: its nodes are moments (μ, ν), each edge sums one index of
both ends, so that a node has ν edges. A trace is no new scalar (r̂ · r̂ = 1), so no edge leads back to its node. Parts of
a graph that are not connected are scalars of their own, and the whole is their product. Two graphs that differ only by
the order of equal moments are the same scalar.

M_μν is symmetric: its components are those with a, b, c indices x, y, z (a + b + c = ν), and m parallel edges between
two moments sum to Σ m!/(a! b! c!) M_..abc.. M'_..abc..
A. V. Shapeev, Multiscale Model. Simul. 14, 1153 (2016).
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, permutations, product

Moment = tuple[int, int]  # μ, ν
Component = tuple[int, int, int, int]  # μ and the number of indices x, y and z
Polynomial = dict[tuple[Component, ...], float]  # factors in order -> coefficient


@dataclass(frozen=True)
class Levels:
    """What each moment costs; a scalar costs the sum of its moments."""

    base: int = 2
    radial: int = 4
    angular: int = 1

    def of(self, moment: Moment) -> int:
        """Level of one moment."""
        return self.base + self.radial * moment[0] + self.angular * moment[1]


@dataclass(frozen=True, order=True)
class Contraction:
    """Moments (μ, ν) and, for each pair of them that shares indices, (first, second, how many); canonical."""

    moments: tuple[Moment, ...]
    bonds: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, moments: list[Moment], pairs: list[tuple[int, int]]) -> "Contraction":
        """From moments and one pair of places for each index that is summed over, in any order.

        Raises ValueError where a moment has more or fewer indices than it has pairs, or is paired with itself.
        """
        counts = [[0] * len(moments) for _ in moments]
        for a, b in pairs:
            if a == b or not (0 <= a < len(moments) and 0 <= b < len(moments)):
                raise ValueError(f"the pair {(a, b)} does not name two different ones of {len(moments)} moments")
            counts[a][b] += 1
            counts[b][a] += 1
        for (mu, nu), row in zip(moments, counts, strict=True):
            if sum(row) != nu:
                raise ValueError(f"the moment {(mu, nu)} has {nu} indices, and {sum(row)} pairs")
        return _canonical([(int(mu), int(nu)) for mu, nu in moments], counts)

    def level(self, levels: Levels) -> int:
        """Sum over the moments."""
        return sum(levels.of(m) for m in self.moments)

    def __mul__(self, other: "Contraction") -> "Contraction":
        """Both side by side."""
        n, m = len(self.moments), len(other.moments)
        rows = [[*row, *[0] * m] for row in self.rows()] + [[*[0] * n, *row] for row in other.rows()]
        return _canonical([*self.moments, *other.moments], rows)

    def rows(self) -> list[list[int]]:
        """How many indices each pair of moments shares."""
        rows = [[0] * len(self.moments) for _ in self.moments]
        for a, b, m in self.bonds:
            rows[a][b] = rows[b][a] = m
        return rows

    def parts(self) -> "list[Contraction]":
        """The scalars that this is a product of."""
        rows = self.rows()
        return [
            _canonical([self.moments[k] for k in part], [[rows[a][b] for b in part] for a in part])
            for part in _parts(rows)
        ]

    def polynomial(self) -> Polynomial:
        """The same in components of the moments."""
        found: Polynomial = defaultdict(float)
        choices = [list(index_counts(m)) for _, _, m in self.bonds]
        for chosen in product(*choices):
            indices = [[mu, 0, 0, 0] for mu, _ in self.moments]
            weight = 1.0
            for (a, b, m), counts in zip(self.bonds, chosen, strict=True):
                weight *= math.factorial(m) / math.prod(math.factorial(c) for c in counts)
                for axis, c in enumerate(counts):
                    indices[a][axis + 1] += c
                    indices[b][axis + 1] += c
            found[tuple(sorted((mu, x, y, z) for mu, x, y, z in indices))] += weight
        return dict(found)


def contractions(level: int, levels: Levels = Levels()) -> list[Contraction]:  # noqa: B008 - frozen
    """All scalars up to a level, products of scalars included, by level and number of moments."""
    connected = sorted(_connected(level, levels), key=lambda c: (c.level(levels), c))
    found: list[Contraction] = []

    def extend(product_so_far: Contraction | None, start: int, left: int) -> None:
        for k in range(start, len(connected)):
            cost = connected[k].level(levels)
            if cost > left:
                break
            longer = connected[k] if product_so_far is None else product_so_far * connected[k]
            found.append(longer)
            extend(longer, k, left - cost)

    extend(None, 0, level)
    return sorted(found, key=lambda c: (c.level(levels), len(c.moments), c))


def _connected(level: int, levels: Levels) -> set[Contraction]:
    """Scalars that are no products of others."""
    moments = [
        (mu, nu)
        for mu in range(1 + max(0, level - levels.base) // levels.radial)
        for nu in range(1 + max(0, level - levels.base) // levels.angular)
        if levels.of((mu, nu)) <= level
    ]
    found = {Contraction((m,), ()) for m in moments if m[1] == 0}
    tensors = sorted((m for m in moments if m[1] > 0), key=levels.of)

    def extend(chosen: list[Moment], start: int, left: int) -> None:
        if len(chosen) > 1 and sum(nu for _, nu in chosen) % 2 == 0:
            graphs = _graphs([nu for _, nu in chosen])
            found.update(_canonical(chosen, rows) for rows in graphs if len(_parts(rows)) == 1)
        for k in range(start, len(tensors)):
            if levels.of(tensors[k]) > left:
                break
            extend([*chosen, tensors[k]], k, left - levels.of(tensors[k]))

    extend([], 0, level)
    return found


def _graphs(degrees: list[int]) -> Iterator[list[list[int]]]:
    """Symmetric matrices of whole numbers without a diagonal, with these sums of rows."""
    n = len(degrees)
    rows = [[0] * n for _ in range(n)]

    def fill(a: int, b: int, left: list[int]) -> Iterator[list[list[int]]]:
        if a == n - 1:
            if left[a] == 0:
                yield [row[:] for row in rows]
            return
        if b == n:
            if left[a] == 0:
                yield from fill(a + 1, a + 2, left)
            return
        for m in range(min(left[a], left[b]) + 1):
            rows[a][b] = rows[b][a] = m
            left[a], left[b] = left[a] - m, left[b] - m
            yield from fill(a, b + 1, left)
            left[a], left[b] = left[a] + m, left[b] + m
        rows[a][b] = rows[b][a] = 0

    yield from fill(0, 1, list(degrees))


def _parts(rows: list[list[int]]) -> list[list[int]]:
    """Which nodes hang together."""
    found, seen = [], set()
    for start in range(len(rows)):
        if start in seen:
            continue
        reached, waiting = {start}, [start]
        while waiting:
            new = {b for b, m in enumerate(rows[waiting.pop()]) if m} - reached
            reached |= new
            waiting += new
        found.append(sorted(reached))
        seen |= reached
    return found


def _canonical(moments: list[Moment], rows: list[list[int]]) -> Contraction:
    """The same graph with its moments in an order that does not depend on how it was given, part by part."""
    parts = []
    for members in _parts(rows):
        order, best = canonical_order([moments[k] for k in members], [[rows[a][b] for b in members] for a in members])
        parts.append((tuple(moments[members[k]] for k in order), best))
    all_moments, bonds = [], []
    for part, best in sorted(parts):
        first, n = len(all_moments), len(part)
        bonds += [(first + a, first + b, best[a][b]) for a in range(n) for b in range(a + 1, n) if best[a][b]]
        all_moments += part
    return Contraction(tuple(all_moments), tuple(bonds))


def canonical_order(moments: list[Moment], rows: list[list[int]]) -> tuple[list[int], tuple[tuple[int, ...], ...]]:
    """An order of connected moments, and the smallest matrix among the orders that no label tells apart."""
    signature = [(m, ()) for m in moments]
    for _ in range(2):
        signature = [
            (s[0], tuple(sorted((m, signature[b]) for b, m in enumerate(row) if m)))
            for s, row in zip(signature, rows, strict=True)
        ]
    order = sorted(range(len(moments)), key=lambda k: signature[k])
    classes = [list(group) for _, group in groupby(order, key=lambda k: signature[k])]

    def matrix(chosen: list[int]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(rows[a][b] for b in chosen) for a in chosen)

    orders = ([k for part in parts for k in part] for parts in product(*map(permutations, classes)))
    chosen = min(orders, key=matrix)
    return chosen, matrix(chosen)


@cache
def index_counts(order: int) -> tuple[tuple[int, int, int], ...]:
    """All (a, b, c) with a + b + c = order."""
    return tuple((a, b, order - a - b) for a in range(order, -1, -1) for b in range(order - a, -1, -1))
