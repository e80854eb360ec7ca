"""Rattled and strained structures: normal displacements of atoms, uniform deformations of the cell.

    R -> (R + N(0, σ²)) (1 + ε),   cell -> cell (1 + ε),   ε symmetric with components uniform in [-s, s]

A draw that brings two atoms closer than `closest` times the sum of their covalent radii is thrown away and drawn again.
"""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from cambrian.errors import UserError

TRIES = 200  # per structure


def rattle(
    atoms: Atoms,
    n: int,
    *,
    sigma: float = 0.05,
    strain: float = 0.0,
    closest: float = 0.6,
    seed: int = 0,
    group: str = "rattle",
) -> list[Atoms]:
    """Draw `n` structures: displacements of standard deviation `sigma` Å per component, strains up to `strain`.

    Raises UserError where hardly any draw keeps the atoms apart, and for a strain of a structure that is not periodic.
    """
    if strain and not atoms.pbc.any():
        raise UserError("a molecule has no cell to strain; leave strain at 0")
    rng = np.random.default_rng(seed)
    drawn: list[Atoms] = []
    for _ in range(n):
        for _ in range(TRIES):
            candidate = _candidate(atoms, sigma, strain, rng)
            if not _too_close(candidate, closest):
                break
        else:
            raise UserError(
                f"{TRIES} draws in a row brought atoms closer than {closest} of their covalent distance: "
                f"lower sigma ({sigma} Å), strain ({strain}) or closest"
            )
        candidate.info["config_type"] = group
        drawn.append(candidate)
    return drawn


def _candidate(atoms: Atoms, sigma: float, strain: float, rng: np.random.Generator) -> Atoms:
    moved = atoms.copy()
    moved.positions += rng.normal(scale=sigma, size=moved.positions.shape)
    deformation = rng.uniform(-strain, strain, size=(3, 3))
    moved.set_cell(moved.cell.array @ (np.eye(3) + 0.5 * (deformation + deformation.T)), scale_atoms=True)
    return moved


def _too_close(atoms: Atoms, closest: float) -> bool:
    radii = closest * covalent_radii[atoms.numbers]
    return len(neighbor_list("i", atoms, list(radii))) > 0
