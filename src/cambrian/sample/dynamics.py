"""Molecular dynamics with any ASE calculator: seeded, recorded frame by frame, interrupted and resumed exactly.

A run that is interrupted (Ctrl-C, a crash, a power cut) goes on from its checkpoint with the very numbers it would have
had, where the calculator's forces depend on the structure alone; a self-consistent one that starts from its last
density agrees only within its own convergence. A run whose atoms fly apart stops, with the last sound frame saved.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from cambrian.configurable import Configurable, describe
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.data.read import read
from cambrian.errors import UserError
from cambrian.sample.ensembles import NVT, Ensemble
from cambrian.sample.record import Record
from cambrian.sample.running import Guard, Run, Running
from cambrian.sample.starting import calculator_of, drawn_from, seed_of, starting

log = logging.getLogger("cambrian")


class Dynamics(Configurable):
    """`n_steps` of dynamics in an ensemble, with a frame and a row of figures `every` few steps."""

    def __init__(self, ensemble: Ensemble, *, n_steps: int, timestep_fs: float = 1.0, every: int = 10):
        if n_steps < 0 or every < 1 or not timestep_fs > 0:
            raise UserError("dynamics needs n_steps >= 0, every >= 1 and a timestep above 0")
        self.ensemble, self.n_steps, self.timestep_fs, self.every = ensemble, n_steps, timestep_fs, every

    def run(
        self,
        atoms: Atoms,
        *,
        seed: int = 0,
        trajectory: str | Path | None = None,
        keep_frames: bool = True,
        observe: Callable[[Atoms], str | None] = lambda atoms: None,
        guard: Guard | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> Run:
        """Run from a copy of `atoms`, which has a calculator; velocities are drawn where it has none.

        trajectory: extended XYZ file for the frames; an interrupted run of the same start, settings, seed and
            calculator resumes, and one that ended is extended when `n_steps` grew.
        keep_frames: hold the frames in memory where there is no file.
        observe: called with the running atoms before each frame is recorded, those that a resumed run has behind it
            left out; what it puts into `atoms.info` is recorded too, and a reason that it returns ends the run there.
        guard: looks at every step and may end the run (ExtrapolationGuard); what it knows is kept for a resumed run.
        progress: called with a stage, the fraction done (0 to 1) and figures in words.
        Raises UserError where the first forces cannot be computed, and where the file holds another trajectory.
        """
        record = None if trajectory is None else Record(trajectory, _key(self, atoms, seed))
        running = Running(self, atoms, seed, record, keep_frames, observe, guard, progress)
        try:
            while running.step < self.n_steps and not running.stopped:
                running.advance()
        finally:
            running.close()
        return running.result()


def _key(dynamics: Dynamics, atoms: Atoms, seed: int) -> str:
    """What makes two runs the same but for their length: settings, seed, calculator and start."""
    settings = {name: value for name, value in dynamics.arguments.items() if name != "n_steps"}
    calc: Any = atoms.calc
    calculator = [getattr(calc, "name", ""), calc.todict() if hasattr(calc, "todict") else ""]
    words = json.dumps([describe(settings), seed, calculator], default=str, sort_keys=True)
    digest = hashlib.sha256(words.encode())
    for values in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, atoms.get_momenta()):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


class ThermalMotion(Sampler):
    """Structures along dynamics: `n` from each start at each temperature, `interval_fs` apart, after equilibration.

    `temperatures_K` replaces the temperature of the ensemble, each by a run of its own; `equilibration_fs` of each run
    are thrown away. A run whose atoms fly apart gives the structures up to there, with a warning.
    """

    def __init__(
        self,
        ensemble: Ensemble = NVT(300.0),  # noqa: B008 - immutable
        *,
        n: int = 100,
        temperatures_K: tuple[float, ...] | None = None,
        interval_fs: float = 50.0,
        timestep_fs: float = 0.5,
        equilibration_fs: float = 500.0,
    ):
        if n < 1 or not timestep_fs > 0 or interval_fs < timestep_fs or equilibration_fs < 0:
            raise UserError(
                "dynamics needs n >= 1, a timestep above 0, an interval of at least one, equilibration >= 0"
            )
        self.ensemble, self.n, self.timestep_fs = ensemble, n, timestep_fs
        self.temperatures_K = temperatures_K or (ensemble.temperature_K,)
        self.every = max(round(interval_fs / timestep_fs), 1)
        self.n_skipped = -(-round(equilibration_fs / timestep_fs) // self.every)  # whole intervals

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Run dynamics from every structure; trajectories and checkpoints are kept in `folder`."""
        plans = [self._dynamics(temperature_K) for temperature_K in self.temperatures_K]
        return draw(start, driver, plans, n_skipped=self.n_skipped, seed=seed, folder=folder, progress=progress)

    def _dynamics(self, temperature_K: float) -> Dynamics:
        ensemble = type(self.ensemble)(**{**self.ensemble.arguments, "temperature_K": temperature_K})
        n_steps = (self.n_skipped + self.n - 1) * self.every
        return Dynamics(ensemble, n_steps=n_steps, timestep_fs=self.timestep_fs, every=self.every)

    @classmethod
    def example(cls) -> "ThermalMotion":
        """Two structures."""
        return cls(n=2, interval_fs=2.0, equilibration_fs=4.0)


def draw(
    start: Dataset,
    driver: Potential | Labeller | None,
    plans: list[Dynamics],
    *,
    n_skipped: int,
    seed: int,
    folder: Path | None,
    progress: Progress,
    finish: Callable[[str, Run], None] = lambda name, run: None,
) -> list[Atoms]:
    """The frames of runs from every structure by every plan, the first `n_skipped` of each run left out.

    finish: called with the name and the outcome of each run. Raises UserError where no run gave a frame.
    """
    drawn: list[Atoms] = []
    runs = [(k, atoms, plan) for k, atoms in enumerate(starting(start)) for plan in plans]
    for n_done, (k, atoms, plan) in enumerate(runs):

        def said(_, fraction: float, words: str, n_done: int = n_done) -> None:
            progress("dynamics", (n_done + fraction) / len(runs), words)

        group = f"{type(plan.ensemble).__name__} {plan.ensemble.temperature_K:g} K"
        name = f"{group.lower().replace(' ', '-')}-{k}"
        trajectory = None if folder is None else folder / f"{name}.extxyz"
        atoms.calc = calculator_of(driver, atoms)
        run = plan.run(atoms, seed=seed_of(seed, n_done), trajectory=trajectory, progress=said)
        frames = run.frames if trajectory is None else [s.atoms for s in read(trajectory, labelled=False)]
        kept = (frames[:-1] if run.stopped else frames)[n_skipped:]  # the last before it broke is no thermal motion
        drawn += [drawn_from(atoms, frame, group) for frame in kept]
        if run.stopped:
            log.warning("dynamics from structure %d at %s gave %d structures: it %s", k, group, len(kept), run.stopped)
        finish(name, run)
    if not drawn:
        raise UserError("dynamics gave no structure: every run broke too early; lower the timestep, or relax the start")
    return drawn
