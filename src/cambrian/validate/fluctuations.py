"""What the checks of transport share: independent runs at equilibrium, the same of a reference, and the comparison.

A number x ± e agrees with a reference y ± f where |x - y| <= n_errors sqrt(e² + f²) + relative |y|.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.contracts.check import Result, Unit, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.transport import Coefficient, Estimate
from cambrian.sample.ensembles import NVE
from cambrian.units import BOLTZMANN, TIME
from cambrian.validate.start import starting_structure
from cambrian.validate.trajectory import Trajectory, has_times, produce, trajectory_of

Progress = Callable[[float], None]
FS_PER_PS = 1e3
FEWEST = 20  # recorded times of a run


@dataclass(frozen=True)
class Runs:
    """Settings of `n_runs` independent runs at constant energy, each after an equilibration of its own."""

    temperature_K: float
    n_runs: int
    n_steps: int
    timestep_fs: float
    every: int
    equilibration_fs: float
    frame: int
    repeat: Sequence[int]
    seed: int

    def of(
        self,
        driver: Potential | Labeller,
        reference: Dataset | None,
        *,
        watch: Mapping[str, Callable[[Atoms], NDArray]] | None = None,
        progress: Progress = lambda fraction: None,
    ) -> list[Trajectory]:
        """Run them from a structure of the reference; a run that breaks is the last one."""
        a, b, c = self.repeat
        start = starting_structure(reference, self.frame, (a, b, c))
        found = []
        for k in range(self.n_runs):
            found.append(
                produce(
                    driver,
                    start,
                    NVE(self.temperature_K),
                    n_steps=self.n_steps,
                    timestep_fs=self.timestep_fs,
                    every=self.every,
                    equilibration_fs=self.equilibration_fs,
                    seed=self.seed + k,
                    watch=watch,
                    progress=lambda fraction, k=k: progress((k + fraction) / self.n_runs),
                )
            )
            if found[-1].stopped:
                break
        return found

    def start(self, reference: Dataset | None) -> Atoms | None:
        """The structure that runs start from, None where the data have none."""
        if reference is None or not -len(reference) <= self.frame < len(reference):
            return None
        return reference.structures[self.frame].atoms.repeat(tuple(self.repeat))

    def from_data(self, reference: Dataset | None, interval_fs: float | None) -> list[Trajectory]:
        """A trajectory of the data, cut into as many runs; none where frames do not say their times."""
        if reference is None or not has_times(reference, interval_fs):
            return []
        whole = trajectory_of(reference, interval_fs=interval_fs)
        length = len(whole) // self.n_runs
        return [_part(whole, slice(k * length, (k + 1) * length)) for k in range(self.n_runs)]


def _part(t: Trajectory, rows: slice) -> Trajectory:
    velocities = None if t.velocities is None else t.velocities[rows]
    return replace(
        t,
        times=t.times[rows],
        positions=t.positions[rows],
        velocities=velocities,
        cells=t.cells[rows],
        temperature_K=t.temperature_K[rows],
        total_energy=t.total_energy[rows],
    )


def at_rest(t: Trajectory) -> tuple[NDArray, NDArray | None]:
    """Positions (Å) and velocities (Å/fs) relative to the center of mass."""
    share = t.masses / t.masses.sum()

    def relative(values: NDArray) -> NDArray:
        return values - np.einsum("tax,a->tx", values, share)[:, None]

    return relative(t.positions), None if t.velocities is None else relative(t.velocities)


def temperature(runs: list[Trajectory], nominal_K: float) -> float:
    """Mean temperature (K) from the velocities; `nominal_K` where there are none."""
    values = []
    for t in runs:
        if t.velocities is None:
            return nominal_K
        n_free = max(3 * len(t.masses) - 3, 3)
        values.append(np.einsum("tax,a->t", t.velocities**2, t.masses).mean() * TIME**2 / (n_free * BOLTZMANN))
    return float(np.mean(values))


def volume(runs: list[Trajectory]) -> float:
    """Mean volume of the cell, Å³; raises UserError where there is none."""
    if not runs[0].atoms.pbc.all():
        raise UserError("a conductivity needs a structure that is periodic in three directions, for its volume")
    return float(np.mean([np.abs(np.linalg.det(t.cells)).mean() for t in runs]))


def n_lags(t: Trajectory, window_fs: float | None) -> int:
    """Frames within the window, half of the run where none is given; raises UserError where the run is shorter."""
    if len(t) < FEWEST:
        raise UserError(
            f"a run of {len(t)} recorded times is too short to read: raise n_steps, or give a longer trajectory"
        )
    if window_fs is None:
        return len(t) // 2
    wanted = round(window_fs / t.interval_fs) + 1
    if wanted > len(t):
        raise UserError(
            f"a window of {window_fs:g} fs is longer than a run of {t.times[-1] - t.times[0]:g} fs: "
            "raise n_steps, give a longer trajectory, or lower window_fs"
        )
    return wanted


@dataclass(frozen=True)
class Comparison:
    """A figure beside its reference, in printed units."""

    quantity: str
    found: Estimate
    expected: Estimate
    unit: str


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers may be apart: `n_errors` of their combined errors, and a fraction of the reference."""

    n_errors: float
    relative: float

    def allows(self, found: Estimate, expected: Estimate) -> bool:
        """Whether they agree; a number without an error counts as exact."""
        error = np.hypot(np.nan_to_num(found.error), np.nan_to_num(expected.error))
        return abs(found.value - expected.value) <= self.n_errors * error + self.relative * abs(expected.value)

    def faults(self, quantity: str, routes: Mapping[str, Coefficient]) -> list[str]:
        """What is wrong with a coefficient that has no reference: routes that differ, a curve that is not yet read off.

        `routes` are Einstein and Green-Kubo, or one of them.
        """
        found = []
        for route, c in routes.items():
            if abs(c.drift.value) > self.n_errors * np.nan_to_num(c.drift.error) + self.relative * abs(
                c.estimate.value
            ):
                found.append(
                    f"{quantity} by {route} still changes within the window ({c.drift.value:+.2g} from its earlier "
                    "to its later half): widen window_fs"
                )
        (first, a), *others = routes.items()
        for second, b in others:
            apart = a.estimate.apart(b.estimate)
            if apart > self.n_errors:
                found.append(
                    f"{quantity} by {first} and by {second} differ by {apart:.1f} errors: record more often, and see "
                    "whether velocities and positions belong together"
                )
        return found


def judged(
    name: str,
    said: str,
    figures: dict,
    comparisons: list[Comparison],
    faults: list[str],
    tolerance: Tolerance,
    plots: dict[str, Callable],
    units: dict[str, Unit] | None = None,
) -> Result:
    """The verdict; a fault fails a check with or without a reference."""
    missed = [c for c in comparisons if not tolerance.allows(c.found, c.expected)]
    parts = [said, *(_in_words(c) for c in comparisons)]
    if missed:
        parts.append(
            f"outside what is tolerated ({tolerance.n_errors:g} errors and {100 * tolerance.relative:g} %): "
            + ", ".join(c.quantity for c in missed)
        )
    verdict: Verdict = "failed" if faults or missed else "passed" if comparisons else "no reference"
    reference = {}
    for c in comparisons:
        reference |= {c.quantity: c.expected.value, f"{c.quantity} error": c.expected.error}
    return Result(
        name, figures, verdict, "; ".join([*parts, *faults]), reference, vars(tolerance).copy(), plots, units or {}
    )


def broken(name: str, runs: list[Trajectory]) -> Result | None:
    """The result of runs of which one broke; None where all are whole."""
    stopped = runs[-1].stopped
    return Result(name, {}, "failed", f"dynamics with the potential broke: it {stopped}") if stopped else None


def spelled(estimate: Estimate) -> str:
    """A value ± its error with the digits that mean something."""
    if not np.isfinite(estimate.error):
        return f"{estimate.value:.3g}"
    return f"{estimate.value:.3g} ± {estimate.error:.1g}"


def _in_words(c: Comparison) -> str:
    return f"{c.quantity} {spelled(c.found)} where the reference has {spelled(c.expected)} {c.unit}".rstrip()


def draw(axes, curves: Mapping[str, Coefficient], *, label: str) -> None:
    """Curves of a coefficient over the lag (ps), each with a band of two standard errors."""
    for name, c in curves.items():
        (line,) = axes.plot(c.lags, c.curve, label=name, linewidth=1.2)
        low, high = c.curve - 2 * c.band, c.curve + 2 * c.band
        axes.fill_between(c.lags, low, high, color=line.get_color(), alpha=0.25, linewidth=0)
    axes.set_xlabel("lag, ps")
    axes.set_ylabel(label)
    if len(curves) > 1:
        axes.legend()
