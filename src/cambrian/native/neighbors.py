"""Neighbor lists of many small structures in one call: all pairs, image by image."""

import ctypes

import numpy as np
from numpy.typing import NDArray

from cambrian.native.library import check_array, library


class _Structures(ctypes.Structure):
    """`cambrian_structures` of the C ABI."""

    _fields_ = [("n_structures", ctypes.c_int64)]
    _fields_ += [(name, ctypes.c_void_p) for name in ("first_atom", "positions", "cells", "inverses", "pbc")]


class Coincident(Exception):
    """Two atoms are at one place: `center` and `neighbor`, counted through all structures."""

    def __init__(self, center: int, neighbor: int):
        super().__init__(f"atoms {center} and {neighbor} are at one place")
        self.center, self.neighbor = center, neighbor


def neighbors(
    first_atom: NDArray,
    positions: NDArray,
    cells: NDArray,
    pbc: NDArray,
    *,
    cutoff: float,
    closest: float,
    expected: int,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Center, neighbor (edges,), shift and r_ij (edges, 3) of all edges shorter than `cutoff` (Å), in this order.

    first_atom (structures + 1,), positions (atoms, 3), cells (structures, 3, 3) invertible, pbc (structures, 3);
    `expected`: for how many edges room is made at first. Raises Coincident for atoms nearer than `closest` (Å).
    """
    n_structures, n_atoms = len(first_atom) - 1, len(positions)
    check_array("first_atom", first_atom, np.int64, (n_structures + 1,))
    check_array("positions", positions, np.float64, (n_atoms, 3))
    check_array("cells", cells, np.float64, (n_structures, 3, 3))
    check_array("pbc", pbc, np.bool_, (n_structures, 3))
    if first_atom[0] != 0 or first_atom[-1] != n_atoms or (np.diff(first_atom) < 0).any():
        raise ValueError(f"first_atom must rise from 0 to the number of atoms, {n_atoms}")
    ins = first_atom, positions, cells, np.ascontiguousarray(np.linalg.inv(cells)), pbc
    structures = _Structures(n_structures, *(array.ctypes.data for array in ins))
    capacity = max(expected, 1)
    while True:
        outs = np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty((capacity, 3), np.int64)
        outs = *outs, np.empty((capacity, 3))
        n_edges = library().cambrian_neighbors(
            ctypes.byref(structures), cutoff, closest, capacity, *(array.ctypes.data for array in outs)
        )
        if n_edges == -1:
            raise MemoryError("no memory for the neighbor search")
        if n_edges == -2:
            raise Coincident(int(outs[0][0]), int(outs[1][0]))
        if n_edges <= capacity:
            center, neighbor, shift, r_ij = outs
            return center[:n_edges], neighbor[:n_edges], shift[:n_edges], r_ij[:n_edges]
        capacity = n_edges
