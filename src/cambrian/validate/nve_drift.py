"""Conservation in dynamics: the slope of the total energy at constant energy, with its error, and the momentum.

A potential whose forces are not the derivative of its energy, or that is not smooth, loses or gains energy steadily:

    E(t) / N = E_0 + drift · t + fluctuation        fluctuation ∝ Δt² (velocity Verlet)

The fluctuation is correlated in time, so the error of the slope counts independent samples only (math/time_series.py).
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cambrian.calculator import Calculator
from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.math.time_series import slope_with_error
from cambrian.sample.dynamics import Dynamics, Run
from cambrian.sample.ensembles import NVE, NVT
from cambrian.validate.comparison import DRIFT, EV_PER_ATOM
from cambrian.validate.start import starting_structure, why_no_motion

UNITS = {"drift": DRIFT, "drift_error": DRIFT, "fluctuation": EV_PER_ATOM}


class NVEDrift(Check):
    """Dynamics at constant energy from a structure of the reference, after `equilibration_fs` at `temperature_K`.

    `frame` is the structure to start from, repeated `repeat` times along each cell vector; `drift` in eV/atom/ps is
    what is tolerated in size.
    """

    def __init__(
        self,
        *,
        temperature_K: float = 300.0,
        n_steps: int = 5000,
        timestep_fs: float = 1.0,
        every: int = 10,
        equilibration_fs: float = 500.0,
        frame: int = 0,
        repeat: tuple[int, int, int] = (1, 1, 1),
        seed: int = 0,
        drift: float = 1e-4,
    ):
        if n_steps < 10 * every:
            raise UserError(f"a slope needs at least ten rows: n_steps of {10 * every} for every={every}")
        self.temperature_K, self.n_steps, self.timestep_fs, self.every = temperature_K, n_steps, timestep_fs, every
        self.equilibration_fs, self.frame, self.repeat, self.seed = equilibration_fs, frame, repeat, seed
        self.drift = drift

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run it; `progress` is called with the fraction done. Raises UserError without a structure to start from."""
        start = starting_structure(reference, self.frame, self.repeat)
        start.calc = Calculator(potential)
        n_warm = round(self.equilibration_fs / self.timestep_fs)
        share = n_warm / (n_warm + self.n_steps)
        warming = Dynamics(NVT(self.temperature_K), n_steps=n_warm, timestep_fs=self.timestep_fs)
        warm = warming.run(
            start, seed=self.seed, keep_frames=False, progress=lambda _, fraction, __: progress(share * fraction)
        )
        if warm.stopped:
            return _broken(f"while it was brought to {self.temperature_K:g} K it {warm.stopped}")
        dynamics = Dynamics(
            NVE(self.temperature_K), n_steps=self.n_steps, timestep_fs=self.timestep_fs, every=self.every
        )
        run = dynamics.run(
            warm.atoms,
            keep_frames=False,
            progress=lambda _, fraction, __: progress(share + (1 - share) * fraction),
        )
        return _broken(f"at constant energy it {run.stopped}") if run.stopped else self._judged(run)

    def _judged(self, run: Run) -> Result:
        n_atoms = len(run.atoms)
        times, energies = run.figures["time_fs"] / 1000, run.total_energy / n_atoms
        drift, error, residual = slope_with_error(times, energies)
        momenta = run.atoms.get_momenta()
        figures = {
            "drift": drift,
            "drift_error": error,
            "fluctuation": float(residual.std()),
            "momentum": float(np.linalg.norm(momenta.sum(axis=0)) / max(np.linalg.norm(momenta, axis=1).sum(), 1e-300)),
            "temperature_K": float(run.figures["temperature_K"].mean()),
            "duration_ps": float(times[-1]),
            "n_atoms": n_atoms,
        }
        told = 2 * error <= self.drift
        verdict: Verdict = "failed" if abs(drift) - 2 * error > self.drift else "passed" if told else "no reference"
        sentence = (
            f"over {times[-1]:.3g} ps at {figures['temperature_K']:.0f} K the energy of {n_atoms} atoms drifts by "
            f"{1e3 * drift:.2g} ± {1e3 * error:.1g} meV/atom/ps ({1e3 * self.drift:.2g} tolerated)"
        )
        if verdict == "no reference":
            sentence += "; too short to tell: raise n_steps, or start from more atoms by repeat"
        plots = {"nve_energy": partial(_draw, times=times, energies=energies)}
        return Result(
            "NVE drift", figures, verdict, sentence, tolerance={"drift": self.drift}, plots=plots, units=UNITS
        )

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Nothing to start from, or a single atom that nothing moves."""
        return why_no_motion(reference, self.frame, self.repeat)

    @classmethod
    def example(cls) -> "NVEDrift":
        """A tenth of a picosecond."""
        return cls(n_steps=100, equilibration_fs=20.0)


def _broken(words: str) -> Result:
    return Result("NVE drift", {"drift": None}, "failed", f"the run broke: {words}")


def _draw(axes, times: NDArray, energies: NDArray) -> None:
    axes.plot(times, 1e3 * (energies - energies[0]), linewidth=0.8)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set_xlabel("time, ps")
    axes.set_ylabel("total energy - start, meV/atom")
