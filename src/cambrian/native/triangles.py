"""Sparse kernels of triangles as fused loops: energies and dE/dr_ij, points in the lanes of the processor.

E_i = Σ_{j<k} f(r_ij) f(r_ik) Σ_s w_s exp(-½ |q_jk - q_s|²)          q = (a + b, (a - b)², c) / θ
"""

import ctypes
import weakref
from dataclasses import dataclass, fields

import numpy as np

from cambrian.native.library import available, check_array, library
from cambrian.native.soap import ORDERS
from cambrian.native.stars import check_status, checked_stars

__all__ = ["TriangleArrays", "TriangleKernel", "available"]


@dataclass(frozen=True)
class TriangleArrays:
    """The envelope's table (math/piece_table.py); θ (3,); where the points of each kind begin (kinds + 1), q_s and w_s.

    Kinds as in native/triangles.h; `points` (points, 3) in units of θ, `weights` (points,) eV.
    """

    knots: np.ndarray
    counts: np.ndarray
    table: np.ndarray
    lengths: np.ndarray
    first: np.ndarray
    points: np.ndarray
    weights: np.ndarray


class _Arrays(ctypes.Structure):
    """`cambrian_triangle_arrays` of the C ABI."""

    _fields_ = [("n_species", ctypes.c_int64), ("n_segments", ctypes.c_int64)]
    _fields_ += [(f.name, ctypes.c_void_p) for f in fields(TriangleArrays)]


class TriangleKernel:
    """Arrays in, arrays out; results do not depend on the number of threads."""

    def __init__(self, n_species: int, arrays: TriangleArrays):
        n_points, n_segments = len(arrays.weights), len(arrays.counts)
        check_array("knots", arrays.knots, np.float64, (n_segments + 1,))
        check_array("counts", arrays.counts, np.int64, (n_segments,))
        check_array("table", arrays.table, np.float64, (int(arrays.counts.sum()), ORDERS))
        check_array("lengths", arrays.lengths, np.float64, (3,))
        check_array("first", arrays.first, np.int64, (n_species * (n_species * (n_species + 1) // 2) + 1,))
        check_array("points", arrays.points, np.float64, (n_points, 3))
        check_array("weights", arrays.weights, np.float64, (n_points,))
        if arrays.first[0] != 0 or arrays.first[-1] != n_points or (np.diff(arrays.first) < 0).any():
            raise ValueError(f"first must rise from 0 to the number of points, {n_points}")
        self.n_species = n_species
        self._library = library()
        shared = (
            arrays.knots,
            arrays.counts,
            arrays.table,
            arrays.lengths,
            arrays.first,
            arrays.points,
            arrays.weights,
        )
        given = _Arrays(n_species, n_segments, *(array.ctypes.data for array in shared))
        self._handle = self._library.cambrian_triangles_new(ctypes.byref(given))
        if not self._handle:
            raise MemoryError("no memory for the points of triangles")
        weakref.finalize(self, self._library.cambrian_triangles_free, self._handle)

    def energies_and_pull(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Energies (atoms,) eV and dE/dr_ij (edges, 3) eV/Å."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        energies, pull = np.empty(stars.n_atoms), np.empty_like(r_ij)
        check_status(
            self._library.cambrian_triangles_energies_and_pull(
                self._handle, ctypes.byref(stars), energies.ctypes.data, pull.ctypes.data
            )
        )
        return energies, pull
