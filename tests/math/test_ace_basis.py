"""The list of functions, the shared products, and derivatives as sums over products."""

import math
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import pytest

from cambrian.math.ace_basis import Limits, cluster_basis, cluster_slopes, lowered, multisets, n_functions
from cambrian.math.products import Products, levels


def evaluate(left, right, factors):
    nodes = list(factors)
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        nodes.append(nodes[a] * nodes[b])
    return np.array(nodes)


def test_multisets_are_all_within_the_limits():
    limits = Limits((3, 3, 2), (0, 2, 2), (3.0, 6.0, 7.0), 1.5)
    found = [set() for _ in range(3)]
    for slots in multisets(limits, 2):
        found[len(slots) - 1].add(slots)
    for order, (n_max, l_max, degree) in enumerate(zip(limits.n_max, limits.l_max, limits.degree, strict=True), 1):
        labels = [(k, n, s) for k in range(l_max + 1) for n in range(1, n_max + 1) for s in range(2)]
        expected = set()
        for slots in combinations_with_replacement(labels, order):
            degrees = sorted(s[0] for s in slots)
            closes = degrees[-1] <= sum(degrees[:-1]) and sum(degrees) % 2 == 0
            if closes and sum(s[1] + 1.5 * s[0] for s in slots) <= degree + 1e-9:
                expected.add(tuple(sorted(slots)))
        assert {tuple(sorted(s)) for s in found[order - 1]} == expected


def test_numbers_of_functions_for_one_element_without_angles():
    """With l = 0 every multiset of radial functions is one function: C(n + ν - 1, ν)."""
    basis = cluster_basis(Limits((4, 4, 4), (0, 0, 0), (99.0, 99.0, 99.0), 1.0), 1)
    assert np.bincount([len(f) for f in basis.functions]).tolist() == [0, 4, 10, 20]


def test_products_share_their_parts():
    products = Products(5)
    wanted = [(0, 1), (0, 1, 2), (0, 1, 3, 4), (3, 4), (0, 0, 0, 0), (2,)]
    products.extend(wanted)
    assert len(products.left) == 6  # 01 34 00, 012, 0134 0000: nothing twice
    factors = np.random.default_rng(0).normal(size=5)
    nodes = evaluate(products.left, products.right, factors)
    for product in wanted:
        np.testing.assert_allclose(nodes[products.node(product)], factors[list(product)].prod(), rtol=1e-14)
    assert len(products) == 5 + len(products.left)


def test_levels_need_only_those_before():
    products = Products(3)
    products.extend([(0, 1), (0, 1, 2), (0, 0, 1, 1, 2)])
    done = set(range(3))
    for level in levels(products.left, products.right, 3):
        assert {int(products.left[k]) for k in level} | {int(products.right[k]) for k in level} <= done
        done |= {3 + int(k) for k in level}
    assert done == set(range(len(products)))


def test_slopes_are_the_derivatives_of_the_polynomials():
    """Against differences of the polynomials, which are exact but for rounding at this step."""
    limits = Limits((3, 2, 2, 1), (0, 2, 1, 1), (3.0, 6.0, 6.0, 6.0), 1.0)
    basis, slopes = cluster_basis(limits, 2), cluster_slopes(limits, 2)

    def features(moments):
        nodes = evaluate(basis.left, basis.right, moments)
        return np.bincount(basis.feature, basis.coefficient * nodes[basis.node], len(basis.functions))

    moments = np.random.default_rng(1).normal(size=len(basis.moments))
    nodes = np.append(evaluate(slopes.left, slopes.right, moments), 1.0)
    table = np.zeros((len(basis.functions), len(moments)))
    np.add.at(table, (slopes.feature, slopes.moment), slopes.coefficient * nodes[slopes.node])
    for k in range(len(moments)):
        step = 1e-5 * np.eye(len(moments))[k]
        np.testing.assert_allclose((features(moments + step) - features(moments - step)) / 2e-5, table[:, k], atol=1e-8)


@pytest.mark.parametrize("n_species", [1, 2, 3])
def test_limits_are_lowered_no_further_than_need_be(n_species):
    limits, most = Limits((6, 5, 4), (0, 3, 2), (6.0, math.inf, math.inf), 0.5), 100
    found = lowered(limits, n_species, most)
    assert len(list(multisets(found, n_species))) <= n_functions(found, n_species, 10**4) <= most
    amount = 2 * (5 + 0.5 * 3) - found.degree[1]
    assert amount == 3 * (4 + 0.5 * 2) - found.degree[2]
    higher = replace(found, degree=(6.0, found.degree[1] + 0.25, found.degree[2] + 0.25))
    assert n_functions(higher, n_species, 10**4) > most
    assert lowered(limits, n_species, 10**4) is limits


def test_pairs_stay_where_products_are_too_many():
    found = lowered(Limits((6, 4, 3), (0, 2, 2), (6.0, 8.0, 8.0), 1.0), 2, 5)
    assert n_functions(found, 2, 10**4) == 12
