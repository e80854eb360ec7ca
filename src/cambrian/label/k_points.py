"""How many k-points a cell needs: as many as the spacing between them asks for, whatever the shape of the cell.

n_i = max(1, ceil(|b_i| / spacing)),   a_i · b_j = 2π δ_ij
"""

import numpy as np
from ase import Atoms

ROUNDING = 1e-9  # a cell that fits the spacing exactly must not get one point more


def k_grid(atoms: Atoms, spacing: float) -> tuple[int, int, int]:
    """Points along each reciprocal axis for a spacing in 1/Å, 2π included (VASP's KSPACING); 1 where not periodic."""
    lengths = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    counts = np.maximum(np.ceil(lengths / spacing - ROUNDING), 1).astype(int)
    first, second, third = np.where(atoms.pbc, counts, 1).tolist()
    return first, second, third
