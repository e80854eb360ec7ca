"""Tables of pieces against the functions they stand for."""

import numpy as np

from cambrian.math.piece_table import PieceTable


def waves(r):
    return np.stack([np.exp(-2 * (r - 2.2) ** 2), np.sin(3 * r), np.ones_like(r)], axis=1)


def test_values_and_slopes_of_smooth_functions():
    table = PieceTable.of(waves, [0.0, 5.0])
    r = np.random.default_rng(0).uniform(0, 5, 1000)
    values, slopes = table(r)
    np.testing.assert_allclose(values, waves(r), atol=1e-13)
    exact = [-4 * (r - 2.2) * np.exp(-2 * (r - 2.2) ** 2), 3 * np.cos(3 * r), 0 * r]
    np.testing.assert_allclose(slopes, np.stack(exact, axis=1), atol=1e-11)


def bent(r):
    return np.maximum(r - 2.3, 0.0)[:, None] ** 3


def test_a_knot_where_a_derivative_jumps():
    table = PieceTable.of(bent, [0.0, 2.3, 5.0])
    r = np.linspace(2.2, 2.4, 101)
    np.testing.assert_allclose(table(r)[0], bent(r), atol=1e-12)
    assert PieceTable.of(lambda r: np.abs(r[:, None] - 2.34567), [0.0, 5.0]) is None
