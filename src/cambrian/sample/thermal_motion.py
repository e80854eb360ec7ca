"""Structures along dynamics: thermal motion at a temperature, by a reference method or by a potential."""

from collections.abc import Callable
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from cambrian.data.read import read
from cambrian.errors import UserError
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT, Ensemble


def thermal_motion(
    atoms: Atoms,
    calculator: BaseCalculator,
    n: int,
    *,
    ensemble: Ensemble = NVT(300.0),  # noqa: B008 - immutable
    interval_fs: float = 50.0,
    timestep_fs: float = 0.5,
    equilibration_fs: float = 500.0,
    seed: int = 0,
    group: str = "dynamics",
    trajectory: str | Path | None = None,
    progress: Callable[[str, float, str], None] = lambda stage, fraction, words: None,
) -> list[Atoms]:
    """Draw `n` structures, `interval_fs` apart, after `equilibration_fs` that are thrown away.

    trajectory: file of the run, from which an interrupted one resumes (see `Dynamics.run`).
    Raises UserError where the dynamics broke before it gave a structure; a run that breaks later gives fewer.
    """
    every = max(round(interval_fs / timestep_fs), 1)
    skipped = -(-round(equilibration_fs / timestep_fs) // every)  # whole intervals
    dynamics = Dynamics(ensemble, n_steps=(skipped + n - 1) * every, timestep_fs=timestep_fs, every=every)
    work = atoms.copy()
    work.calc = calculator
    run = dynamics.run(work, seed=seed, trajectory=trajectory, progress=progress)
    frames = run.frames if trajectory is None else [s.atoms for s in read(trajectory)]
    sound = frames[:-1] if run.stopped else frames  # the last frame before it broke is no thermal motion
    drawn = [_named(frame, atoms, group) for frame in sound[skipped:]]
    if not drawn:
        raise UserError(f"dynamics gave no structure: it {run.stopped}")
    return drawn


def _named(frame: Atoms, start: Atoms, group: str) -> Atoms:
    """The geometry of a frame with what is known of its start."""
    drawn = start.copy()
    drawn.set_cell(frame.cell)
    drawn.positions = frame.positions
    drawn.arrays.pop("momenta", None)
    drawn.info["config_type"] = group
    return drawn
