"""Choosing few of many, against brute force, singular vectors and counting."""

import numpy as np
import pytest

from cambrian.math.subsets import bins_of, cur, evenly, farthest


def cloud(n=60, columns=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, columns))


def each(points):
    return np.arange(len(points))


def test_each_is_the_farthest_from_those_before():
    points = cloud()
    chosen = farthest(points, each(points), 12, seed=3)
    for k in range(1, 12):
        distance = np.linalg.norm(points[:, None] - points[chosen[:k]][None], axis=-1).min(axis=1)
        assert chosen[k] == np.argmax(distance)
    assert farthest(points, each(points), 12, seed=3) == chosen
    assert farthest(points, each(points), 12, seed=4) != chosen


def test_corners_of_a_square_come_first():
    """Known is the middle: the corners follow, then the middles of the sides, whatever else lies inside."""
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    inside = np.random.default_rng(0).uniform(0.3, 0.7, (50, 2))
    points = np.vstack([[[0.5, 0.5]], inside, corners])
    assert sorted(farthest(points, each(points), 4, n_known=1)) == [50, 51, 52, 53]


def test_an_owner_is_chosen_once_with_all_its_points():
    points = np.array([[0.0], [10.0], [10.1], [5.0], [4.0]])
    owner = np.array([0, 1, 2, 1, 3])
    assert farthest(points, owner, 9, n_known=1) == [1, 0, 2]  # 10.1 first, then 5.0's owner, then what is left


def test_duplicates_come_last():
    points = np.vstack([cloud(5), cloud(5)])
    assert set(farthest(points, each(points), 5)) in [set(s) for s in _halves(5)]


def _halves(n):
    return [[k + n * bool(mask >> k & 1) for k in range(n)] for mask in range(2**n)]


@pytest.mark.parametrize("n_vectors", [1, 3])
def test_the_first_row_has_the_highest_leverage(n_vectors):
    points = cloud()
    left = np.linalg.svd(points)[0][:, :n_vectors]
    assert cur(points, 1, n_vectors=n_vectors) == [np.argmax(np.square(left).sum(axis=1))]


@pytest.mark.parametrize("n_vectors", [1, 3])
def test_each_row_has_the_highest_leverage_in_what_is_left(n_vectors):
    """By singular values of explicit projections, two known rows before."""
    points = cloud(columns=6)
    chosen, taken = cur(points, 3, n_known=2, n_vectors=n_vectors), [0, 1]
    for k in chosen:
        basis = np.linalg.qr(points[taken].T)[0]
        rest = points - points @ basis @ basis.T
        left, singular, _ = np.linalg.svd(rest, full_matrices=False)
        leading = left[:, : min(n_vectors, int((singular > 1e-8).sum()))]
        assert k + 2 == np.argmax(np.square(leading).sum(axis=1))
        taken.append(k + 2)


def test_what_the_chosen_rows_span_begins_anew():
    points = cloud(30, columns=3)
    chosen = cur(points, 30)
    assert sorted(chosen) == list(range(30))
    assert np.linalg.matrix_rank(points[chosen[:3]]) == np.linalg.matrix_rank(points[chosen[3:6]]) == 3
    assert sorted(cur(np.zeros((4, 2)), 9)) == [0, 1, 2, 3]


def test_rare_values_are_drawn_as_often_as_common_ones():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 0.1, 900), rng.uniform(4, 6, 100)])
    chosen = evenly(values, each(values), 100, n_bins=20, seed=1)
    assert len(set(chosen)) == 100
    counts = np.bincount(bins_of(values, np.zeros(1000, dtype=int), 20)[chosen], minlength=20)
    population = np.bincount(bins_of(values, np.zeros(1000, dtype=int), 20), minlength=20)
    level = counts.max()
    assert (counts >= np.minimum(population, level - 1)).all()
    random = rng.choice(1000, 100, replace=False)
    assert (values[chosen] > 1).sum() > 5 * (values[random] > 1).sum() > 0


def test_known_ones_fill_their_bins():
    values = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    assert set(evenly(values, each(values), 2, n_bins=2, n_known=3)) <= {1, 2, 3}
    drawn = [evenly(values, each(values), 2, n_bins=2, seed=s)[0] for s in range(20)]
    assert min(drawn) < 4 <= max(drawn)


def test_kinds_have_histograms_of_their_own():
    """Two elements far apart in energy; within each, one atom stands out and its owner comes among the first."""
    values = np.concatenate([np.full(50, -10.0), [-9.0], np.full(50, -500.0), [-499.0]])
    kind, owner = np.repeat([0, 1], 51), np.concatenate([np.arange(51), np.arange(51)])
    owner[-1], owner[50] = 3, 7
    for seed in range(5):
        assert {3, 7} <= set(evenly(values, owner, 4, n_bins=10, kind=kind, seed=seed))


def test_fewer_than_asked_for():
    assert len(farthest(cloud(3), np.arange(3), 9)) == 3
    assert len(cur(cloud(3), 9)) == 3
    assert evenly(np.zeros(0), np.zeros(0, dtype=int), 4, n_bins=3) == []
    assert farthest(np.zeros((0, 2)), np.zeros(0, dtype=int), 4) == []
    assert len(evenly(np.ones(3), np.arange(3), 9, n_bins=3)) == 3
