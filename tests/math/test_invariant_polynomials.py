"""Orbits of monomials against Molien's series, published counts, and exchange of atoms by hand."""

from itertools import permutations

import numpy as np
import pytest

from cambrian.errors import UserError
from cambrian.math.invariant_polynomials import exchanges, invariant_orbits, invariants_by_degree, pairs

PUBLISHED = {  # numerator over denominators of the Molien series, expanded by hand
    (2, 1): [1, 2, 4, 6, 9],  # 1/((1-t)²(1-t²))
    (3,): [1, 1, 2, 3, 4, 5, 7],  # 1/((1-t)(1-t²)(1-t³))
    (1, 1, 1): [1, 3, 6, 10, 15],  # 1/(1-t)³
    (4,): [1, 1, 3, 6, 11],  # graphs with four nodes and d edges, parallel edges allowed (OEIS A003082)
}


@pytest.mark.parametrize("groups", PUBLISHED)
def test_published_counts(groups):
    expected = PUBLISHED[groups]
    assert invariants_by_degree(list(groups), len(expected) - 1) == expected


@pytest.mark.parametrize(("groups", "degree"), [([2, 1], 8), ([3], 8), ([4], 5), ([1, 4], 4), ([2, 2], 5), ([2], 6)])
def test_as_many_orbits_as_molien_says(groups, degree):
    exponents, orbit = invariant_orbits(groups, degree)
    by_degree = [len(set(orbit[exponents.sum(axis=1) == d])) for d in range(1, degree + 1)]
    assert by_degree == invariants_by_degree(groups, degree)[1:]


@pytest.mark.parametrize("groups", [[2, 1], [3], [1, 4], [2, 2]])
def test_invariant_under_every_exchange(groups):
    exponents, orbit = invariant_orbits(groups, 4)
    n = sum(groups)
    table = np.random.default_rng(0).random((n, n))
    table = table + table.T
    kinds = np.repeat(range(len(groups)), groups)

    def values(order) -> np.ndarray:
        y = np.array([table[order[i], order[j]] for i, j in pairs(n)])
        return np.bincount(orbit, weights=(y**exponents).prod(axis=1))

    allowed = [order for order in permutations(range(n)) if (kinds[list(order)] == kinds).all()]
    assert len({tuple(e) for e in exchanges(groups)}) <= len(allowed)
    for order in allowed:
        np.testing.assert_allclose(values(order), values(range(n)), rtol=1e-12)
    if len(groups) > 1:
        others = [order for order in permutations(range(n)) if order not in set(allowed)]
        assert any(not np.allclose(values(order), values(range(n))) for order in others)


def test_too_many_are_refused():
    with pytest.raises(UserError, match="too many"):
        invariant_orbits([6, 2, 1], 6)
