"""Trajectories as arrays at even times: produced by dynamics with a potential or a method, or taken from a file.

produced    equilibration at constant temperature, thrown away, then the ensemble that is asked for
from a file unwrapped by r(t + Δt) - r(t) = (Δs - round(Δs)) h, so atoms must move less than half a cell per frame.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVE, NVT, Ensemble
from cambrian.units import BOLTZMANN

UNEVEN = 1e-6  # of the interval: more than rounding of written times explains
NOTHING_TO_COMPARE = "it takes long and has nothing to be compared with here: give known values, or name it"
PER_FS = units.fs  # Å/fs in one of ASE's units of velocity


@dataclass(frozen=True)
class Trajectory:
    """Frames at even times. `atoms` is the first; `stopped` says in words why dynamics ended early, else it is empty.

    `times` fs; `positions` (frames, atoms, 3) Å, unwrapped; `velocities` (frames, atoms, 3) Å/fs, None where a file
    has none; `cells` (frames, 3, 3) Å; `temperature_K`, `total_energy` (eV) NaN where not known; `extras` holds what
    else was watched, a row for each frame.
    """

    atoms: Atoms
    times: NDArray
    positions: NDArray
    velocities: NDArray | None
    cells: NDArray
    temperature_K: NDArray
    total_energy: NDArray
    extras: dict[str, NDArray] = field(default_factory=dict)
    stopped: str = ""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def interval_fs(self) -> float:
        """Time between two frames; NaN where there is only one."""
        return float((self.times[-1] - self.times[0]) / (len(self) - 1)) if len(self) > 1 else float("nan")

    @property
    def masses(self) -> NDArray:
        """Masses (atoms,) in amu."""
        return self.atoms.get_masses()

    def frames(self) -> Iterator[Atoms]:
        """The frames as structures, one after another."""
        for positions, cell in zip(self.positions, self.cells, strict=True):
            frame = self.atoms.copy()
            frame.set_cell(cell)
            frame.positions = positions
            yield frame


def produce(
    driver: Potential | Labeller,
    start: Atoms,
    ensemble: Ensemble,
    *,
    n_steps: int,
    timestep_fs: float = 1.0,
    every: int = 10,
    equilibration_fs: float = 1000.0,
    seed: int = 0,
    watch: Mapping[str, Callable[[Atoms], NDArray]] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Trajectory:
    """Equilibrate, then record `n_steps` in `ensemble`, a frame `every` few steps, from a copy of `start`.

    Equilibration runs in the same ensemble, at constant temperature where that one has no thermostat.
    watch: what else to record; each is called with the running atoms, whose `calc.results` stand ready.
    A run whose atoms fly apart gives what came before, and says so in `stopped`.
    Raises UserError where the first forces cannot be computed.
    """
    start = start.copy()
    start.calc = calculator_for(driver, start)
    n_warm = round(equilibration_fs / timestep_fs)
    share = n_warm / max(n_warm + n_steps, 1)
    if n_warm:
        warming = NVT(ensemble.temperature_K) if isinstance(ensemble, NVE) else ensemble
        warm = Dynamics(warming, n_steps=n_warm, timestep_fs=timestep_fs, every=every).run(
            start, seed=2 * seed, keep_frames=False, progress=lambda _, fraction, __: progress(share * fraction)
        )
        if warm.stopped:
            return _watched(_Watch({}), warm.figures, start, f"{warm.stopped} (while it was brought to temperature)")
        start = warm.atoms
    seen = _Watch(watch or {})
    run = Dynamics(ensemble, n_steps=n_steps, timestep_fs=timestep_fs, every=every).run(
        start,
        seed=2 * seed + 1,  # not the noise of the equilibration again
        keep_frames=False,
        observe=seen,
        progress=lambda _, fraction, __: progress(share + (1 - share) * fraction),
    )
    return _watched(seen, run.figures, start, run.stopped)


class _Watch:
    """Notes what is wanted of the running atoms."""

    def __init__(self, watch: Mapping[str, Callable[[Atoms], NDArray]]):
        self.watch = watch
        self.rows: dict[str, list[NDArray]] = {name: [] for name in ("positions", "velocities", "cells", *watch)}

    def __call__(self, atoms: Atoms) -> None:
        if atoms.calc is None:  # the row of a run that broke
            return
        self.rows["positions"].append(atoms.get_positions())
        self.rows["velocities"].append(atoms.get_velocities() * PER_FS)
        self.rows["cells"].append(atoms.cell.array.copy())
        for name, look in self.watch.items():
            self.rows[name].append(np.array(look(atoms), dtype=float))


def _watched(seen: _Watch, figures: dict[str, NDArray], atoms: Atoms, stopped: str) -> Trajectory:
    arrays = {name: np.array(rows) for name, rows in seen.rows.items()}
    shapes = {"positions": (0, len(atoms), 3), "velocities": (0, len(atoms), 3), "cells": (0, 3, 3)}
    known = {name: arrays.pop(name).reshape(-1, *shape[1:]) for name, shape in shapes.items()}
    n = len(known["cells"])
    plain = atoms.copy()
    plain.calc = None
    return Trajectory(
        atoms=plain,
        times=figures["time_fs"][:n],
        **known,
        temperature_K=figures["temperature_K"][:n],
        total_energy=(figures["potential_energy"] + figures["kinetic_energy"])[:n],
        extras=arrays,
        stopped=stopped,
    )


def trajectory_of(reference: Dataset, *, interval_fs: float | None = None) -> Trajectory:
    """The frames of a file, in order, as a trajectory; times from `time_fs` of each frame, or `interval_fs` apart.

    Velocities are those of `momenta`, where every frame has them. Raises UserError for fewer than two frames, atoms
    that change from frame to frame, and times that are not known or not even.
    """
    if len(reference) < 2:
        raise UserError(f"a trajectory needs at least two frames, not {len(reference)}")
    first = reference.structures[0]
    for s in reference:
        if not np.array_equal(s.atoms.numbers, first.atoms.numbers):
            raise UserError(f"{s.where}: its atoms, or their order, differ from those of frame 0: no trajectory")
    atoms = [s.atoms for s in reference]
    masses = first.atoms.get_masses()[:, None]
    velocities = None
    if all("momenta" in a.arrays for a in atoms):
        velocities = np.array([a.arrays["momenta"] / masses for a in atoms]) * PER_FS
    cells = np.array([a.cell.array for a in atoms])
    unknown = np.full(len(atoms), np.nan)
    return Trajectory(
        atoms=first.atoms.copy(),
        times=_times(reference, interval_fs),
        positions=unwrapped(np.array([a.positions for a in atoms]), cells, first.atoms.pbc),
        velocities=velocities,
        cells=cells,
        temperature_K=np.array([_temperature(a) for a in atoms]),
        total_energy=unknown,
    )


def has_times(reference: Dataset | None, interval_fs: float | None) -> bool:
    """Whether the data are frames of a trajectory."""
    if reference is None or len(reference) < 2:
        return False
    return interval_fs is not None or all("time_fs" in s.atoms.info for s in reference)


def temperature_of(reference: Dataset, otherwise: float = 300.0) -> float:
    """Mean temperature of the frames, K, as they state it (`temperature_K`) or as their momenta have it."""
    found = [_temperature(s.atoms) for s in reference]
    known = [t for t in found if np.isfinite(t) and t > 0]
    return float(np.mean(known)) if known else otherwise


def _temperature(atoms: Atoms) -> float:
    if "temperature_K" in atoms.info:
        return float(atoms.info["temperature_K"])
    if "momenta" not in atoms.arrays:
        return float("nan")
    kinetic = (atoms.arrays["momenta"] ** 2 / (2 * atoms.get_masses()[:, None])).sum()
    return float(2 * kinetic / (max(3 * len(atoms) - 3, 3) * BOLTZMANN))


def unwrapped(positions: NDArray, cells: NDArray, pbc: NDArray) -> NDArray:
    """Positions (frames, atoms, 3) without the jumps of atoms that were put back into the cell."""
    if not pbc.any():
        return positions
    full = [Atoms(cell=cell, pbc=pbc).cell.complete().array for cell in cells]
    scaled = np.array([p @ np.linalg.inv(h) for p, h in zip(positions, full, strict=True)])
    jumps = np.round(np.diff(scaled, axis=0)) * pbc
    scaled[1:] -= np.cumsum(jumps, axis=0)
    return np.einsum("tas,tsx->tax", scaled, np.array(full))


def _times(reference: Dataset, interval_fs: float | None) -> NDArray:
    if interval_fs is not None:
        return interval_fs * np.arange(len(reference))
    found = [s.atoms.info.get("time_fs") for s in reference]
    if any(t is None for t in found):
        raise UserError("the frames do not say their time (time_fs): give the time between two of them, interval_fs")
    times = np.array(found, dtype=float)
    steps = np.diff(times)
    if not (steps > 0).all() or np.ptp(steps) > UNEVEN * len(times) * steps.mean():
        raise UserError("the times of the frames (time_fs) do not grow evenly: give one trajectory, whole and in order")
    return times
