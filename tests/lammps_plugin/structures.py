"""Structures for the pair style, and the file of the model library; nothing here waits for torch."""

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

CUTOFF, K = 4.0, 0.05
VALUES = {"Na": (0.9, 1.0, -1.5), "Cl": (1.3, -0.7, 0.4)}  # c, w, e


def write_model(file: Path, members: int, *, graded: bool = True) -> Path:
    lines = [f"model 1 {members} {int(graded)} {CUTOFF} {K}"]
    lines += [f"{element} {c} {w} {e}" for element, (c, w, e) in VALUES.items()]
    file.write_text("\n".join(lines) + "\n")
    return file


def crystal() -> Atoms:
    """A rattled triclinic crystal of two elements."""
    atoms = bulk("NaCl", "rocksalt", a=5.2, cubic=True).repeat((2, 2, 3))
    atoms.set_cell(atoms.cell.array @ np.array([[1, 0, 0], [0.1, 1, 0], [0.05, -0.08, 1]]), scale_atoms=True)
    atoms.positions += np.random.default_rng(1).normal(scale=0.15, size=atoms.positions.shape)
    return atoms


def slab() -> Atoms:
    """Atoms in one corner of a large box, not periodic along z: most domains are empty."""
    atoms = bulk("NaCl", "rocksalt", a=5.2, cubic=True)
    atoms.positions += np.random.default_rng(2).normal(scale=0.1, size=atoms.positions.shape)
    atoms.set_cell([30, 30, 5.2])
    atoms.pbc = (True, True, False)
    return atoms


def scattered() -> Atoms:
    """Atoms without neighbors, and one pair."""
    return Atoms("NaClNaCl", [[1, 1, 1], [9, 1, 1], [1, 9, 1], [2.8, 9, 2]], cell=[16, 16, 16], pbc=True)


def small() -> Atoms:
    """A cell shorter than the cutoff: atoms neighbor their own images."""
    atoms = bulk("NaCl", "rocksalt", a=5.2)
    atoms.positions += [[0.1, 0.0, 0.05], [0.0, -0.1, 0.0]]
    return atoms


def turned(rows: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Tensors of LAMMPS (xx yy zz xy xz yz, and yx zx zy) in the axes of the structure."""
    xx, yy, zz, xy, xz, yz, *lower = rows.T
    yx, zx, zy = lower or (xy, xz, yz)
    tensors = np.array([[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]]).transpose(2, 0, 1)
    return frame.T @ tensors @ frame


STRUCTURES = {"crystal": crystal, "slab": slab, "scattered": scattered, "small": small}
