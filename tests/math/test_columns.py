"""Choosing columns: copies are seen through, orders are nested, and nothing in them is random."""

import numpy as np
import pytest

from cambrian.math.columns import ORDERS, by_correlation, by_cur, by_farthest_point, standardized, varying


def points(n_kinds: int = 4, n_copies: int = 3, noise: float = 1e-3) -> np.ndarray:
    """Independent columns, each several times: scaled, shifted, of either sign, and with a little noise."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(400, n_kinds))
    scale = rng.uniform(0.1, 50, n_copies) * np.resize([1, -1], n_copies)
    columns = [kinds * s + rng.normal() + noise * abs(s) * rng.normal(size=kinds.shape) for s in scale]
    return np.concatenate(columns, axis=1)


@pytest.mark.parametrize("name", ORDERS)
def test_one_of_each_kind_comes_before_any_copy(name):
    order = ORDERS[name](points(), 12)
    assert sorted(order) == list(range(12))
    assert sorted(k % 4 for k in order[:4]) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ORDERS)
def test_fewer_are_the_first_of_more(name):
    x = np.random.default_rng(1).normal(size=(100, 9)) @ np.random.default_rng(2).normal(size=(9, 9))
    whole = ORDERS[name](x, 9)
    for n in (1, 3, 6):
        assert ORDERS[name](x, n) == whole[:n]
    assert ORDERS[name](x * 7.5 + 3.0, 5) == whole[:5], "neither unit nor origin matters"


def test_cur_takes_the_column_of_most_leverage_and_then_what_it_lacks():
    """By hand with singular vectors and an explicit projection."""
    z = standardized(np.random.default_rng(3).normal(size=(60, 5)) @ np.random.default_rng(4).normal(size=(5, 7)))
    expected, rest = [], z.copy()
    for _ in range(5):
        leverage = np.linalg.svd(rest, full_matrices=False)[2][0] ** 2
        leverage[expected] = -1
        expected.append(int(leverage.argmax()))
        q = rest[:, expected[-1]] / np.linalg.norm(rest[:, expected[-1]])
        rest = rest - np.outer(q, q @ rest)
    assert by_cur(z, 5) == expected


def test_farthest_points_follow_the_definition():
    x = np.random.default_rng(5).normal(size=(80, 6)) @ np.random.default_rng(6).normal(size=(6, 6))
    alike = np.abs(np.corrcoef(x.T))
    order = by_farthest_point(x, 6)
    assert order[0] == alike.sum(axis=1).argmax()
    for n in range(1, 6):
        rest = [k for k in range(6) if k not in order[:n]]
        assert order[n] == min(rest, key=lambda k: alike[k, order[:n]].max())


def test_the_first_to_go_is_of_the_most_correlated_pair():
    x = np.random.default_rng(7).normal(size=(80, 6)) @ np.random.default_rng(8).normal(size=(6, 6))
    alike = np.abs(np.corrcoef(x.T)) - 2 * np.eye(6)
    pair = np.unravel_index(alike.argmax(), alike.shape)
    first = by_correlation(x, 6)[-1]
    assert first == max(pair, key=lambda k: alike[k].clip(min=0).sum())


def test_columns_that_do_not_vary():
    x = np.stack([np.ones(20), np.linspace(0, 1, 20), 1e-6 * np.linspace(0, 1, 20)], axis=1)
    np.testing.assert_array_equal(varying(x, 1e-4), [False, True, False])
    assert (standardized(x)[:, 0] == 0).all()
