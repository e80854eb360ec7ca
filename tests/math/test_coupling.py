"""Couplings: as many as group theory says, unchanged by rotations and inversion, independent."""

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import leggauss

from cambrian.math.coupling import invariants, real_clebsch_gordan
from cambrian.math.spherical_harmonics import spherical_harmonics

CASES = [
    ((0,), (0,)),
    ((1,), (0,)),
    ((3, 3), (0, 0)),
    ((3, 3), (0, 1)),
    ((1, 2), (0, 1)),
    ((1, 1, 2), (0, 0, 1)),
    ((1, 1, 2), (0, 1, 2)),
    ((2, 2, 2), (0, 0, 0)),
    ((1, 1, 1), (0, 1, 2)),
    ((1, 1, 1, 1), (0, 0, 0, 0)),
    ((1, 1, 1, 1), (0, 0, 1, 1)),
    ((1, 1, 1, 1), (0, 1, 2, 3)),
    ((1, 2, 2, 3), (0, 1, 1, 2)),
    ((2, 2, 2, 2), (0, 0, 0, 0)),
    ((2, 2, 2, 2), (0, 0, 1, 2)),
    ((3, 3, 3, 3), (0, 0, 0, 0)),
    ((4, 4, 4, 4), (0, 0, 0, 0)),
    ((1, 1, 2, 2, 2), (0, 1, 2, 2, 2)),
    ((2, 2, 2, 2, 2), (0, 0, 0, 0, 0)),
    ((1, 1, 1, 1, 2, 2), (0, 0, 1, 1, 2, 2)),
]


def count_by_characters(orders, kinds) -> int:
    """Invariants of rotations in the product of symmetric powers, by Weyl's integral; none where inversion forbids."""
    if sum(orders) % 2:
        return 0
    nodes, weights = leggauss(200)
    angle = 0.5 * np.pi * (nodes + 1)
    measure = 0.5 * np.pi * weights * (1 - np.cos(angle)) / np.pi

    def character(degree, power):
        return sum(np.cos(m * power * angle) for m in range(-degree, degree + 1))

    total = np.ones_like(angle)
    for kind in dict.fromkeys(kinds):
        degree, k = orders[kinds.index(kind)], kinds.count(kind)
        powers = [np.ones_like(angle)]  # of the symmetric powers, by Newton's identities
        for n in range(1, k + 1):
            powers.append(sum(powers[n - p] * character(degree, p) for p in range(1, n + 1)) / n)
        total = total * powers[k]
    return round(float((measure * total).sum()))


def turned(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def values(orders, kinds, seed: int, turn: np.ndarray) -> np.ndarray:
    """The invariants of random densities, one for each kind, on turned points."""
    rng = np.random.default_rng(seed)
    found = invariants(orders, kinds)
    product = np.ones(len(found.columns))
    densities = {}
    for kind in dict.fromkeys(kinds):
        points, weights = rng.normal(size=(9, 3)), rng.normal(size=9)
        densities[kind] = points / np.linalg.norm(points, axis=1, keepdims=True) @ turn.T, weights
    for t, degree in enumerate(orders):
        points, weights = densities[kinds[t]]
        harmonics = spherical_harmonics(torch.from_numpy(points), degree).numpy()[:, degree**2 :]
        product *= (weights @ harmonics)[found.columns[:, t]]
    return found.coefficients @ product


@pytest.mark.parametrize(("orders", "kinds"), CASES)
def test_as_many_as_group_theory_says(orders, kinds):
    assert len(invariants(orders, kinds).coefficients) == count_by_characters(orders, kinds)


@pytest.mark.parametrize(("orders", "kinds"), CASES)
def test_no_rotation_or_inversion_changes_them(orders, kinds):
    rng = np.random.default_rng(2)
    for seed in range(3):
        straight = values(orders, kinds, seed, np.eye(3))
        for turn in (turned(rng), -turned(rng), -np.eye(3)):
            np.testing.assert_allclose(values(orders, kinds, seed, turn), straight, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("orders", "kinds"), [c for c in CASES if len(c[0]) > 2])
def test_independent_on_random_densities(orders, kinds):
    n = count_by_characters(orders, kinds)
    table = np.array([values(orders, kinds, seed, np.eye(3)) for seed in range(n + 12)])
    if n:
        singular = np.linalg.svd(table / np.linalg.norm(table, axis=0), compute_uv=False)
        assert singular[-1] > 1e-6 * singular[0]


def test_real_coefficients_couple_products_to_what_turns_like_a_harmonic():
    """Σ C^{lm}_{l1 m1 l2 m2} Y_l1m1(u) Y_l2m2(u) is a multiple of Y_lm(u), with the known factor <l1 0 l2 0 | l 0>."""
    u = np.random.default_rng(0).normal(size=3)
    Y = spherical_harmonics(torch.from_numpy(u / np.linalg.norm(u)), 4).numpy()
    known = {(1, 1, 0): -np.sqrt(1 / 3), (1, 1, 2): np.sqrt(2 / 3), (2, 2, 2): -np.sqrt(2 / 7), (1, 1, 1): 0.0}
    for (l1, l2, degree), factor in known.items():
        first, second, whole = (Y[k**2 : (k + 1) ** 2] for k in (l1, l2, degree))
        coupled = np.einsum("abc,b,c->a", real_clebsch_gordan(l1, l2, degree), first, second)
        np.testing.assert_allclose(coupled, factor * whole, atol=1e-14)


def test_real_coefficients_are_orthonormal():
    for l1, l2, degree in [(1, 1, 1), (2, 1, 3), (2, 2, 1), (3, 2, 4)]:
        table = real_clebsch_gordan(l1, l2, degree).reshape(2 * degree + 1, -1)
        np.testing.assert_allclose(table @ table.T, np.eye(2 * degree + 1), atol=1e-13)
