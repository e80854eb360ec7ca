"""The invariant polynomials of the atomic cluster expansion by number of factors, as sums of products of moments.

    A_{μnlm} = Σ_{j of species μ} R_n(r_j) Y_lm(r̂_j)          B_v = Σ_m C_m Π_t A_{μ_t n_t l_t m_t}

v: unordered multisets of (μ, n, l) with Σ l even; C: the independent couplings of each (`math/coupling.py`).
A multiset of ν slots belongs to the basis where every n <= n_max[ν], l <= l_max[ν] and Σ_t (n_t + w l_t) <= degree[ν].
Their number grows with the number of species to the power of ν, so limits that suit one are lowered for several.
R. Drautz, Phys. Rev. B 99, 014104 (2019); G. Dusson et al., J. Comput. Phys. 454, 110946 (2022).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from cambrian.math.coupling import Invariants, invariants
from cambrian.math.products import Product, Products

Slot = tuple[int, int, int]  # l, n (from 1), species
STEP = 0.25  # in degree


@dataclass(frozen=True)
class Limits:
    """How far the basis goes, one number for every number of slots 1, 2, 3 ...; `l_weight` is w."""

    n_max: tuple[int, ...]
    l_max: tuple[int, ...]
    degree: tuple[float, ...]
    l_weight: float


@dataclass(frozen=True)
class ClusterBasis:
    """Features as a sparse matrix on products of moments.

    functions: the slots of every feature; several couplings of one multiset stand behind each other.
    moments: species, radial function (from 0) and harmonic (column of `spherical_harmonics`) of each.
    left, right: the products after the moments, as in `math/products.py`.
    feature, node, coefficient: feature += coefficient * value[node].
    """

    functions: tuple[tuple[Slot, ...], ...]
    moments: Int[NDArray, "moments 3"]
    left: Int[NDArray, "products"]
    right: Int[NDArray, "products"]
    feature: Int[NDArray, "terms"]
    node: Int[NDArray, "terms"]
    coefficient: Float[NDArray, "terms"]

    @property
    def l_max(self) -> int:
        """The highest degree of any harmonic."""
        return max((slot[0] for slots in self.functions for slot in slots), default=0)

    @property
    def n_radial(self) -> int:
        """The number of radial functions."""
        return max((slot[1] for slots in self.functions for slot in slots), default=0)


@dataclass(frozen=True)
class Slopes:
    """dB/dA as a sparse matrix on products: slope[feature, moment] += coefficient * value[node], node -1 being 1.

    left, right: products that hold those of the basis and every one of them with a factor left out.
    """

    left: Int[NDArray, "products"]
    right: Int[NDArray, "products"]
    feature: Int[NDArray, "terms"]
    moment: Int[NDArray, "terms"]
    node: Int[NDArray, "terms"]
    coefficient: Float[NDArray, "terms"]


def multisets(limits: Limits, n_species: int) -> Iterator[tuple[Slot, ...]]:
    """Slots of every multiset within the limits that has an invariant, by number of slots; slots ascending."""
    for order, (n_max, l_max, degree) in enumerate(zip(limits.n_max, limits.l_max, limits.degree, strict=True), 1):
        labels = list(product(range(l_max + 1), range(1, n_max + 1), range(n_species)))
        least = min((limits.l_weight * slot[0] + slot[1] for slot in labels), default=0.0)
        yield from (
            s for s in _chosen(labels, 0, order, degree, limits.l_weight, least) if len(invariants_of(s).coefficients)
        )


@cache
def n_functions(limits: Limits, n_species: int, most: int) -> int:
    """The number of functions; not counted further than one multiset beyond `most`."""
    total = 0
    for slots in multisets(limits, n_species):
        total += len(invariants_of(slots).coefficients)
        if total > most:
            break
    return total


@cache
def lowered(limits: Limits, n_species: int, most: int) -> Limits:
    """The same with each degree[ν], ν > 1, less by the least of 0, ¼, ½ ... that leaves at most `most` functions.

    Where even single slots are more than `most`, these alone stay.
    """
    w, orders = limits.l_weight, range(1, len(limits.degree) + 1)
    largest = [order * (n + w * k) for order, n, k in zip(orders, limits.n_max, limits.l_max, strict=True)]
    degree = tuple(np.minimum(limits.degree, largest).tolist())
    tried, amount = limits, 0.0
    while n_functions(tried, n_species, most) > most and any(d - amount >= k for k, d in enumerate(degree[1:], 2)):
        amount += STEP
        tried = replace(limits, degree=(degree[0], *(d - amount for d in degree[1:])))
    return tried


@cache
def cluster_basis(limits: Limits, n_species: int) -> ClusterBasis:
    """The basis for neighbors of `n_species` kinds."""
    chosen = list(multisets(limits, n_species))
    labels = sorted({slot for slots in chosen for slot in slots}, key=lambda s: (s[2], s[1], s[0]))
    start, moments = {}, []
    for l, n, species in labels:  # noqa: E741 - the degree's name
        start[l, n, species] = len(moments)
        moments += [(species, n - 1, l**2 + k) for k in range(2 * l + 1)]
    functions, terms = [], []
    for slots in chosen:
        found, first = invariants_of(slots), np.array([start[s] for s in slots])
        factors = [tuple(p) for p in np.sort(first + found.columns, axis=1).tolist()]
        for row in found.coefficients:
            terms += [(len(functions), p, c) for p, c in zip(factors, row.tolist(), strict=True) if c]
            functions.append(slots)
    products = Products(len(moments))
    products.extend(p for _, p, _ in terms)
    return ClusterBasis(
        tuple(functions),
        np.array(moments, dtype=np.int64).reshape(-1, 3),
        products.left,
        products.right,
        np.array([f for f, _, _ in terms], dtype=np.int64),
        np.array([products.node(p) for _, p, _ in terms], dtype=np.int64),
        np.array([c for _, _, c in terms]),
    )


@cache
def cluster_slopes(limits: Limits, n_species: int) -> Slopes:
    """How the features of a basis change with the moments."""
    basis = cluster_basis(limits, n_species)
    factors = _factors(basis)
    terms: dict[tuple[int, int, Product], float] = {}
    for feature, node, coefficient in zip(basis.feature, basis.node, basis.coefficient, strict=True):
        whole = factors[node]
        for k, moment in enumerate(whole):
            key = (int(feature), moment, whole[:k] + whole[k + 1 :])
            terms[key] = terms.get(key, 0.0) + float(coefficient)
    products = Products(len(basis.moments))
    products.extend(p for _, _, p in terms if p)
    return Slopes(
        products.left,
        products.right,
        np.array([f for f, _, _ in terms], dtype=np.int64),
        np.array([m for _, m, _ in terms], dtype=np.int64),
        np.array([products.node(p) if p else -1 for _, _, p in terms], dtype=np.int64),
        np.array(list(terms.values())),
    )


def _chosen(
    labels: list[Slot], first: int, n_left: int, degree: float, l_weight: float, least: float
) -> Iterator[tuple[Slot, ...]]:
    """Ascending tuples of labels whose degrees do not exceed `degree` in sum."""
    if n_left == 0:
        yield ()
        return
    for k in range(first, len(labels)):
        rest = degree - labels[k][1] - l_weight * labels[k][0]
        if rest >= (n_left - 1) * least - 1e-9:
            for others in _chosen(labels, k, n_left - 1, rest, l_weight, least):
                yield (labels[k], *others)


def invariants_of(slots: tuple[Slot, ...]) -> Invariants:
    """The independent invariants of some slots."""
    return invariants(tuple(s[0] for s in slots), tuple(slots.index(s) for s in slots))


def _factors(basis: ClusterBasis) -> list[Product]:
    """The moments whose product each node is."""
    found: list[Product] = [(k,) for k in range(len(basis.moments))]
    for a, b in zip(basis.left.tolist(), basis.right.tolist(), strict=True):
        found.append(tuple(sorted(found[a] + found[b])))
    return found
