"""`cambrian md`: molecular dynamics with a fitted potential."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, Interrupted, err, out, table
from cambrian.cli.options import OwnClasses, PotentialFile, Reading, SetOptions, load_model, load_potential, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from ase import Atoms

    from cambrian.sample.ensembles import Ensemble
    from cambrian.sample.extrapolation_guard import ExtrapolationGuard
    from cambrian.sample.uncertainty_notes import UncertaintyNotes

STOPPED = 1
SPARSE = 10  # steps between looks where features would be computed for the sake of looking alone


@reads_data
def md(
    potential: PotentialFile,
    start: Annotated[Path, typer.Argument(metavar="START", help="Structure to start from.")],
    steps: Annotated[int, typer.Option(help="Number of steps.", min=0)],
    ensemble: Annotated[str, typer.Option(help="nve, nvt or npt.")] = "nve",
    temperature: Annotated[float, typer.Option(metavar="K", help="Temperature.")] = 300.0,
    timestep: Annotated[float, typer.Option(metavar="fs", help="Time step.")] = 1.0,
    every: Annotated[int, typer.Option(help="Steps between frames.", min=1)] = 10,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Trajectory, extxyz.")] = None,
    engine: Annotated[str, typer.Option(help="What moves the atoms: ase or lammps.")] = "ase",
    seed: Annotated[int, typer.Option(help="Seed of velocities and noise.")] = 0,
    frame: Annotated[int, typer.Option(help="Frame of START; -1 is the last.")] = -1,
    stop_when_extrapolating: Annotated[
        float | None,
        typer.Option(
            metavar="SEVERITY", help="End the run where an atom lies so many widths outside the training range."
        ),
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Tell at each frame how sure the potential is of energy and forces.")
    ] = False,
    forces_only: Annotated[
        bool, typer.Option("--forces-only", help="Run with a model that gives no energy: energy is not conserved.")
    ] = False,
    set_: SetOptions = None,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Run molecular dynamics; with -o an interrupted run goes on when the same command is given again.

    --set reaches the ensemble: relaxation_fs=50, pressure_GPa=1, cell=free (npt). With --engine lammps the run may be
    cut into domains: mpiexec -n 4 cambrian md ... --engine lammps. Where a feature of an atom leaves the range that it
    had in the training set, a line says which and how far; with -o run.extxyz such frames go into
    run.extrapolating.extxyz.
    """
    begin = by_name(engine)
    model = load_model(potential, own) if forces_only else load_potential(potential, own)
    if forces_only:
        told_forces_only(model, ensemble)
    notes = unsureness(model, engine) if uncertainty else None
    atoms = starting(start, frame, reading)
    settings = {"n_steps": steps, "timestep_fs": timestep, "every": every}
    go = begin(model, atoms, ensemble_of(ensemble, temperature, set_ or ()), settings)
    resumed, began = output is not None and output.exists(), time.monotonic()
    try:
        with Bars() as bars, watching(model, output, stop_when_extrapolating, bars.say) as guard:
            observed = {} if notes is None else {"observe": notes}
            run = go(seed=seed, trajectory=output, guard=guard, progress=bars, **observed)
    except KeyboardInterrupt:
        mend = "the same command goes on where it stood" if output else "give -o FILE to be able to go on another time"
        raise Interrupted(mend) from None
    show(run, len(atoms), None if resumed else time.monotonic() - began, guard, conserved=ensemble.lower() == "nve")
    if notes is not None and notes.n_frames:
        words = f"{1e3 * notes.mean:.3g} meV/Å on average, {1e3 * notes.largest:.3g} at most"
        out().print(f"Uncertainty of the force on an atom: {words}")
    if output is not None:
        err().print(f"Trajectory in {output}")
    if run.stopped:
        err().print(f"[bold red]stopped:[/] {escape(run.stopped)}; the potential may not know what it met there")
        raise typer.Exit(STOPPED)


def told_forces_only(model, ensemble: str) -> None:
    """Warn of what such a run is worth; raises UserError where the model has an energy."""
    from cambrian.cli.console import warn
    from cambrian.contracts.force_model import NOT_CONSERVED, ForceModel

    if not isinstance(model, ForceModel):
        raise UserError("--forces-only is for models without an energy (mlotf); this is a potential: leave it out")
    mend = "" if ensemble.lower() == "nvt" else "; --ensemble nvt holds the temperature at least"
    warn([f"{NOT_CONSERVED}{mend}"])


def unsureness(model, engine: str) -> "UncertaintyNotes":
    """What notes the uncertainty of each frame; raises UserError where there is none to tell."""
    from cambrian.sample.uncertainty_notes import UncertaintyNotes

    if engine != "ase":
        raise UserError("--uncertainty goes with --engine ase; of other runs, cambrian predict tells it of the frames")
    return UncertaintyNotes(model)


@contextmanager
def watching(
    model, output: Path | None, stop_above: float | None, say: Callable[[str], None]
) -> "Iterator[ExtrapolationGuard | None]":
    """What looks for extrapolation while the run goes on; None where the potential cannot tell, which is said."""
    from cambrian.contracts.extrapolation import ExtrapolationWatch
    from cambrian.contracts.force_model import ForceModel
    from cambrian.sample.extrapolation_guard import ExtrapolationGuard

    try:
        if isinstance(model, ForceModel):
            raise UserError("models of forces alone do not tell it")
        watch = ExtrapolationWatch(model)
    except UserError as error:
        if stop_above is not None:
            raise
        say(f"extrapolation is not watched: {escape(str(error))}")
        yield None
        return
    frames = None if output is None else output.with_name(f"{output.stem}.extrapolating{output.suffix}")
    with watch:
        yield ExtrapolationGuard(
            watch,
            stop_above=stop_above,
            frames=frames,
            every=SPARSE if watch.computes_features else 1,
            say=lambda line: say(f"[yellow]extrapolation[/] at {escape(line)}"),
        )


def by_name(engine: str) -> Callable:
    """What begins a run of an engine; raises UserError for an unknown one."""
    from cambrian.contracts.catalogue import nearest

    known = {"ase": by_ase, "lammps": by_lammps}
    if engine not in known:
        raise UserError(f"there is no engine '{engine}'{nearest(engine, known)}; choose among {', '.join(known)}")
    return known[engine]


def by_ase(model, atoms: "Atoms", ensemble: "Ensemble", settings: dict) -> Callable:
    """A run by ASE in this process."""
    from cambrian.calculator import Calculator, ForceCalculator
    from cambrian.contracts.force_model import ForceModel
    from cambrian.sample.dynamics import Dynamics

    atoms.calc = ForceCalculator(model) if isinstance(model, ForceModel) else Calculator(model)
    return partial(Dynamics(ensemble, **settings).run, atoms)


def by_lammps(model, atoms: "Atoms", ensemble: "Ensemble", settings: dict) -> Callable:
    """A run by LAMMPS on all ranks, of which the first one talks."""
    from cambrian.contracts.force_model import ForceModel
    from cambrian.lammps_driver import world
    from cambrian.sample.lammps_dynamics import LammpsDynamics

    if isinstance(model, ForceModel):
        raise UserError("models of forces alone run with --engine ase")
    if world().rank > 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    return partial(LammpsDynamics(ensemble, **settings).run, atoms, model)


def starting(path: Path, frame: int, reading: Reading) -> "Atoms":
    """A frame of a file, with total charge and spin."""
    structures = reading.read([path], labelled=False)
    if not -len(structures) <= frame < len(structures):
        raise UserError(f"{path} has {len(structures)} frames; there is no frame {frame}")
    structure = structures.structures[frame]
    atoms = structure.atoms.copy()
    atoms.info |= {"total_charge": structure.total_charge, "spin": structure.spin}
    return atoms


def ensemble_of(name: str, temperature_K: float, texts) -> "Ensemble":
    """An ensemble by its name in any case, with settings."""
    from cambrian.configuration.settings import Setting, apply, defaults
    from cambrian.contracts.catalogue import classes, construct, nearest
    from cambrian.sample.ensembles import Ensemble

    known = {n.lower(): cls for n, cls in classes(Ensemble).items()}
    if name.lower() not in known:
        raise UserError(f"there is no ensemble '{name}'{nearest(name, known)}; choose among {', '.join(known)}")
    cls = known[name.lower()]
    arguments = defaults(cls) | {"temperature_K": temperature_K}
    for setting in map(Setting.parse, texts):
        apply(cls, arguments, setting)
    return construct(cls, arguments, where=name)


def show(run, n_atoms: int, seconds: float | None, guard: "ExtrapolationGuard | None", *, conserved: bool) -> None:
    """Print how the run went: temperature, energies, drift, extrapolation, speed."""
    import numpy as np

    figures, time_ps = run.figures, run.figures["time_fs"] / 1000
    rows = [
        ["time, ps", f"{time_ps[-1]:.4g}"],
        ["mean temperature, K", f"{figures['temperature_K'].mean():.1f}"],
        ["mean potential energy, eV/atom", f"{figures['potential_energy'].mean() / n_atoms:.5f}"],
    ]
    if np.isnan(figures["potential_energy"]).all():
        rows.pop()  # of a model that has none
    elif conserved and len(time_ps) > 2:
        drift = np.polyfit(time_ps, run.total_energy / n_atoms, 1)[0]
        rows.insert(3, ["slope of the total energy, meV/atom/ps", f"{1e3 * drift:.3g}"])
    if guard is not None:
        rows.append(["extrapolation warnings per step", f"{guard.warnings_per_step:.3g}"])
        if guard.largest_grade:
            rows.append(["largest extrapolation grade", f"{guard.largest_grade:.3g}"])
    if run.n_steps and seconds is not None:
        rows.append(["wall time, s", f"{seconds:.1f}"])
        rows.append(["speed, µs/atom/step", f"{1e6 * seconds / (run.n_steps * n_atoms):.3g}"])
    out().print(table("Dynamics", ["", ""], rows))
    if guard is not None and guard.n_warnings:
        looks = f"{guard.n_looks_outside} of {guard.n_looks} steps" + (" looked at" if guard.every > 1 else "")
        out().print(f"Extrapolation in {looks}; furthest outside the training range:")
        for found in guard.worst.values():
            out().print(f"  {escape(str(found))}")
        if guard.frames is not None and guard.n_notes:
            err().print(f"Frames that extrapolate ({guard.n_notes}) in {guard.frames}")


COMMANDS = {"md": md}
