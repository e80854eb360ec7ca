"""Two curves with noise: the verdict is open where noise hides what is tolerated."""

import numpy as np
import pytest

from cambrian.validate.curves import Comparison, averaged, has_settled, overall

X = np.linspace(0, 1, 20)
TRUTH = 1 + np.sin(6 * X)


def drawn(n, *, seed, shift=0.0, events=100):
    counts = np.random.default_rng(seed).poisson(events * TRUTH, (n, 20))
    return averaged(X, counts / events + shift, counts)


def test_noise_is_the_score_of_two_samples_of_one_curve():
    scores, noises = [], []
    for seed in range(20):
        c = Comparison.of(drawn(50, seed=seed), drawn(200, seed=100 + seed))
        scores.append(c.score)
        noises.append(c.noise)
    assert np.mean(noises) == pytest.approx(np.mean(scores), rel=0.35)


def test_verdicts():
    long, other = drawn(400, seed=0), drawn(400, seed=1)
    assert Comparison.of(long, other).verdict(0.05) == "passed"
    assert Comparison.of(long, drawn(400, seed=2, shift=0.1)).verdict(0.05) == "failed"
    assert Comparison.of(long, drawn(2, seed=3, events=20)).verdict(0.05) == "no reference"
    assert Comparison.of(long, drawn(3, seed=3, events=20, shift=2.0)).verdict(0.05) == "failed"
    assert overall(["passed", "no reference"]) == "no reference"
    assert overall(["passed", "no reference", "failed"]) == "failed"
    assert overall([]) == "no reference"


def test_frames_that_saw_one_configuration_count_once():
    counts = np.tile(np.random.default_rng(0).poisson(20 * TRUTH), (100, 1))
    told = averaged(X, counts / 20, counts, settled=False)
    assert told.noise > 0.1
    assert averaged(X, counts / 20, counts).noise == pytest.approx(0, abs=1e-12)


def test_straight_flight_has_not_settled():
    t = np.linspace(0, 1, 101)[:, None, None]
    velocity = np.random.default_rng(0).normal(size=(1, 8, 3))
    assert not has_settled(t * velocity)
    assert has_settled(np.sin(40 * t) * velocity)
    walk = np.cumsum(np.random.default_rng(1).normal(size=(101, 8, 3)), axis=0)
    assert has_settled(walk)
    assert not has_settled(velocity)


def test_a_drift_is_noise():
    drifting = averaged(X, TRUTH + np.linspace(-0.3, 0.3, 100)[:, None] ** 3 * 20, np.full((100, 20), 1000))
    assert drifting.noise > 0.05
