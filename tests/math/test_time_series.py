"""Errors of means and slopes against processes whose correlation is known."""

import numpy as np
import pytest

from cambrian.math.time_series import correlation_time, mean_with_error, slope_with_error


def autoregressive(phi, n, rng):
    """x_t = φ x_(t-1) + noise: ρ(t) = φ^t, so τ = ½ (1 + φ) / (1 - φ)."""
    from scipy.signal import lfilter

    burn = 200
    return lfilter([1.0], [1.0, -phi], rng.normal(size=n + burn))[burn:]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_correlation_time_of_an_autoregressive_process(phi):
    rng = np.random.default_rng(0)
    found = np.mean([correlation_time(autoregressive(phi, 20000, rng)) for _ in range(20)])
    assert found == pytest.approx(0.5 * (1 + phi) / (1 - phi), rel=0.05)


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_errors_cover_the_truth_as_often_as_they_should(phi):
    rng = np.random.default_rng(1)
    times = np.linspace(0, 7, 3000)
    z_mean, z_slope = [], []
    for _ in range(400):
        values = 3.0 + 0.2 * times + autoregressive(phi, len(times), rng)
        slope, error, residual = slope_with_error(times, values)
        z_slope.append((slope - 0.2) / error)
        mean, error = mean_with_error(values - 0.2 * times)
        z_mean.append((mean - 3.0) / error)
        assert abs(residual.mean()) < 1e-9
    assert np.std(z_mean) == pytest.approx(1, abs=0.12)
    assert np.std(z_slope) == pytest.approx(1, abs=0.12)


def test_edge_cases():
    assert mean_with_error(np.array([2.0]))[0] == 2.0
    assert np.isnan(mean_with_error(np.array([2.0]))[1])
    assert mean_with_error(np.full(50, 1.5)) == (1.5, 0.0)
    slope, error, _ = slope_with_error(np.arange(50.0), 2.0 * np.arange(50.0) + 1)
    assert slope == pytest.approx(2)
    assert error < 1e-12
    assert correlation_time(np.tile([1.0, -1.0], 50)) == 0.5  # anticorrelated counts as independent
