"""Speed of dynamics by the calculator, as a user meets it: ASE's velocity Verlet, neighbor lists and all.

t = median over chunks of (time / (steps · atoms))          µs per atom and step

On one thread the time is that of the processor, so that a busy machine changes little; on several it is wall time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

from cambrian.calculator import Calculator
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.native.library import available, set_threads

FEWEST_ATOMS, MOST_ATOMS = 200, 1000
TIMESTEP_FS, TEMPERATURE_K = 0.5, 300.0
CHUNKS, SECONDS_PER_CHUNK = 5, 0.4


def timed_structure(data: Dataset) -> Atoms:
    """The largest structure below the limit, repeated along its periodic directions to 200 atoms or more."""
    sizes = [(len(s) <= MOST_ATOMS, len(s) if len(s) <= MOST_ATOMS else -len(s)) for s in data]
    s = data[max(range(len(data)), key=sizes.__getitem__)]
    atoms = s.atoms.copy()
    while len(atoms) < FEWEST_ATOMS and atoms.pbc.any():
        lengths = np.where(atoms.pbc, atoms.cell.lengths(), np.inf)
        times = [1, 1, 1]
        times[int(np.argmin(lengths))] = 2
        atoms = atoms.repeat(times)
    atoms.info |= {"total_charge": s.total_charge, "spin": s.spin}
    return atoms


def microseconds_per_atom_step(
    potential: Potential, atoms: Atoms, *, threads: int = 1, seconds: float = SECONDS_PER_CHUNK, seed: int = 0
) -> float:
    """Median over chunks, each about `seconds` long, of dynamics at 300 K on a fixed number of threads."""
    atoms = atoms.copy()
    atoms.calc = Calculator(potential)
    widths = np.sqrt(units.kB * TEMPERATURE_K / atoms.get_masses())  # Maxwell and Boltzmann
    atoms.set_velocities(widths[:, None] * np.random.default_rng(seed).normal(size=(len(atoms), 3)))
    dynamics = VelocityVerlet(atoms, timestep=TIMESTEP_FS * units.fs)
    clock = time.process_time if threads == 1 else time.perf_counter
    with pinned(threads):
        dynamics.run(2)  # compilation, neighbor list
        start = clock()
        dynamics.run(2)
        steps = int(np.clip(2 * seconds / (clock() - start), 2, 200))
        times = []
        for _ in range(CHUNKS):
            start = clock()
            dynamics.run(steps)
            times.append(clock() - start)
    return float(1e6 * np.median(times) / (steps * len(atoms)))


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Run torch and the compiled kernels on a number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    if available():
        set_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        if available():
            set_threads(0)
