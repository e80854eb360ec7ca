"""Minima of any calculator by BFGS, where runs that lead nowhere are told apart from those that arrive."""

import numpy as np
from ase import Atoms
from ase.filters import UnitCellFilter
from ase.optimize import BFGS

from cambrian.errors import UserError

FALL = 10.0  # eV/atom: nothing gains that by coming to rest ...
STRAY = 4.0  # Å: ... nor moves that far ...
SWELLING = 2.0  # ... nor changes its volume by more than this factor


class NoMinimum(UserError):
    """Atoms found no minimum: they ran away, or were still moving when the steps were used up."""


def relaxed(atoms: Atoms, *, fmax: float, n_steps: int) -> Atoms:
    """Atoms at rest in a fixed cell, with the calculator of `atoms`, to forces below `fmax` eV/Å.

    As they are where `n_steps` is 0. Raises NoMinimum where there is none within reach.
    """
    return _minimized(_own(atoms), None, fmax, n_steps)


def relaxed_with_cell(atoms: Atoms, *, fmax: float, n_steps: int) -> Atoms:
    """The same for atoms and cell together, at zero stress.

    Raises NoMinimum too where the calculator has no stress.
    """
    work = _own(atoms)
    return _minimized(work, UnitCellFilter(work), fmax, n_steps)


def _own(atoms: Atoms) -> Atoms:
    work = atoms.copy()
    work.calc = atoms.calc
    return work


def _minimized(work: Atoms, filtered: UnitCellFilter | None, fmax: float, n_steps: int) -> Atoms:
    if n_steps == 0:
        return work
    start, energy = work.copy(), work.get_potential_energy()
    optimizer = BFGS(work if filtered is None else filtered, logfile=None)  # pyright: ignore[reportArgumentType]
    try:
        for arrived in optimizer.irun(fmax=fmax, steps=n_steps):
            trouble = _trouble(work, start, energy)
            if trouble:
                raise NoMinimum(f"the atoms ran away after {optimizer.nsteps} steps: {trouble}")
            if arrived:
                return work
    except NoMinimum:
        raise
    except (UserError, ValueError, np.linalg.LinAlgError) as error:  # a calculator refuses what it cannot compute
        raise NoMinimum(f"the atoms ran away after {optimizer.nsteps} steps: {error}") from error
    largest = np.abs(work.get_forces()).max()
    raise NoMinimum(f"no minimum after {n_steps} steps, with forces up to {largest:.2g} eV/Å")


def _trouble(work: Atoms, start: Atoms, energy: float) -> str:
    gain = (energy - work.get_potential_energy()) / len(work)
    if not np.isfinite(gain) or not np.isfinite(work.get_forces()).all():
        return "energy or forces are no longer finite numbers"
    if gain > FALL:
        return f"the energy fell by {gain:.1f} eV/atom"
    moved = work.positions - start.positions @ np.linalg.solve(start.cell.complete(), work.cell.complete())
    far = int(np.linalg.norm(moved, axis=1).argmax())
    if np.linalg.norm(moved[far]) > STRAY:
        return f"atom {far} moved by {np.linalg.norm(moved[far]):.1f} Å"
    if start.cell.rank == 3:
        swelling = work.get_volume() / start.get_volume()
        if not 1 / SWELLING < swelling < SWELLING:
            return f"the volume changed by a factor of {swelling:.2g}"
    return ""
