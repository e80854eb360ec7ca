"""Contractions of moment tensors as a short list of products of two: shared parts are computed once.

    N_n = Σ_{terms of n} c N_left N_right          the first nodes are the components of the moments

A contraction (math/moment_contractions.py) is taken apart into two connected halves, these again, down to moments.
A half S is a tensor whose indices go to the moments x that are not in it; T_S(e) sums over all ways in which its edges
to each x have the exponents e_x = (a, b, c):

    T_M(e)  = Π_x |e_x|!/(a! b! c!) M(Σ_x e_x)                 one moment
    T_ST(e) = Σ T_S(e', f) T_T(e'', f) Π a! b! c!/|f|!         e' + e'' = e; f: exponents of the edges between S and T

Halves that are alike up to the order of their moments are one tensor. Of all ways to halve, the one with the fewest
new products is taken.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import product

from cambrian.math.moment_contractions import Contraction, canonical_order, index_counts

Exponents = tuple[int, int, int]
Value = tuple[float, int]  # coefficient, node
Tensor = dict[tuple[Exponents, ...], Value]
Term = tuple[int, int, float]  # left, right, coefficient
OPEN = -1  # in the place of μ: what an open edge leads to


class ContractionTerms:
    """Products for a list of contractions.

    degree: the highest ν.
    moments: (μ, a, b, c) of the first nodes: for each μ all exponents up to the highest degree that is needed.
    terms: (target, left, right) and coefficients, by target, which count on from the moments.
    scalars: the node of each contraction, and the coefficient before it.
    """

    def __init__(self, contractions: list[Contraction]):
        degree: dict[int, int] = defaultdict(int)
        for mu, nu in (m for c in contractions for m in c.moments):
            degree[mu] = max(degree[mu], nu)
        self.moments = [(mu, *e) for mu in sorted(degree) for n in range(degree[mu] + 1) for e in index_counts(n)]
        self.degree = max(degree.values(), default=0)
        self._moment = {m: k for k, m in enumerate(self.moments)}
        self.terms: list[tuple[int, int, int]] = []
        self.coefficients: list[float] = []
        self._n_nodes = len(self.moments)
        self._known: dict[tuple[Term, ...], int] = {}
        self.tensors: dict[tuple, Tensor] = {}  # made so far, by what they are
        self._scalars: dict[Contraction, Value] = {}
        self.scalars = [self._scalar(c) for c in contractions]

    def _scalar(self, contraction: Contraction) -> Value:
        """Connected parts one by one, then their product: the first half of the parts times the rest."""
        found = self._scalars.get(contraction)
        if found is None:
            parts = contraction.parts()
            if len(parts) == 1:
                found = _Cut(self, contraction).tensor(frozenset(range(len(contraction.moments))))[()]
            else:
                *others, last = parts
                first = self._scalar(math.prod(others[1:], start=others[0]))
                found = self._node([(first, self._scalar(last), 1.0)])
            self._scalars[contraction] = found
        return found

    def single(self, mu: int, counts: list[int]) -> Tensor:
        """One moment with this number of edges to each of several others."""
        found = {}
        for chosen in product(*map(index_counts, counts)):
            weight = math.prod(map(multiplicity, chosen))
            x, y, z = map(sum, zip((0, 0, 0), *chosen, strict=True))
            found[chosen] = float(weight), self._moment[mu, x, y, z]
        return found

    def summed(self, parts: dict[tuple[Exponents, ...], list[tuple[Value, Value, float]]]) -> Tensor:
        """One node for each component."""
        return {exponents: self._node(products) for exponents, products in parts.items()}

    def _node(self, products: list[tuple[Value, Value, float]]) -> Value:
        """Σ weight · left · right; one that exists already, up to a factor, is used again."""
        found: dict[tuple[int, int], float] = defaultdict(float)
        for (a, left), (b, right), weight in products:
            found[min(left, right), max(left, right)] += a * b * weight
        factor = found[min(found)]
        key = tuple((left, right, c / factor) for (left, right), c in sorted(found.items()))
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = self._n_nodes
            self._n_nodes += 1
            self.terms += [(node, left, right) for left, right, _ in key]
            self.coefficients += [c for _, _, c in key]
        return factor, node


class _Cut:
    """One connected contraction, taken apart."""

    def __init__(self, program: ContractionTerms, contraction: Contraction):
        self.program, self.moments, self.rows = program, contraction.moments, contraction.rows()
        self._keys: dict[frozenset[int], tuple[tuple, list[int]]] = {}
        self._best: dict[frozenset[int], tuple[int, tuple[frozenset[int], frozenset[int]] | None]] = {}

    def tensor(self, nodes: frozenset[int]) -> Tensor:
        """T of some nodes, its exponents in the order of `open_to`."""
        if len(nodes) == 1:
            (a,) = nodes
            return self.program.single(self.moments[a][0], [self.rows[a][x] for x in self.open_to(nodes)])
        key, order = self.key(nodes)
        found = self.program.tensors.get(key)
        if found is None:
            halves = self.best(nodes)[1]
            assert halves is not None
            mine = self.program.summed(self._merged(nodes, *halves))
            found = {tuple(e[k] for k in order): value for e, value in mine.items()}
            self.program.tensors[key] = found
        place = {k: n for n, k in enumerate(order)}
        return {tuple(e[place[k]] for k in range(len(order))): value for e, value in found.items()}

    def open_to(self, nodes: frozenset[int]) -> list[int]:
        """Moments that edges lead to from some nodes, themselves left out."""
        return [x for x in range(len(self.rows)) if x not in nodes and any(self.rows[a][x] for a in nodes)]

    def key(self, nodes: frozenset[int]) -> tuple[tuple, list[int]]:
        """What the tensor of these nodes is, and the order in which its open ends stand there."""
        if nodes not in self._keys:
            inside, ends = sorted(nodes), self.open_to(nodes)
            labels = [self.moments[a] for a in inside]
            labels += [(OPEN, sum(self.rows[a][x] for a in inside)) for x in ends]
            size, n = len(labels), len(inside)
            rows = [[0] * size for _ in labels]
            for i, a in enumerate(inside):
                for j, b in enumerate([*inside, *ends]):
                    rows[i][j] = rows[j][i] = self.rows[a][b]
            order, matrix = canonical_order(labels, rows)
            key = tuple(labels[k] for k in order), matrix
            self._keys[nodes] = key, [k - n for k in order if k >= n]
        return self._keys[nodes]

    def best(self, nodes: frozenset[int]) -> tuple[int, tuple[frozenset[int], frozenset[int]] | None]:
        """How many new products these nodes need at least, and the halves that need so few."""
        if len(nodes) == 1:
            return 0, None
        if nodes not in self._best:
            choices = [
                (self._n_products(first, second) + self._price(first) + self._price(second), k, (first, second))
                for k, (first, second) in enumerate(self._halves(nodes))
            ]
            price, _, halves = min(choices)
            self._best[nodes] = price, halves
        return self._best[nodes]

    def _price(self, nodes: frozenset[int]) -> int:
        return 0 if len(nodes) == 1 or self.key(nodes)[0] in self.program.tensors else self.best(nodes)[0]

    def _halves(self, nodes: frozenset[int]) -> Iterator[tuple[frozenset[int], frozenset[int]]]:
        """Two connected halves; no moment of one touches two of the other, unless the other is a single moment."""
        members = sorted(nodes)
        for bits in range(1, 2 ** (len(members) - 1)):
            second = frozenset(m for k, m in enumerate(members) if bits >> k & 1)
            first = nodes - second
            if self._hangs_together(first) and self._hangs_together(second) and self._matched(first, second):
                yield first, second

    def _hangs_together(self, nodes: frozenset[int]) -> bool:
        reached, waiting = {min(nodes)}, [min(nodes)]
        while waiting:
            row = self.rows[waiting.pop()]
            new = {b for b in nodes if row[b]} - reached
            reached |= new
            waiting += new
        return len(reached) == len(nodes)

    def _matched(self, first: frozenset[int], second: frozenset[int]) -> bool:
        if min(len(first), len(second)) == 1:
            return True
        return all(
            sum(1 for b in theirs if self.rows[a][b]) <= 1
            for mine, theirs in ((first, second), (second, first))
            for a in mine
        )

    def _bundles(self, mine: frozenset[int], theirs: frozenset[int]) -> tuple[list[int], list[int], Tensor]:
        """Places of the exponents towards the other half and towards the rest, the moments there, and the tensor."""
        ends = self.open_to(mine)
        if len(mine) > 1 or len(theirs) == 1:
            return [k for k, x in enumerate(ends) if x in theirs], ends, self.tensor(mine)
        (a,) = mine
        rest = [x for x in ends if x not in theirs]
        counts = [sum(self.rows[a][x] for x in theirs), *(self.rows[a][x] for x in rest)]
        return [0], [min(theirs), *rest], self.program.single(self.moments[a][0], counts)

    def _merged(self, nodes: frozenset[int], first: frozenset[int], second: frozenset[int]):
        """The products of every component of both together."""
        inner_1, ends_1, tensor_1 = self._bundles(first, second)
        inner_2, ends_2, tensor_2 = self._bundles(second, first)
        if len(inner_1) > 1:  # bundles of both halves in the same order
            partner = {next(b for b in first if self.rows[ends_1[k]][b]): k for k in inner_1}
            inner_1 = [partner[ends_2[k]] for k in inner_2]
        outer = self.open_to(nodes)
        by_inner: dict[tuple[Exponents, ...], list[tuple[tuple[Exponents, ...], Value]]] = defaultdict(list)
        for e, value in tensor_2.items():
            by_inner[tuple(e[k] for k in inner_2)].append((e, value))
        place_1, place_2 = ([ends.index(x) if x in ends else None for x in outer] for ends in (ends_1, ends_2))
        found: dict[tuple[Exponents, ...], list[tuple[Value, Value, float]]] = defaultdict(list)
        for e, value in tensor_1.items():
            shared = tuple(e[k] for k in inner_1)
            weight = 1 / math.prod(map(multiplicity, shared))
            for f, other in by_inner[shared]:
                together = tuple(_added(e, p, f, q) for p, q in zip(place_1, place_2, strict=True))
                found[together].append((value, other, weight))
        return found

    def _n_products(self, first: frozenset[int], second: frozenset[int]) -> int:
        """How many products `_merged` makes, before equal ones are put together."""
        n = 1
        for mine, theirs in ((first, second), (second, first)):
            for x in self.open_to(mine):
                if x not in theirs:
                    n *= len(index_counts(sum(self.rows[a][x] for a in mine)))
        if len(second) == 1 or len(first) == 1:
            return n * len(index_counts(sum(self.rows[a][b] for a in first for b in second)))
        return n * math.prod(len(index_counts(self.rows[a][b])) for a in first for b in second if self.rows[a][b])


def _added(e: tuple[Exponents, ...], p: int | None, f: tuple[Exponents, ...], q: int | None) -> Exponents:
    """Exponents towards one moment from both halves together."""
    if p is None or q is None:
        return f[q] if q is not None else e[p]  # type: ignore[index] - an end belongs to one half at least
    return tuple(map(sum, zip(e[p], f[q], strict=True)))  # type: ignore[return-value]


@cache
def multiplicity(exponents: Exponents) -> int:
    """How many places of a full symmetric tensor hold the component with these exponents."""
    return math.factorial(sum(exponents)) // math.prod(map(math.factorial, exponents))
