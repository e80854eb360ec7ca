"""MaxVol: planted rows, a volume that never falls, grades of what it was chosen from, and the best of all subsets."""

from itertools import combinations

import numpy as np
import pytest

from cambrian.math import maxvol as module
from cambrian.math.maxvol import EDGE, active_rows, grades, maxvol


def test_planted_rows_are_found():
    """Corners among convex combinations of themselves: nothing else spans as much."""
    rng = np.random.default_rng(0)
    corners = 3 * rng.normal(size=(6, 6))
    inside = rng.dirichlet(np.ones(6), size=300) @ corners
    rows = np.concatenate([inside[:200], corners, inside[200:]])
    assert sorted(maxvol(rows)) == list(range(200, 206))
    assert grades(rows, rows[maxvol(rows)]).max() == pytest.approx(1.0)


def test_all_rows_lie_within_and_others_do_not():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(500, 8))
    chosen = maxvol(rows)
    assert len(set(chosen)) == 8
    assert grades(rows, rows[chosen]).max() <= EDGE + 1e-9
    assert grades(3 * rows[chosen], rows[chosen]) == pytest.approx(3.0)
    new = rng.normal(size=(20, 8))
    expected = [np.abs(np.linalg.solve(rows[chosen].T, b)).max() for b in new]
    np.testing.assert_allclose(grades(new, rows[chosen]), expected, rtol=1e-9)


def test_the_volume_never_falls():
    """Beginning anywhere, the determinant after more swaps is at least that after fewer."""
    rows = np.random.default_rng(2).normal(size=(60, 4))
    start = np.arange(4)
    volumes = [abs(np.linalg.det(rows[start]))]
    while True:  # one swap by the definition, beside what the code ends with
        C = rows @ np.linalg.inv(rows[start])
        i, j = divmod(int(np.abs(C).argmax()), 4)
        if abs(C[i, j]) <= EDGE:
            break
        start[j] = i
        volumes.append(abs(np.linalg.det(rows[start])))
    assert (np.diff(volumes) > 0).all()
    assert len(volumes) > 2
    found = maxvol(rows, np.arange(4))
    assert abs(np.linalg.det(rows[found])) == pytest.approx(volumes[-1])


def test_it_is_near_the_largest_of_all_subsets():
    for seed in range(10):
        rows = np.random.default_rng(seed).normal(size=(14, 3))
        best = max(abs(np.linalg.det(rows[list(some)])) for some in combinations(range(14), 3))
        assert abs(np.linalg.det(rows[maxvol(rows)])) > best / 3


def test_blocks_and_pools_change_nothing_that_counts(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 37)
    monkeypatch.setattr(module, "POOL", 20)
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(700, 7)) @ np.diag(10.0 ** -np.arange(7))
    active = active_rows(rows, 1e-9 * np.eye(7))
    assert grades(rows, active).max() <= EDGE + 1e-5
    more = active_rows(2 * rows[:100], active)  # what was known stays known
    assert grades(rows, more).max() <= EDGE + 1e-5
    assert abs(np.linalg.det(more)) >= abs(np.linalg.det(active))


def test_directions_that_no_row_has_stay_with_the_floor():
    rng = np.random.default_rng(4)
    rows = np.column_stack([rng.normal(size=(50, 3)), np.zeros(50)])
    active = active_rows(rows, 1e-3 * np.eye(4))
    assert grades(np.array([[0.0, 0.0, 0.0, 0.01]]), active) == pytest.approx(10.0)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="span"):
        maxvol(np.ones((2, 3)))
    with pytest.raises(ValueError, match="rank"):
        maxvol(np.ones((5, 3)))
