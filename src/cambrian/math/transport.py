"""Transport coefficients from fluctuations at equilibrium, each by two routes, with errors from independent samples.

    Einstein      L = lim ½ d/dt <[X(t) - X(0)]²>           slope of a straight line over 20-80 % of the window
    Green-Kubo    L = ∫_0^∞ <J(0) J(t)> dt,   J = dX/dt     mean of the running integral over the same lags

per Cartesian axis. A sample is one axis of one run (or of one block of a long run); value and error are the mean of the
samples and std/√n. Where axes differ truly, as in a layered crystal, that difference is part of the error.

Finite size: I.-C. Yeh, G. Hummer, J. Phys. Chem. B 108, 15873 (2004). Mixtures: L. Bertossa, F. Grasselli, L. Ercole,
S. Baroni, Phys. Rev. Lett. 122, 255901 (2019): heat flows at zero mass flux, L_qq - L_qm L_mm⁻¹ L_mq.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cambrian.errors import UserError
from cambrian.math.correlation import autocorrelation, cross_correlation, mean_squared_displacement

FIT = (0.2, 0.8)  # part of the window that is read
COLUMNS = 96  # series that are transformed at once
YEH_HUMMER = 2.837297  # of a cubic cell
DIFFUSING = 3.0  # errors above zero from which a mass flux counts as diffusive


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error; NaN error where there is a single sample."""

    value: float
    error: float

    @classmethod
    def of(cls, samples: Float[ndarray, "samples"]) -> "Estimate":
        """Mean and std/√n of independent samples."""
        n = len(samples)
        return cls(float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"))

    def times(self, factor: float) -> "Estimate":
        """In another unit."""
        return Estimate(self.value * factor, self.error * abs(factor))

    def apart(self, other: "Estimate") -> float:
        """|difference| in combined errors; 0 for equal values without errors."""
        difference, error = abs(self.value - other.value), float(np.hypot(self.error, other.error))
        return difference / error if error else (np.inf if difference else 0.0)

    @property
    def significant(self) -> bool:
        """Whether it is above zero by three errors."""
        return self.value > DIFFUSING * self.error


@dataclass(frozen=True)
class Coefficient:
    """A transport coefficient and the curve it is read from.

    `curve` and `band` (lags,): ½ <ΔX²> or the running integral, and its standard error, at `lags` (in units of the
    timestep that was given). `drift` is what the later half of the lags read says minus the earlier half: more than
    its error means that the window is too short. `samples` are what `estimate` is the mean of.
    """

    estimate: Estimate
    drift: Estimate
    samples: Float[ndarray, "samples"]
    lags: Float[ndarray, "lags"]
    curve: Float[ndarray, "lags"]
    band: Float[ndarray, "lags"]

    def times(self, factor: float) -> "Coefficient":
        """In another unit."""
        return replace(
            self,
            estimate=self.estimate.times(factor),
            drift=self.drift.times(factor),
            samples=self.samples * factor,
            curve=self.curve * factor,
            band=self.band * abs(factor),
        )


def blocks(series: Float[ndarray, "times ..."], n_blocks: int) -> list[Float[ndarray, "block_times ..."]]:
    """A long series cut into equal runs; what is left at the end is dropped."""
    length = len(series) // n_blocks
    return [series[k * length : (k + 1) * length] for k in range(n_blocks)]


def einstein(moments: Sequence[Float[ndarray, "times particles axes"]], timestep: float, n_lags: int) -> Coefficient:
    """Slope of ½ <[X(t) - X(0)]²>, averaged over particles; `moments` (unwrapped positions ...) of each run."""
    msd = [_over_particles(_squared, run, n_lags) for run in moments]
    return _read(0.5 * np.concatenate([m.T for m in msd]), timestep, _slopes)


def green_kubo(fluxes: Sequence[Float[ndarray, "times particles axes"]], timestep: float, n_lags: int) -> Coefficient:
    """∫ <J(0) J(t)> dt, averaged over particles; `fluxes` (velocities, a current ...) of each run."""
    correlation = [_over_particles(_product, run, n_lags) for run in fluxes]
    return _read(running_integral(np.concatenate([c.T for c in correlation]), timestep), timestep, _means)


def onsager(
    fluxes: Sequence[Float[ndarray, "times kinds axes"]], timestep: float, n_lags: int
) -> Float[ndarray, "samples lags kinds kinds"]:
    """Running integrals of <J_a(0) J_b(t)>, symmetric in a and b, of the fluxes of each run."""
    found = []
    for run in fluxes:
        n_kinds = run.shape[1]
        matrix = np.empty((run.shape[2], n_lags, n_kinds, n_kinds))
        for b in range(n_kinds):
            later = np.broadcast_to(run[:, b : b + 1], run.shape)
            matrix[:, :, :, b] = cross_correlation(run, later, n_lags=n_lags).transpose(2, 0, 1)
        found.append(0.5 * (matrix + matrix.swapaxes(2, 3)))
    return np.moveaxis(running_integral(np.moveaxis(np.concatenate(found), 1, -1), timestep), -1, 1)


def heat_conduction(fluxes: Sequence[Float[ndarray, "times kinds axes"]], timestep: float, n_lags: int) -> Coefficient:
    """Green-Kubo integral of the first flux (energy) while the others (masses of all elements but one) do not flow.

    Mass fluxes are first taken out of the energy flux by their equal-time covariance, which changes no result and
    removes the noise that the zero of the atomic energies brings. Those that diffuse are then eliminated; in crystals
    and between the elements of a molecule none does. The error is that of a jackknife.
    """
    free = _decorrelated(fluxes)
    integrals = onsager(free, timestep, n_lags)
    matrices = _means(_lags(n_lags, timestep), np.moveaxis(integrals, 1, -1), _span(n_lags))
    diffusing = [k for k in range(1, matrices.shape[1]) if Estimate.of(matrices[:, k, k]).significant]
    kept = [0, *diffusing]
    if not diffusing:
        return _read(integrals[:, :, 0, 0], timestep, _means)
    # pseudo-values: what each sample changes, so that their mean and spread are those of the jackknife
    curves = _pseudo_values(integrals[:, :, kept][:, :, :, kept], matrices[:, kept][:, :, kept])
    return _read(curves, timestep, _means)


def ratio(top: Float[ndarray, "samples"], bottom: Float[ndarray, "samples"]) -> Estimate:
    """Ratio of two means whose samples belong together, with the error of a jackknife."""
    n = len(top)
    whole = top.sum() / bottom.sum()
    left_out = (top.sum() - top) / (bottom.sum() - bottom) if n > 1 else np.full(1, np.nan)
    spread = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    return Estimate(float(whole), float(spread))


def running_integral(values: Float[ndarray, "*rows lags"], timestep: float) -> Float[ndarray, "*rows lags"]:
    """Integral from 0 to each lag, by trapezoids."""
    steps = 0.5 * timestep * (values[..., 1:] + values[..., :-1])
    return np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(steps, axis=-1)], axis=-1)


def yeh_hummer(kT: float, viscosity: float, length: float) -> float:
    """What a periodic cube of side `length` takes from a diffusion coefficient, 2.837297 kT / (6π η L)."""
    return YEH_HUMMER * kT / (6 * np.pi * viscosity * length)


def arrhenius(
    kT: Float[ndarray, "temperatures"], values: Float[ndarray, "temperatures"], errors: Float[ndarray, "temperatures"]
) -> tuple[Estimate, Estimate]:
    """Activation energy (in the unit of kT) and ln D0 of D = D0 exp(-E/kT), by weighted least squares.

    Raises UserError where a value is not positive.
    """
    if not (values > 0).all():
        raise UserError("an Arrhenius line needs positive values at all temperatures; run longer, or hotter")
    relative = np.where(np.isfinite(errors) & (errors > 0), errors / values, 1.0)
    design = np.stack([np.ones_like(kT), -1 / kT], axis=1) / relative[:, None]
    covariance = np.linalg.inv(design.T @ design)
    intercept, energy = covariance @ design.T @ (np.log(values) / relative)
    spread = np.sqrt(np.diag(covariance))
    return Estimate(float(energy), float(spread[1])), Estimate(float(intercept), float(spread[0]))


def _squared(series: Float[ndarray, "times columns"], n_lags: int) -> Float[ndarray, "lags columns"]:
    return mean_squared_displacement(series[:, :, None], n_lags=n_lags)


def _product(series: Float[ndarray, "times columns"], n_lags: int) -> Float[ndarray, "lags columns"]:
    return autocorrelation(series, n_lags=n_lags)


def _over_particles(
    correlate: Callable, run: Float[ndarray, "times particles axes"], n_lags: int
) -> Float[ndarray, "lags axes"]:
    """Mean over particles, a few at a time: transforms of all would not fit into memory."""
    n_particles, n_axes = run.shape[1:]
    at_once = max(1, COLUMNS // n_axes)
    total = np.zeros((n_lags, n_axes))
    for first in range(0, n_particles, at_once):
        part = run[:, first : first + at_once]
        columns = correlate(part.reshape(len(part), -1), n_lags)
        total += columns.reshape(n_lags, -1, n_axes).sum(axis=1)
    return total / n_particles


def _lags(n_lags: int, timestep: float) -> Float[ndarray, "lags"]:
    return timestep * np.arange(n_lags)


def _span(n_lags: int) -> slice:
    """The lags that are read; raises UserError where they are too few."""
    first, last = round(FIT[0] * (n_lags - 1)), round(FIT[1] * (n_lags - 1)) + 1
    if last - first < 4:
        raise UserError(f"a window of {n_lags} recorded times is too short to read; record more often, or widen it")
    return slice(first, last)


def _read(curves: Float[ndarray, "samples lags"], timestep: float, read: Callable) -> Coefficient:
    n_lags = curves.shape[1]
    lags, span = _lags(n_lags, timestep), _span(n_lags)
    middle = (span.start + span.stop) // 2
    samples = read(lags, curves, span)
    drift = read(lags, curves, slice(middle, span.stop)) - read(lags, curves, slice(span.start, middle))
    n = len(curves)
    band = curves.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(n_lags, np.nan)
    return Coefficient(Estimate.of(samples), Estimate.of(drift), samples, lags, curves.mean(axis=0), band)


def _slopes(lags: ndarray, curves: Float[ndarray, "*rows lags"], span: slice) -> Float[ndarray, "*rows"]:
    lever = lags[span] - lags[span].mean()
    return curves[..., span] @ lever / (lever @ lever)


def _means(lags: ndarray, curves: Float[ndarray, "*rows lags"], span: slice) -> Float[ndarray, "*rows"]:
    """Weighted as a straight line weighs the slopes along it, so that both routes read the same."""
    n = span.stop - span.start
    weights = 1 - ((2 * np.arange(n) + 1) / n - 1) ** 2
    return curves[..., span] @ (weights / weights.sum())


def _decorrelated(fluxes: Sequence[ndarray]) -> list[ndarray]:
    """The energy flux without what follows the mass fluxes at equal times."""
    if fluxes[0].shape[1] == 1:
        return list(fluxes)
    masses = np.concatenate([f[:, 1:].transpose(0, 2, 1).reshape(-1, f.shape[1] - 1) for f in fluxes])
    energy = np.concatenate([f[:, 0].reshape(-1) for f in fluxes])
    shares = np.linalg.lstsq(masses, energy, rcond=None)[0]
    return [
        np.concatenate([f[:, :1] - np.einsum("tka,k->ta", f[:, 1:], shares)[:, None], f[:, 1:]], axis=1) for f in fluxes
    ]


def _pseudo_values(
    integrals: Float[ndarray, "samples lags kinds kinds"], matrices: Float[ndarray, "samples kinds kinds"]
) -> Float[ndarray, "samples lags"]:
    """Jackknife pseudo-values of the running L_qq - L_qm L_mm⁻¹ L_mq, with L_mm and L_qm as they are in the end."""
    n = len(integrals)

    def without_masses(curve: ndarray, matrix: ndarray) -> ndarray:
        shares = np.linalg.solve(matrix[1:, 1:], matrix[1:, 0])
        vector = np.concatenate([[1.0], -shares])
        return np.einsum("a,lab,b->l", vector, curve, vector)

    whole = without_masses(integrals.mean(axis=0), matrices.mean(axis=0))
    total_curve, total_matrix = integrals.sum(axis=0), matrices.sum(axis=0)
    left_out = [
        without_masses((total_curve - integrals[k]) / (n - 1), (total_matrix - matrices[k]) / (n - 1)) for k in range(n)
    ]
    return n * whole - (n - 1) * np.array(left_out)
