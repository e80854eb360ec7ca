"""Does it survive? Rising temperature, compression and short distances, where a fitted potential is least sure.

    heat      constant temperature, step by step up to twice that of the training; the time until it breaks
    breaks    max |F| > 50 eV/Å, two atoms nearer than 0.6 times what the data know, a molecular bond 1.5 times as long
    drift     constant energy from the hottest state
    squeeze   -dE/dv must grow while v = V/V₀ = s³ shrinks (every distance times s)
    push      two bonded atoms repel down to 0.85 of their distance

X. Fu, Z. Wu, W. Wang, T. Xie, S. Keten, R. Gomez-Bombarelli, T. Jaakkola, TMLR 2023, arXiv:2210.07237 (stability time).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms

from cambrian.calculator import Calculator
from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.time_series import slope_with_error
from cambrian.sample.dynamics import Dynamics, Run
from cambrian.sample.ensembles import NVE, NVT
from cambrian.validate.breaking import Breaking, Broke
from cambrian.validate.comparison import DRIFT
from cambrian.validate.squeeze import Squeezed, push, squeeze
from cambrian.validate.start import starting_structure, why_no_motion
from cambrian.validate.trajectory import temperature_of

SLOW, FAST = 1.0, 0.5  # fs: a timestep that suits heavy atoms, and one that suits hydrogen
EVERY = 5  # steps between two looks at the structure


@dataclass(frozen=True)
class Lived:
    """How long a run was sound, in ps, what broke it in words, and the run where nothing did."""

    ps: float
    trouble: str
    run: Run | None


class Survival(Check):
    """Dynamics at `factors` times `temperature_K` (that of the data, or 300 K), `duration_ps` at each; then squeezed.

    `volume` and `distance` are down to which shares of volume and of bond length the potential must repel, `drift`
    (eV/atom/ps) is tolerated at constant energy. `timestep_fs` is 0.5 with hydrogen and 1 without, where not given.
    """

    def __init__(
        self,
        *,
        temperature_K: float | None = None,
        factors: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0),
        duration_ps: float = 1.0,
        timestep_fs: float | None = None,
        frame: int = 0,
        repeat: tuple[int, int, int] = (1, 1, 1),
        seed: int = 0,
        largest_force: float = 50.0,
        shortest_distance: float = 0.6,
        longest_bond: float = 1.5,
        volume: float = 0.85,
        distance: float = 0.85,
        drift: float = 1e-3,
    ):
        if not factors or duration_ps <= 0:
            raise UserError("survival needs at least one factor and a duration above 0")
        self.temperature_K, self.factors, self.duration_ps = temperature_K, tuple(sorted(factors)), duration_ps
        self.timestep_fs, self.frame, self.repeat, self.seed = timestep_fs, frame, repeat, seed
        self.limits = {
            "largest_force": largest_force,
            "shortest_distance": shortest_distance,
            "longest_bond": longest_bond,
        }
        self.volume, self.distance, self.drift = volume, distance, drift

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Heat, then squeeze; raises UserError without a structure to start from."""
        start = starting_structure(reference, self.frame, self.repeat)
        assert reference is not None
        if len(start) == 1:
            raise UserError(f"{why_no_motion(reference, self.frame, self.repeat)}: repeat the cell by `repeat`")
        temperature = temperature_of(reference) if self.temperature_K is None else self.temperature_K
        start.calc = Calculator(potential)
        breaking = Breaking(start, reference, **self.limits)
        times, last = self._heated(start, temperature, breaking, lambda f: progress(0.75 * f))
        drift, error = float("nan"), float("nan")
        if last.run is not None:
            last = self._lived(last.run.atoms, NVE(max(times)), breaking, lambda f: progress(0.75 + 0.2 * f))
        if last.run is not None:
            drift, error, _ = slope_with_error(last.run.figures["time_fs"] / 1000, last.run.total_energy / len(start))
        squeezed, pushed = squeeze(start), push(start)
        progress(1.0)
        faults = [last.trouble] if last.trouble else []
        if abs(drift) - 2 * error > self.drift:
            faults.append(f"at constant energy it drifts by {1e3 * drift:.2g} ± {1e3 * error:.1g} meV/atom/ps")
        if squeezed.repels_to > self.volume + 1e-6:
            faults.append(f"below {squeezed.repels_to:.3g} of the volume it stops to repel ({self.volume:g} wanted)")
        for name, share in pushed.items():
            if share > self.distance + 1e-6:
                faults.append(f"{name} stops to repel at {share:.3g} of its distance ({self.distance:g} wanted)")
        figures = {
            "survived_ps": float(sum(times.values())),
            "hottest_survived_K": max((t for t, ps in times.items() if ps >= self.duration_ps), default=0.0),
            "stability_ps": {f"{t:.0f} K": ps for t, ps in times.items()},
            "drift": None if np.isnan(drift) else drift,
            "drift_error": None if np.isnan(error) else error,
            "smallest_volume": squeezed.repels_to,
            "shortest_distances": pushed,
        }
        return self._judged(figures, faults, temperature, times, squeezed)

    def _judged(self, figures: dict, faults: list[str], temperature: float, times: dict, squeezed: Squeezed) -> Result:
        verdict: Verdict = "failed" if faults else "passed"
        shortest = min(figures["shortest_distances"].values(), default=1.0)
        said = (
            f"it lives through {figures['survived_ps']:.3g} ps between {min(times):.0f} and {max(times):.0f} K, and "
            f"repels down to {squeezed.repels_to:.3g} of the volume and {shortest:.3g} of a distance"
        )
        tolerance = {"duration_ps": self.duration_ps, "volume": self.volume, "distance": self.distance}
        plots = {
            "survival_times": partial(_draw_times, times=times, wanted=self.duration_ps, trained=temperature),
            "survival_squeeze": partial(_draw_squeeze, squeezed=squeezed, wanted=self.volume),
        }
        return Result(
            "survival",
            figures,
            verdict,
            "; ".join(faults) if faults else said,
            tolerance=tolerance | {"drift": self.drift},
            plots=plots,
            units={"drift": DRIFT, "drift_error": DRIFT},
        )

    def _heated(
        self, start: Atoms, temperature: float, breaking: Breaking, progress: Callable[[float], None]
    ) -> tuple[dict[float, float], Lived]:
        """Time survived at each temperature in ps, the hottest last, and how the last run ended."""
        times = {factor * temperature: 0.0 for factor in self.factors}
        lived, atoms = Lived(0.0, "", None), start
        for k, hot in enumerate(times):
            lived = self._lived(atoms, NVT(hot), breaking, lambda f, k=k: progress((k + f) / len(times)))
            times[hot] = lived.ps
            if lived.run is None:
                return times, lived
            atoms = lived.run.atoms
        return times, lived

    def _lived(self, atoms: Atoms, ensemble: NVT | NVE, breaking: Breaking, progress: Callable[[float], None]) -> Lived:
        """`duration_ps` in an ensemble, or less."""
        timestep = self._timestep(atoms)
        n_steps = max(round(1000 * self.duration_ps / timestep), 1)
        where = f"at {ensemble.temperature_K:.0f} K" + (", energy constant," if isinstance(ensemble, NVE) else "")
        breaking.begin()
        try:
            run = Dynamics(ensemble, n_steps=n_steps, timestep_fs=timestep, every=EVERY).run(
                atoms, seed=self.seed, keep_frames=False, observe=breaking, progress=lambda _, f, __: progress(f)
            )
        except Broke as broke:
            ps = max(breaking.n_frames - 1, 0) * EVERY * timestep / 1000
            return Lived(ps, f"{where} it breaks after {ps:.3g} ps: {broke}", None)
        if run.stopped:
            return Lived(run.n_steps * timestep / 1000, f"{where} dynamics {run.stopped}", None)
        return Lived(self.duration_ps, "", run)

    def _timestep(self, atoms: Atoms) -> float:
        if self.timestep_fs is not None:
            return self.timestep_fs
        return FAST if 1 in atoms.numbers else SLOW

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Nothing to start from, or a single atom."""
        return why_no_motion(reference, self.frame, self.repeat)

    @classmethod
    def example(cls) -> "Survival":
        """A few femtoseconds."""
        return cls(duration_ps=0.02, factors=(1.0,))


def _draw_times(axes, times: dict[float, float], wanted: float, trained: float) -> None:
    width = 0.35 * min(np.diff([0.0, *times]))
    colors = ["#3f9c6b" if ps >= wanted else "#cc4b4b" for ps in times.values()]
    axes.bar(list(times), list(times.values()), width=width, color=colors)
    axes.axhline(wanted, color="0.5", linewidth=0.8)
    axes.axvline(trained, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_xlabel("temperature, K (dotted: that of the data)")
    axes.set_ylabel("time survived, ps")


def _draw_squeeze(axes, squeezed: Squeezed, wanted: float) -> None:
    finite = np.isfinite(squeezed.energies)
    axes.plot(squeezed.volumes[finite], squeezed.energies[finite] - squeezed.energies[0], marker=".")
    axes.axvline(wanted, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_xlabel("share of the volume (dotted: wanted)")
    axes.set_ylabel("energy - start, eV")
