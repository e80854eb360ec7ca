"""Means and slopes of correlated data, with errors that know of the correlation.

    τ = ½ + Σ_t ρ(t)          (integrated autocorrelation time in samples, ½ for independent ones)
    error of the mean  = σ sqrt(2 τ / n)          error of the slope = σ_res sqrt(2 τ_res / Σ (t - t̄)²)

The sum ends at the first window W >= 5 τ(W), which balances truncation against noise (U. Wolff, Comput. Phys. Commun.
156, 143 (2004); A. D. Sokal's rule). An anticorrelated series counts as independent, which errs on the safe side.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

WINDOW = 5.0


def correlation_time(values: Float[ndarray, "samples"]) -> float:
    """Integrated autocorrelation time in samples, at least ½."""
    n = len(values)
    centered = values - values.mean()
    if n < 2 or not np.any(centered):
        return 0.5
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centered, size)) ** 2
    # the bias of subtracting the sample mean is taken out of ρ by dividing by the number of pairs
    correlation = np.fft.irfft(spectrum, size)[:n] / np.arange(n, 0, -1)
    times = np.cumsum(correlation / correlation[0]) - 0.5
    windows = np.arange(n)
    enough = np.nonzero(windows >= WINDOW * np.maximum(times, 0.5))[0]
    window = enough[0] if len(enough) else n - 1
    return float(max(times[window], 0.5))


def mean_with_error(values: Float[ndarray, "samples"]) -> tuple[float, float]:
    """Mean and its standard error; NaN error for a single sample."""
    n = len(values)
    if n < 2:
        return float(values.mean()), float("nan")
    n_independent = max(n / (2 * correlation_time(values)), 1.0)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(n_independent))


def slope_with_error(
    times: Float[ndarray, "samples"], values: Float[ndarray, "samples"]
) -> tuple[float, float, Float[ndarray, "samples"]]:
    """Least-squares slope, its standard error, and what the straight line leaves; samples at even times."""
    n = len(times)
    lever = times - times.mean()
    slope = float(lever @ values / (lever @ lever))
    residual = values - values.mean() - slope * lever
    if n < 3:
        return slope, float("nan"), residual
    variance = (residual @ residual) / (n - 2)
    return slope, float(np.sqrt(variance * 2 * correlation_time(residual) / (lever @ lever))), residual
