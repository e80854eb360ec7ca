"""The atoms and edges that loops over stars of neighbors read: checked once, and handed over as pointers."""

import ctypes

import numpy as np

from cambrian.native.library import check_array


class Stars(ctypes.Structure):
    """Atoms with their edges in the C ABI; whoever makes it keeps the arrays."""

    _fields_ = [("n_atoms", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in ("first", "r_ij", "neighbor", "species")]


def checked_stars(
    first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray, n_species: int
) -> Stars:
    """Edges sorted by center, `first` (atoms + 1) where those of each atom begin; ValueError for what does not fit."""
    if getattr(first, "ndim", 0) != 1 or len(first) == 0:
        raise ValueError("first must have the shape (atoms + 1,)")
    if getattr(r_ij, "ndim", 0) != 2:
        raise ValueError("r_ij must have the shape (edges, 3)")
    n_atoms, n_edges = len(first) - 1, len(r_ij)
    check_array("first", first, np.int64, (n_atoms + 1,))
    check_array("r_ij", r_ij, np.float64, (n_edges, 3))
    check_array("neighbor", neighbor, np.int64, (n_edges,))
    check_array("species", species, np.int64, (n_atoms,))
    if first[0] != 0 or first[-1] != n_edges or (np.diff(first) < 0).any():
        raise ValueError(f"first must rise from 0 to the number of edges, {n_edges}")
    if n_edges and not (neighbor.min() >= 0 and neighbor.max() < n_atoms):
        raise ValueError(f"neighbor must be within 0 and {n_atoms - 1}, the atoms")
    if n_atoms and not (species.min() >= 0 and species.max() < n_species):
        raise ValueError(f"species must be within 0 and {n_species - 1}")
    return Stars(n_atoms, *(array.ctypes.data for array in (first, r_ij, neighbor, species)))


def check_status(status: int) -> None:
    """ValueError or MemoryError for what loops over stars report."""
    if status == 2:
        raise ValueError("r_ij must be finite: some edge has a NaN or an infinity")
    if status == 3:
        raise ValueError("an atom has more than 60,000 neighbors")
    if status:
        raise MemoryError("no memory for the workspace of the compiled loops")
