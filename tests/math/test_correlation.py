"""Correlation functions against their direct sums, and of processes whose correlation is known."""

import numpy as np
import pytest

from cambrian.errors import UserError
from cambrian.math.correlation import autocorrelation, cosine_spectrum, cross_correlation, mean_squared_displacement


def test_correlations_are_the_direct_sums():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 37, 4, 3)) + 0.3
    found, crossed = autocorrelation(x), cross_correlation(x, y, n_lags=20)
    for k in range(37):
        np.testing.assert_allclose(found[k], (x[: 37 - k] * x[k:]).mean(axis=0), atol=1e-12)
    for k in range(20):
        np.testing.assert_allclose(crossed[k], (x[: 37 - k] * y[k:]).mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 33, 64])
def test_displacements_are_the_direct_sums(n):
    x = np.cumsum(np.random.default_rng(1).normal(size=(n, 5, 3)), axis=0) + 1e4
    found = mean_squared_displacement(x)
    for k in range(n):
        direct = ((x[k:] - x[: n - k]) ** 2).sum(axis=2).mean(axis=0)
        np.testing.assert_allclose(found[k], direct, rtol=1e-9, atol=1e-9)


def test_displacement_of_a_straight_flight_is_quadratic():
    t, velocity = np.arange(50.0), np.array([[1.0, -2.0, 0.5]])
    msd = mean_squared_displacement(t[:, None, None] * velocity, n_lags=30)
    np.testing.assert_allclose(msd[:, 0], 5.25 * t[:30] ** 2, rtol=1e-9, atol=1e-8)


def test_a_wrapped_end_would_be_seen():
    ramp = np.arange(16.0)
    unpadded = np.fft.irfft(np.abs(np.fft.rfft(ramp)) ** 2) / (16 - np.arange(16))
    assert abs(unpadded[8] - autocorrelation(ramp)[8]) > 1


def test_spectrum_of_an_oscillation_peaks_at_its_frequency_and_keeps_its_area():
    dt, frequency = 0.5, 0.0937
    times = dt * np.arange(4000)
    nu, spectrum = cosine_spectrum(autocorrelation(np.cos(2 * np.pi * frequency * times), n_lags=1000), dt)
    assert nu[spectrum.argmax()] == pytest.approx(frequency, abs=nu[1])
    assert spectrum.sum() * nu[1] - 0.5 * (spectrum[0] + spectrum[-1]) * nu[1] == pytest.approx(0.5, rel=1e-3)


def test_more_lags_than_times_are_refused():
    with pytest.raises(UserError, match="10 times has lags 0 to 9"):
        autocorrelation(np.zeros(10), n_lags=11)
