"""The structure that a check starts from."""

import numpy as np
from ase import Atoms

from cambrian.data.dataset import Dataset
from cambrian.errors import UserError


def starting_structure(reference: Dataset | None, frame: int = 0, repeat: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
    """Structure `frame` of the reference at rest, repeated along each cell vector; charge and spin in `info`.

    Raises UserError where there is no such structure.
    """
    if reference is None or not -len(reference) <= frame < len(reference):
        raise UserError(f"this check starts from structure {frame} of a file: give one after the potential")
    s = reference.structures[frame]
    atoms = s.atoms.copy()
    atoms.arrays.pop("momenta", None)
    n_cells = int(np.prod(repeat))
    atoms = atoms.repeat(repeat)
    atoms.info |= {"total_charge": s.total_charge * n_cells, "spin": s.spin * n_cells}
    return atoms
