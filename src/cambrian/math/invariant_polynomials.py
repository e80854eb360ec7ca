"""Polynomials in the distances of one molecule that do not change when like atoms are exchanged.

    p_k = Σ_{monomials m in orbit k} Π_pairs y_pair^{e_m,pair}

Exchanging like atoms permutes the pairs of atoms; monomials that such permutations turn into each other make an orbit,
and the sum over an orbit is invariant. All orbits up to a degree span every invariant polynomial of that degree. How
many there are of each degree is known from Molien's series, Σ_d n_d t^d = 1/|G| Σ_{g∈G} Π_{cycles c of g} 1/(1-t^|c|).
B. J. Braams, J. M. Bowman, Int. Rev. Phys. Chem. 28, 577 (2009).
"""

from itertools import chain, combinations, combinations_with_replacement, permutations, product
from math import comb, factorial, prod

import numpy as np
from numpy.typing import NDArray

from cambrian.errors import UserError

MOST_MONOMIALS = 100_000
MOST_EXCHANGES = 100_000


def pairs(n_atoms: int) -> list[tuple[int, int]]:
    """Pairs of atoms (first < second) in the order of the variables."""
    return list(combinations(range(n_atoms), 2))


def exchanges(groups: list[int]) -> NDArray[np.int64]:
    """All permutations of the pairs, (permutations, pairs), where atoms stand in groups of like ones of these sizes."""
    starts = np.cumsum([0, *groups])
    of_groups = [permutations(range(start, start + size)) for start, size in zip(starts, groups, strict=False)]
    place = {pair: k for k, pair in enumerate(pairs(sum(groups)))}
    found = set()
    for parts in product(*of_groups):
        order = list(chain.from_iterable(parts))
        found.add(tuple(place[min(order[i], order[j]), max(order[i], order[j])] for i, j in place))
    return np.array(sorted(found), dtype=np.int64).reshape(len(found), len(place))


def invariants_by_degree(groups: list[int], degree: int) -> list[int]:
    """How many invariants there are of each degree 0 ... `degree`, by Molien's series."""
    elements = exchanges(groups)
    total = np.zeros(degree + 1, dtype=object)
    for element in elements.tolist():
        series = np.array([1] + [0] * degree, dtype=object)
        for length in _cycle_lengths(element):
            for d in range(length, degree + 1):  # multiplied by 1/(1 - t^length)
                series[d] += series[d - length]
        total += series
    return [int(n) // len(elements) for n in total]


def invariant_orbits(groups: list[int], degree: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Exponents (monomials, pairs) of all monomials of degree 1 ... `degree`, and the orbit of each.

    Orbits are numbered by degree, then by their first monomial. Raises UserError where there would be too many.
    """
    n_pairs = comb(sum(groups), 2)
    n_monomials, n_exchanges = comb(n_pairs + degree, degree) - 1, prod(map(factorial, groups))
    if n_monomials > MOST_MONOMIALS or n_exchanges > MOST_EXCHANGES or n_monomials * n_exchanges > 1e8:
        raise UserError(
            f"polynomials of degree {degree} in the {n_pairs} distances of {sum(groups)} atoms have {n_monomials:,} "
            f"terms, with {n_exchanges:,} ways to exchange like atoms: too many. Lower the degree, or take a method "
            "that works atom by atom (hdnnp, snap)"
        )
    if n_pairs == 0:
        return np.zeros((0, 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
    exponents = []
    for d in range(1, degree + 1):
        chosen = np.array(list(combinations_with_replacement(range(n_pairs), d))).reshape(-1, d)
        rows = np.zeros((len(chosen), n_pairs), dtype=np.int64)
        np.add.at(rows, (np.arange(len(chosen))[:, None], chosen), 1)
        exponents.append(rows)
    monomials = np.concatenate(exponents)
    place = {row.tobytes(): k for k, row in enumerate(monomials)}
    first = np.arange(len(monomials))
    for element in exchanges(groups):
        turned = np.ascontiguousarray(monomials[:, element])
        first = np.minimum(first, [place[row.tobytes()] for row in turned])
    return monomials, np.unique(first, return_inverse=True)[1]


def _cycle_lengths(element: list[int]) -> list[int]:
    lengths, seen = [], set()
    for start in range(len(element)):
        length, k = 0, start
        while k not in seen:
            seen.add(k)
            length, k = length + 1, element[k]
        if length:
            lengths.append(length)
    return lengths
