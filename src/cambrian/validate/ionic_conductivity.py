"""Ionic conductivity: of ions on their own, of the charge that really flows, and their ratio.

    Nernst-Einstein     σ_NE = e²/(V kT) Σ_i z_i² D_i
    Green-Kubo          σ = 1/(3 V kT) ∫ <J(0) · J(t)> dt               J = e Σ_i z_i v_i
    Einstein-Helfand    σ = lim d/dt <|M(t) - M(0)|²> / (6 V kT)        M = e Σ_i z_i R_i, unwrapped

ionicity σ/σ_NE = 1/H_R, with H_R the Haven ratio (G. E. Murch, Solid State Ionics 7, 177 (1982)): 1 where ions move
independently, 0 where they move as neutral pairs. The charges sum to zero, so the frame of reference does not matter.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbols
from cambrian.errors import UserError
from cambrian.math.transport import Coefficient, Estimate, einstein, green_kubo, ratio
from cambrian.units import BOLTZMANN, SIEMENS_PER_METER
from cambrian.validate.fluctuations import (
    FS_PER_PS,
    Comparison,
    Runs,
    Tolerance,
    at_rest,
    broken,
    draw,
    judged,
    n_lags,
    spelled,
    temperature,
    volume,
)
from cambrian.validate.trajectory import NOTHING_TO_COMPARE, Trajectory, has_times

NEUTRAL = 1e-3  # e: a larger sum of charges depends on the frame of reference
QUANTITY = "ionic conductivity"
UNIT = "S/m"


@dataclass(frozen=True)
class Measured:
    """What runs at one temperature give, in S/m."""

    temperature_K: float
    routes: dict[str, Coefficient]
    nernst_einstein: Estimate
    ionicity: Estimate


class IonicConductivity(Check):
    """Conductivity (S/m) from the charge current, beside a reference; Nernst-Einstein value and ionicity with it.

    `n_runs` runs of `n_steps` at constant energy, each after `equilibration_fs` at `temperature_K`, a frame `every` few
    steps. `charges` are formal charges by element, such as {"Na": 1, "Cl": -1}; where not given, the mean charges that
    the potential itself assigns to each atom. Curves are read on 20-80 % of `window_fs`, half of a run where none is
    given. `frame` is the structure to start from, repeated `repeat` times along each cell vector.

    Reference: `known_S_per_m` with its error; or a reference method; or a trajectory in the data whose frames have a
    time or are `interval_fs` apart. Tolerated: `n_errors` combined errors and a fraction `relative`.
    """

    def __init__(
        self,
        *,
        charges: dict[str, float] | None = None,
        temperature_K: float = 300.0,
        n_runs: int = 4,
        n_steps: int = 20000,
        timestep_fs: float = 1.0,
        every: int = 10,
        equilibration_fs: float = 2000.0,
        window_fs: float | None = None,
        frame: int = 0,
        repeat: tuple[int, int, int] = (1, 1, 1),
        interval_fs: float | None = None,
        known_S_per_m: float | None = None,
        known_error_S_per_m: float = 0.0,
        n_errors: float = 3.0,
        relative: float = 0.1,
        seed: int = 0,
    ):
        self.charges = None if charges is None else {number(s): z for s, z in charges.items()}
        self.runs = Runs(temperature_K, n_runs, n_steps, timestep_fs, every, equilibration_fs, frame, repeat, seed)
        self.window_fs, self.interval_fs = window_fs, interval_fs
        self.known = None if known_S_per_m is None else Estimate(known_S_per_m, known_error_S_per_m)
        self.tolerance = Tolerance(n_errors, relative)

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and compare; raises UserError without charges, and where they do not sum to zero."""
        share = 1.0 if method is None or self.known is not None else 0.5
        start = self.runs.start(reference)
        charges = None if start is None else self.formal_charges(start)
        watch = {} if charges is not None else {"charges": _charges_of}
        runs = self.runs.of(potential, reference, watch=watch, progress=lambda f: progress(share * f))
        if (result := broken(QUANTITY, runs)) is not None:
            return result
        if charges is None:
            charges = _neutral(np.mean([t.extras["charges"].mean(axis=0) for t in runs], axis=0))
        found = self.measured(runs, charges)
        if self.known is not None:
            return self._judged(found, None)
        if method is not None:
            others = self.runs.of(method, reference, progress=lambda f: progress(share + (1 - share) * f))
            if others[-1].stopped:
                raise UserError(f"dynamics with the reference method {others[-1].stopped}")
        else:
            others = self.runs.from_data(reference, self.interval_fs)
        return self._judged(found, self.measured(others, charges) if others else None)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """No charges are known, no current can flow, or there is nothing to compare with."""
        if self.charges is None:
            return "no charges are given: --set ionic_conductivity.charges.Na=1 and so on"
        start = self.runs.start(reference)
        if start is not None and not start.pbc.all():
            return "its first structure is not periodic in three directions, so no current flows"
        return "" if self.known or has_times(reference, self.interval_fs) else NOTHING_TO_COMPARE

    def measured(self, runs: list[Trajectory], charges: NDArray) -> Measured:
        """Conductivity from runs at one temperature and the charge (e) of every atom."""
        lags, interval = n_lags(runs[0], self.window_fs), runs[0].interval_fs / FS_PER_PS
        actual = temperature(runs, self.runs.temperature_K)
        unit = 1 / (volume(runs) * BOLTZMANN * actual * SIEMENS_PER_METER * FS_PER_PS)
        moved = [at_rest(t) for t in runs]

        def current(values: NDArray) -> NDArray:
            return np.einsum("tax,a->tx", values, charges)[:, None]

        routes = {"einstein": einstein([current(p) for p, _ in moved], interval, lags).times(unit)}
        currents = [FS_PER_PS * current(v) for _, v in moved if v is not None]
        if len(currents) == len(moved):
            routes["green_kubo"] = green_kubo(currents, interval, lags).times(unit)
        alone = sum(
            unit * (charges[mine] ** 2).sum() * einstein([p[:, mine] for p, _ in moved], interval, lags).samples
            for mine in (runs[0].atoms.numbers == z for z in set(runs[0].atoms.numbers.tolist()))
        )
        own = np.asarray(alone)
        return Measured(actual, routes, Estimate.of(own), ratio(routes["einstein"].samples, own))

    def formal_charges(self, atoms: Atoms) -> NDArray | None:
        """The charge of every atom that was given by element, e; None where the potential's own are to be taken.

        Raises UserError where one is lacking, or they do not sum to zero.
        """
        if self.charges is None:
            return None
        lacking = sorted({z for z in atoms.numbers.tolist() if z not in self.charges})
        if lacking:
            raise UserError(f"charges lacks {', '.join(symbols(lacking))}; give one for every element")
        return _neutral(np.array([self.charges[z] for z in atoms.numbers.tolist()], dtype=float))

    def _judged(self, found: Measured, other: Measured | None) -> Result:
        sigma = found.routes["einstein"].estimate
        figures: dict = {
            "temperature_K": found.temperature_K,
            "conductivity_S_per_m": sigma.value,
            "conductivity_error_S_per_m": sigma.error,
            "nernst_einstein_S_per_m": found.nernst_einstein.value,
            "nernst_einstein_error_S_per_m": found.nernst_einstein.error,
            "ionicity": found.ionicity.value,
            "ionicity_error": found.ionicity.error,
        }
        if found.ionicity.value != 0:
            figures["haven_ratio"] = 1 / found.ionicity.value
            figures["haven_ratio_error"] = found.ionicity.error / found.ionicity.value**2
        if "green_kubo" in found.routes:
            integral = found.routes["green_kubo"].estimate
            figures |= {"green_kubo_S_per_m": integral.value, "green_kubo_error_S_per_m": integral.error}
        comparisons = []
        if self.known is not None:
            comparisons.append(Comparison("conductivity", sigma, self.known, UNIT))
        elif other is not None:
            comparisons = [
                Comparison("conductivity", sigma, other.routes["einstein"].estimate, UNIT),
                Comparison("Nernst-Einstein conductivity", found.nernst_einstein, other.nernst_einstein, UNIT),
            ]
        said = (
            f"at {found.temperature_K:.0f} K the conductivity is {spelled(sigma)} {UNIT}, "
            f"{spelled(found.ionicity)} of what the ions would carry on their own"
        )
        faults = self.tolerance.faults(QUANTITY, found.routes)
        return judged(QUANTITY, said, figures, comparisons, faults, self.tolerance, _plots(found, other))

    @classmethod
    def example(cls) -> "IonicConductivity":
        """Two runs of a fifth of a picosecond."""
        return cls(charges={"Na": 1.0, "Cl": -1.0}, n_runs=2, n_steps=200, every=2, equilibration_fs=20.0)


def _neutral(charges: NDArray) -> NDArray:
    """The charges themselves; raises UserError where they do not sum to zero."""
    total = charges.sum()
    if abs(total) > NEUTRAL:
        raise UserError(
            f"the charges sum to {total:+.3g} e: the current of a charged cell depends on the frame of reference; "
            "give charges that cancel"
        )
    return charges


def _charges_of(atoms: Atoms) -> NDArray:
    results = {} if atoms.calc is None else getattr(atoms.calc, "results", {})
    if "charges" not in results:
        raise UserError("this potential has no charges: give them by element, --set ionic_conductivity.charges.Na=1")
    return results["charges"]


def _plots(found: Measured, other: Measured | None) -> dict:
    labels = {"einstein": "<ΔM²>/(6 V kT), ps S/m", "green_kubo": "∫ <J J>/(3 V kT), S/m"}
    drawn = {}
    for route, c in found.routes.items():
        curves = {"potential": c}
        if other is not None and route in other.routes:
            curves["reference"] = other.routes[route]
        drawn[route] = partial(draw, curves=curves, label=labels[route])
    return drawn
