"""Ethanol, from a bare molecule to a running potential, in about five minutes on two cores. `make demo` runs this.

The steps are those of any project: sample structures, label them with a reference method, fit, test on a trajectory the
fit has never seen, run dynamics. The reference here is GFN2-xTB: no download, a millisecond per structure. Everything
goes into one folder; a demo that was interrupted goes on from there when it is started again.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # nine atoms: more threads only wait for each other

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from ase import Atoms
from ase.build import molecule
from ase.io import read as read_frames
from ase.optimize import BFGS

from cambrian import Dataset, Structure, UserError, fit, read, write
from cambrian.cli.console import Bars, err, out
from cambrian.cli.figures import errors_table
from cambrian.configuration import Recipe, Setting
from cambrian.contracts.check import Check, Result
from cambrian.fit import Fit
from cambrian.label import label
from cambrian.label.tblite import Tblite
from cambrian.report.fit_folder import write_fit
from cambrian.report.folder_report import refresh
from cambrian.report.validation import remember
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT
from cambrian.sample.normal_modes import normal_modes
from cambrian.validate.nve_drift import NVEDrift

REFERENCE = Tblite()
EQUILIBRATION_FS = 500.0  # at the start of each trajectory, left out


@dataclass(frozen=True)
class Trajectory:
    """Dynamics of the reference at a temperature; `steps` of 1 fs, a frame every `every` steps."""

    name: str
    temperature_K: float
    steps: int
    every: int
    seed: int

    def run(self, start: Atoms, folder: Path) -> list[Atoms]:
        """Frames after equilibration; resumes where it was interrupted."""
        start = start.copy()
        start.calc = REFERENCE.calculator()
        file = folder / f"{self.name}.extxyz"
        dynamics = Dynamics(NVT(self.temperature_K), n_steps=self.steps, timestep_fs=1.0, every=self.every)
        dynamics.run(start, seed=self.seed, trajectory=file)
        frames = [a for a in read_frames(file, ":") if a.info["time_fs"] >= EQUILIBRATION_FS]
        for frame in frames:
            frame.calc, frame.info = None, {"config_type": f"{self.temperature_K:.0f} K"}
        return frames


def main() -> None:
    """The whole way, step by step."""
    options = arguments()
    folder, begun = options.output, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)

    say(1, "a bare molecule: ethanol, relaxed with GFN2-xTB")
    ethanol = relaxed(molecule("CH3CH2OH"), folder / "ethanol.extxyz")

    say(2, "sample: normal modes and dynamics for training, a trajectory of its own at 300 K for the test")
    training, testing = sampled(ethanol, folder, options)

    say(3, f"label: {len(training)} structures for training, {len(testing)} for the test")
    train, test = labelled(training, folder), labelled(testing, folder)

    say(4, "fit: a high-dimensional neural network potential")
    recipe = Recipe.of("hdnnp", [Setting.parse(text) for text in options.set])
    potential, solver = recipe.build()
    with Bars() as bars:
        result = fit(potential, train, solver, test=test, seed=options.seed, folder=folder, progress=bars)

    say(5, "run: 5 ps of dynamics at constant energy")
    check = NVEDrift(n_steps=options.nve_steps, timestep_fs=0.5, temperature_K=300.0)
    with Bars() as bars:
        drift = check.run(result.potential, test, progress=lambda fraction: bars("dynamics", fraction))

    report(folder, recipe, result, {"nve_drift": (check, drift)}, options.seed)
    summary(folder, result, drift, time.monotonic() - begun)


def arguments() -> argparse.Namespace:
    """Options; the defaults are the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), metavar="DIR", help="folder for everything")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="threads of the fit: its matrices are small")
    parser.add_argument("--steps", type=int, default=10_000, help="steps of 1 fs of each trajectory")
    parser.add_argument("--nve-steps", type=int, default=10_000, help="steps of 0.5 fs of the final dynamics")
    settings = ["solver.max_minutes=1.75"]
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", default=settings, help="a setting of the recipe")
    return parser.parse_args()


def relaxed(atoms: Atoms, file: Path) -> Atoms:
    """The minimum of the reference; read from `file` where an earlier start wrote it, to the same digits."""
    if not file.exists():
        atoms.calc = REFERENCE.calculator()
        BFGS(atoms, logfile=None).run(fmax=0.005)
        write(file, Dataset([Structure(atoms.copy())]))
    (structure,) = read(file, labelled=False)
    return structure.atoms


def sampled(ethanol: Atoms, folder: Path, options: argparse.Namespace) -> tuple[list[Atoms], list[Atoms]]:
    """Structures for training and for the test, the trajectories side by side in processes of their own."""
    trajectories = (
        Trajectory("train-300K", 300.0, options.steps, 20, seed=options.seed),
        Trajectory("train-500K", 500.0, options.steps, 20, seed=options.seed + 1),
        Trajectory("test-300K", 300.0, options.steps, 50, seed=options.seed + 2),
    )
    modes = normal_modes(ethanol, REFERENCE.calculator())
    bare = ethanol.copy()
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        cool, hot, test = (run.result() for run in [pool.submit(t.run, bare, folder) for t in trajectories])
    return modes.sample(200, temperature_K=600.0, seed=options.seed) + cool + hot, test


def labelled(frames: list[Atoms], folder: Path) -> Dataset:
    """Energies and forces by the reference; what was computed before is read from the cache."""
    with Bars() as bars:
        found = label(frames, REFERENCE, cache=folder / "labels", progress=bars)
    for failure in found.failures:
        err().print(f"left out: {failure.where}: {failure.reason}")
    return found.data


def report(folder: Path, recipe: Recipe, result: Fit, checks: dict[str, tuple[Check, Result]], seed: int) -> None:
    """The files of a fit, and a report that also holds the checks."""
    write_fit(folder, result, name=recipe.name, recipe=recipe.text(seed))
    for name, (check, found) in checks.items():
        remember(folder / "potential.safetensors", result.potential, check, name, found)
    refresh(folder, result.potential)


def summary(folder: Path, result: Fit, drift: Result, seconds: float) -> None:
    """What came of it, and what to try next."""
    out().print()
    out().print(errors_table({name: part.errors.figures() for name, part in result.parts.items()}))
    out().print(f"\n{drift.sentence}")
    out().print(f"\nDone in {seconds / 60:.1f} minutes. Look at")
    for name, words in (
        ("report.html", "the report: open it in a browser"),
        ("potential.safetensors", "the potential"),
        ("metrics.json", "every figure"),
    ):
        out().print(f"  {folder / name}   {words}")
    potential = folder / "potential.safetensors"
    out().print("\nTry next")
    out().print(f"  .venv/bin/cambrian md {potential} {folder / 'test-300K.extxyz'} \\")
    out().print("      --ensemble nvt --temperature 300 --steps 2000 --timestep 0.5 -o traj.extxyz")
    out().print("  .venv/bin/cambrian fit snap YOUR_DATA.xyz --test-fraction 0.1 -o my-snap")


def say(step: int, words: str) -> None:
    """Announce a step."""
    out().print(f"[bold]{step}[/]  {words}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        err().print("interrupted: the same command goes on where this one stopped")
        raise SystemExit(130) from None
    except UserError as error:
        err().print(f"error: {error}")
        raise SystemExit(2) from None
