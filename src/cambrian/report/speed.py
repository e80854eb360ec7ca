"""How long a potential takes for energy and forces of a structure, as dynamics asks for them."""

import statistics
import time

import numpy as np
from ase import Atoms

from cambrian.calculator import Calculator
from cambrian.contracts.potential import Potential
from cambrian.data.structure import Structure

REPEATS = 5
FEWEST = 200  # atoms; periodic structures are repeated until there are as many, since small ones tell nothing of large


def running_size(s: Structure) -> Atoms:
    """A structure as large as those that dynamics runs: the cell repeated where it is small."""
    atoms = s.atoms.copy()
    atoms.calc = None
    atoms.info |= {"total_charge": s.total_charge, "spin": s.spin}
    while len(atoms) < FEWEST and atoms.pbc.any():
        lengths = np.where(atoms.pbc, atoms.cell.lengths(), np.inf)
        atoms = atoms.repeat([2 if k == lengths.argmin() else 1 for k in range(3)])
    return atoms


def seconds_per_evaluation(potential: Potential, atoms: Atoms, *, seed: int = 0) -> float:
    """Median time of energy and forces through the calculator after a small move of the atoms, s."""
    rng, times = np.random.default_rng(seed), []
    work = atoms.copy()
    work.calc = Calculator(potential)
    work.get_forces()
    for _ in range(REPEATS):
        work.positions += rng.normal(scale=1e-3, size=work.positions.shape)
        began = time.perf_counter()
        work.get_forces()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
