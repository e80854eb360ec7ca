"""Correlation functions of series at even times, over all time origins, by fast Fourier transform.

    C(k)   = 1/(n - k) Σ_t x(t) · y(t + k)
    MSD(k) = 1/(n - k) Σ_t |x(t + k) - x(t)|²  =  S(k) - 2 C_xx(k),    S(k) = 1/(n - k) Σ_t |x(t)|² + |x(t + k)|²
    window of a spectrum: Hann, w(k) = cos²(π k / 2m) for k < m

The series is padded with zeros to twice its length, so that the end does not meet the start; S(k) follows from sums
kept from both ends (Calandrini, Pellegrini, Calligari, Hinsen, Kneller, Collection SFN 12, 201 (2011)). Long lags
average few origins and are noisy.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cambrian.errors import UserError


def autocorrelation(
    x: Float[ndarray, "times *components"], *, n_lags: int | None = None
) -> Float[ndarray, "lags *components"]:
    """C(k) of each component, lags 0 ... n_lags - 1 (all of them where not given); nothing is subtracted."""
    return cross_correlation(x, x, n_lags=n_lags)


def cross_correlation(
    x: Float[ndarray, "times *components"], y: Float[ndarray, "times *components"], *, n_lags: int | None = None
) -> Float[ndarray, "lags *components"]:
    """<x(0) y(t)> of each component: `y` is the later one."""
    n = len(x)
    wanted = _checked_lags(n, n_lags)
    size = _padded(n)
    product = np.conj(np.fft.rfft(x, size, axis=0)) * np.fft.rfft(y, size, axis=0)
    sums = np.fft.irfft(product, size, axis=0)[:wanted]
    return sums / _origins(n, wanted).reshape(-1, *[1] * (x.ndim - 1))


def mean_squared_displacement(
    positions: Float[ndarray, "times particles axes"], *, n_lags: int | None = None
) -> Float[ndarray, "lags particles"]:
    """MSD(k) of each particle, in the unit of `positions` squared; positions must be unwrapped."""
    n = len(positions)
    wanted = _checked_lags(n, n_lags)
    moved = positions - positions[0]  # smaller numbers: what is subtracted below is the square of them
    squares = (moved**2).sum(axis=2)
    from_start = np.cumsum(squares, axis=0)[::-1][:wanted]  # Σ_{t < n - k}
    from_end = np.cumsum(squares[::-1], axis=0)[::-1][:wanted]  # Σ_{t >= k}
    both = (from_start + from_end) / _origins(n, wanted)[:, None]
    correlated = autocorrelation(moved, n_lags=wanted).sum(axis=2)
    msd = both - 2 * correlated
    msd[0] = 0.0  # exact, where rounding would leave a trace
    return msd


def cosine_spectrum(
    correlation: Float[ndarray, "lags"], timestep: float
) -> tuple[Float[ndarray, "frequencies"], Float[ndarray, "frequencies"]]:
    """One-sided spectrum of an even correlation function, S(ν) = 2 Δt Σ_{|k| < m} C(k) w(k) cos(2π ν k Δt).

    Frequencies are cycles per unit of `timestep`, from 0 to 1/(2 Δt); ∫ S dν = C(0).
    """
    m = len(correlation)
    windowed = correlation * np.cos(0.5 * np.pi * np.arange(m) / m) ** 2
    even = np.concatenate([windowed, np.zeros(1), windowed[:0:-1]])
    spectrum = 2 * timestep * np.fft.rfft(even).real
    return np.fft.rfftfreq(len(even), timestep), spectrum


def _origins(n: int, n_lags: int) -> Float[ndarray, "lags"]:
    return n - np.arange(n_lags, dtype=float)


def _padded(n: int) -> int:
    return 1 << (2 * n - 1).bit_length()


def _checked_lags(n: int, n_lags: int | None) -> int:
    wanted = n if n_lags is None else n_lags
    if not 1 <= wanted <= n:
        raise UserError(f"a series of {n} times has lags 0 to {n - 1}, not {wanted} of them; record it for longer")
    return wanted
