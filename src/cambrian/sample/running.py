"""A run of dynamics step by step: a step is done whole or not at all, and what is needed to go on is kept on disk."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.sample.ensembles import Ensemble
from cambrian.sample.record import Record, State
from cambrian.units import BOLTZMANN

Progress = Callable[[str, float, str], None]
SECONDS_BETWEEN_CHECKPOINTS = 20.0
FLYING = 20.0  # eV: no atom of a molecule or a solid is that fast ...
FLYING_KT = 60.0  # ... nor this many k T
FIGURES = ("time_fs", "potential_energy", "kinetic_energy", "temperature_K", "volume")


class Plan(Protocol):
    """How long to run, and how."""

    ensemble: Ensemble
    n_steps: int
    timestep_fs: float
    every: int


class Guard(Protocol):
    """What looks at every step of a run and may end it."""

    def begin(self) -> None:
        """A run is begun anew."""

    def look(self, atoms: Atoms, step: int, time_fs: float) -> str:
        """Judge a step whose forces were just computed; a reason to end the run, or nothing."""
        ...

    def objection(self) -> str:
        """Why the run must end where it stands; nothing where it may go on."""
        ...

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps, as plain data."""
        ...

    def resume(self, facts: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


@dataclass(frozen=True)
class Run:
    """What a run gave. Rows of the figures and frames are `every` steps apart, the start included.

    `time_fs`, `potential_energy` and `kinetic_energy` (eV), `temperature_K`, `volume` (Å³, NaN without a cell).
    `frames` is empty where they went into a file; `stopped` says in words why a run ended early, else it is empty.
    """

    atoms: Atoms
    n_steps: int
    figures: dict[str, NDArray]
    frames: list[Atoms]
    stopped: str = ""

    @property
    def total_energy(self) -> NDArray:
        """Potential and kinetic energy together, eV."""
        return self.figures["potential_energy"] + self.figures["kinetic_energy"]


class Running:
    """The state of one run. `snapshot` is replaced at the end of each step: a step is done whole or not at all."""

    def __init__(
        self,
        dynamics: Plan,
        atoms: Atoms,
        seed: int,
        record: Record | None,
        keep_frames: bool,
        observe: Callable[[Atoms], str | None],
        guard: Guard | None,
        progress: Progress,
    ):
        self.dynamics, self.ensemble = dynamics, dynamics.ensemble
        self.observe, self.guard, self.progress = observe, guard, progress
        self.keep_frames = keep_frames
        self.atoms = atoms.copy()
        self.atoms.calc = atoms.calc
        self.rng = np.random.default_rng(seed)
        self.step, self.stopped, self.objection, self.frames = 0, "", "", []
        self.rows = np.empty((16, len(FIGURES)))
        self.n_rows, self.n_bytes = 0, 0
        self.n_free = max(3 * len(atoms) - 3, 3)  # degrees of freedom; a single atom keeps its three
        self.record = record
        earlier = None if record is None else record.resume()
        if earlier is not None:
            self._restore(*earlier)
        elif not self.atoms.has("momenta") or not self.atoms.get_momenta().any():
            self._draw_velocities()
        self.masses = self.atoms.get_masses()[:, None]
        self.limit = max(FLYING, FLYING_KT * BOLTZMANN * self.ensemble.temperature_K)
        self.atoms.get_forces()  # a start that cannot be computed is an error, not the end of a run
        self.integrator: Any = self.ensemble.integrator(self.atoms, dynamics.timestep_fs, self.rng)
        self.saved_at = time.monotonic()
        if self.record is not None:
            self.record.open(self.n_bytes)
        if earlier is None:
            self._begin()
        else:
            self._recall(earlier[0])
        self.snapshot = self._state()
        self._save()

    def advance(self) -> None:
        """One step; a step that cannot be trusted is taken back and ends the run."""
        before = self.snapshot
        try:
            self.integrator.step()
            if not self.ensemble.conserves_momentum and len(self.atoms) > 1:
                self._hold_center()
            trouble = self._trouble()
        except Exception as error:  # a calculator fails in its own way when atoms are where none should be
            trouble = f"the calculation failed: {error}"
        self.step += 1
        if trouble:
            self._stop(before, trouble)
        else:
            self._look()
            if self.stopped or self.step % self.dynamics.every == 0:
                self._note()
        self.snapshot = self._state()
        if time.monotonic() - self.saved_at > SECONDS_BETWEEN_CHECKPOINTS:
            self._save()

    def close(self) -> None:
        """Keep everything up to the last whole step, however the run ended."""
        if self.record is not None:
            self._save()
            self.record.close(self.snapshot.n_bytes)

    def result(self) -> Run:
        """What came of it."""
        figures = {name: self.rows[: self.n_rows, k].copy() for k, name in enumerate(FIGURES)}
        return Run(self.atoms, self.step, figures, self.frames, self.stopped)

    def _begin(self) -> None:
        if self.guard is not None:
            self.guard.begin()
        self._look()
        self._note()

    def _look(self) -> None:
        """Let the guard judge the step."""
        time_fs = self.step * self.dynamics.timestep_fs
        self.objection = "" if self.guard is None else self.guard.look(self.atoms, self.step, time_fs)
        if self.objection:
            self.stopped = f"stopped after {time_fs:g} fs: {self.objection}"

    def _draw_velocities(self) -> None:
        masses = self.atoms.get_masses()[:, None]
        width = np.sqrt(masses * BOLTZMANN * self.ensemble.temperature_K)
        momenta = width * self.rng.standard_normal((len(self.atoms), 3))
        self.atoms.set_momenta(momenta)
        self.masses = masses
        if len(self.atoms) > 1:
            self._hold_center()

    def _hold_center(self) -> None:
        """Take the motion of the center of mass away; what thermal noise gave it is no part of the ensemble."""
        momenta = self.atoms.get_momenta()
        momenta -= self.masses * (momenta.sum(axis=0) / self.masses.sum())
        self.atoms.set_momenta(momenta)

    def _trouble(self) -> str:
        momenta = self.atoms.get_momenta()
        if not (np.isfinite(momenta).all() and np.isfinite(self.atoms.positions).all()):
            return "positions or velocities are no longer finite numbers"
        energies = (momenta**2 / (2 * self.masses)).sum(axis=1)
        fastest = int(energies.argmax())
        if energies[fastest] > self.limit:
            return f"atom {fastest} has a kinetic energy of {energies[fastest]:.0f} eV: the atoms fly apart"
        return ""

    def _note(self) -> None:
        """A frame and a row of figures."""
        self.stopped = self.observe(self.atoms) or self.stopped
        kinetic = self.atoms.get_kinetic_energy()
        temperature = 2 * kinetic / (self.n_free * BOLTZMANN)
        volume = self.atoms.get_volume() if self.atoms.cell.rank == 3 else np.nan
        row = (self.step * self.dynamics.timestep_fs, self._potential_energy(), kinetic, temperature, volume)
        if self.record is None and self.keep_frames:
            self.frames.append(_frozen(self.atoms, row))
        elif self.record is not None:
            facts = {"step": self.step, "time_fs": row[0], "kinetic_energy": kinetic, "temperature_K": temperature}
            facts |= {"stopped": self.stopped} if self.stopped else {}
            self.n_bytes = self.record.write(self.atoms, **facts)
        if self.n_rows == len(self.rows):
            self.rows = np.concatenate([self.rows, np.empty_like(self.rows)])
        self.rows[self.n_rows] = row
        self.n_rows += 1
        fraction = self.step / max(self.dynamics.n_steps, 1)
        self.progress("dynamics", fraction, f"{row[0] / 1000:.2f} ps, {temperature:.0f} K")

    def _potential_energy(self) -> float:
        if self.atoms.calc is None:
            return np.nan
        energy = self.atoms.get_potential_energy()
        return self.atoms.calc.results.get("free_energy", energy)

    def _stop(self, before: State, trouble: str) -> None:
        self.stopped = f"stopped after {self.step * self.dynamics.timestep_fs:g} fs: {trouble}"
        self.step -= 1
        self.atoms.set_cell(before.arrays["cell"])
        self.atoms.set_positions(before.arrays["positions"], apply_constraint=False)
        self.atoms.set_momenta(before.arrays["momenta"], apply_constraint=False)
        try:
            self.atoms.get_forces()
        except Exception:  # what broke it may have stayed inside: then the frame goes out without energy and forces
            self.atoms.calc = None
        self._note()

    def _state(self) -> State:
        arrays = {
            "positions": self.atoms.get_positions(),
            "momenta": self.atoms.get_momenta(),
            "cell": self.atoms.cell.array.copy(),
        }
        arrays |= {name: np.array(getattr(self.integrator, name)) for name in self.ensemble.memory}
        facts = {"random": self.rng.bit_generator.state, "stopped": self.stopped}
        return State(self.step, arrays, facts, self.n_bytes, self.n_rows)

    def _save(self) -> None:
        if self.record is not None:
            of_guard = {} if self.guard is None else {"guard": self.guard.facts(), "objection": self.objection}
            self.record.save(replace(self.snapshot, facts=self.snapshot.facts | of_guard), self.rows)
            self.saved_at = time.monotonic()

    def _restore(self, state: State, rows: NDArray) -> None:
        """Put the structure of a checkpoint in place, before an integrator sees it."""
        self.atoms.set_cell(state.arrays["cell"])
        self.atoms.set_positions(state.arrays["positions"], apply_constraint=False)
        self.atoms.set_momenta(state.arrays["momenta"], apply_constraint=False)
        self.rows, self.n_rows, self.n_bytes = rows.copy(), len(rows), state.n_bytes
        self.step, self.stopped = state.step, state.facts["stopped"]

    def _recall(self, state: State) -> None:
        """Give the integrator back what it carried, and the random numbers their place."""
        for name in self.ensemble.memory:
            value = state.arrays[name]
            setattr(self.integrator, name, value if value.ndim else float(value))
        self.rng.bit_generator.state = state.facts["random"]
        if self.guard is not None and "guard" in state.facts:
            self.guard.resume(state.facts["guard"])
        if state.facts.get("objection"):  # it ends here no more where the guard is gone, or has another limit
            self.objection = "" if self.guard is None else self.guard.objection()
            self.stopped = self.stopped if self.objection else ""


def _frozen(atoms: Atoms, row: tuple) -> Atoms:
    """A copy with its energy and forces as plain entries."""
    frame = atoms.copy()
    frame.info |= {"energy": row[1], "time_fs": row[0]}
    if atoms.calc is not None:
        frame.arrays["forces"] = atoms.get_forces(apply_constraint=False)
    return frame
