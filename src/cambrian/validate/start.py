"""The structure that a check starts from: the one that was named, or the one of the data that is nearest to rest."""

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms

from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.errors import UserError

AT_REST = 0.1  # eV/Å: labelled forces up to this are those of a minimum, as far as a lattice is concerned
VACUUM = 6.0  # Å without atoms along a cell vector: a molecule in a box or a slab


def starting_structure(reference: Dataset | None, frame: int = 0, repeat: Sequence[int] = (1, 1, 1)) -> Atoms:
    """Structure `frame` of the reference at rest, repeated along each cell vector; charge and spin in `info`.

    Raises UserError where there is no such structure.
    """
    if reference is None or not -len(reference) <= frame < len(reference):
        has = "" if reference is None else f"; this one has {len(reference)}, counted from 0"
        raise UserError(f"this check starts from structure {frame} of a file: give one after the potential{has}")
    s = reference.structures[frame]
    atoms = s.atoms.copy()
    atoms.arrays.pop("momenta", None)
    n_cells = int(np.prod(repeat))
    atoms = atoms.repeat(tuple(repeat))
    atoms.info |= {"total_charge": s.total_charge * n_cells, "spin": s.spin * n_cells}
    return atoms


def why_no_motion(reference: Dataset | None, frame: int = 0, repeat: Sequence[int] = (1, 1, 1)) -> str:
    """Why nothing moves in structure `frame`; empty where something does."""
    if reference is None or not -len(reference) <= frame < len(reference):
        return f"it starts from structure {frame} of the data: give a file that has one"
    alone = len(reference.structures[frame]) * np.prod(repeat) == 1
    return "a single atom has no motion of its own" if alone else ""


def lattice_start(reference: Dataset | None, frame: int | None) -> Atoms:
    """The crystal to start from: structure `frame`, or that of the data which is nearest to rest.

    Raises UserError where there is none, in the words of `why_no_lattice`.
    """
    reason = why_no_lattice(reference, frame)
    if reason:
        raise UserError(reason)
    return starting_structure(reference, nearest_to_rest(reference, is_bulk) if frame is None else frame)


def why_no_lattice(reference: Dataset | None, frame: int | None) -> str:
    """Why no property of a lattice can be computed from these data; empty where one can."""
    if reference is None or not len(reference):
        return "this check starts from a crystal: give a file that holds one after the potential"
    if frame is not None:
        atoms = starting_structure(reference, frame)
        return "" if atoms.pbc.all() else f"structure {frame} is not periodic in three directions, so it has no lattice"
    solids = [s for s in reference if is_bulk(s)]
    if not solids:
        return "no structure of the data fills a cell that is periodic in three directions, so there is no lattice"
    labelled = [_largest_force(s) for s in solids if s.forces is not None]
    if labelled and min(labelled) > AT_REST:
        return (
            f"no structure of the data is a crystal at rest (forces of {min(labelled):.2g} eV/Å at least): "
            "name one with `frame`, or give a file with one"
        )
    return ""


def nearest_to_rest(reference: Dataset | None, suits: Callable[[Structure], bool] = lambda s: True) -> int:
    """Index of the lowest energy per atom among suitable structures at rest; of the calmest where none is at rest.

    Without forces the lowest energy, without energies the first; larger structures give way to smaller ones.
    """
    structures = () if reference is None else reference.structures
    suitable = [k for k, s in enumerate(structures) if suits(s)]
    if not suitable:
        raise UserError("there is no structure to start from: give a file with one after the potential")

    def restlessness(k: int) -> tuple[float, float, int]:
        s = structures[k]
        force = 0.0 if s.forces is None else _largest_force(s)
        energy = s.energy_per_atom if s.has_energy else 0.0
        return (force if force > AT_REST else 0.0, round(energy, 5), len(s))

    return min(suitable, key=restlessness)


def is_bulk(s: Structure) -> bool:
    """Whether atoms fill a cell that is periodic in three directions: no molecule in a box, no slab."""
    return bool(s.atoms.pbc.all()) and max(_gaps(s.atoms)) < VACUUM


def is_cluster(s: Structure) -> bool:
    """Whether this is a molecule or a cluster of at least two atoms, in a box or without one."""
    return len(s) > 1 and (not s.atoms.pbc.any() or min(_gaps(s.atoms)) >= VACUUM)


def filling(atoms: Atoms, length: float) -> tuple[int, int, int]:
    """How often to repeat a cell along each vector so that opposite faces are at least `length` Å apart."""
    a, b, c = (int(np.ceil(length / height - 1e-6)) for height in _heights(atoms))
    return a, b, c


def _heights(atoms: Atoms) -> list[float]:
    """Distances between opposite faces of the cell, Å."""
    return list(1 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1))


def _gaps(atoms: Atoms) -> list[float]:
    """The widest empty layer along each cell vector, Å, up to the nearest atoms."""
    gaps = []
    for place, height in zip(atoms.get_scaled_positions().T, _heights(atoms), strict=True):
        ordered = np.sort(place)
        gaps.append(float(np.diff(ordered, append=ordered[0] + 1).max()) * height)
    return gaps


def _largest_force(s: Structure) -> float:
    return float(np.linalg.norm(np.asarray(s.forces), axis=1).max())
