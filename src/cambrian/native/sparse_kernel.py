"""Sparse kernels on SOAP's power spectrum in one sweep: energies and dE/dr_ij, with nothing computed twice or stored.

    E_i = Σ_s c_s (p_i · x_s / |p_i|)^ζ          x_s: unit vectors, the sparse points of the element of atom i

A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013).
"""

import ctypes
import weakref
from dataclasses import dataclass

import numpy as np

from cambrian.native.library import check_array, library
from cambrian.native.soap import SoapKernel
from cambrian.native.stars import check_status, checked_stars


@dataclass(frozen=True)
class PowerSums:
    """ζ; where the points of each species begin (species + 1); unit vectors x (points, features); c (points)."""

    exponent: float
    first: np.ndarray
    points: np.ndarray
    coefficients: np.ndarray


class SparseSums:
    """The sweep of a SOAP kernel and its sparse points; results do not depend on the number of threads."""

    def __init__(self, soap: SoapKernel, sums: PowerSums):
        n_points = len(sums.coefficients)
        check_array("first", sums.first, np.int64, (soap.n_species + 1,))
        check_array("points", sums.points, np.float64, (n_points, soap.n_features))
        check_array("coefficients", sums.coefficients, np.float64, (n_points,))
        if sums.first[0] != 0 or sums.first[-1] != n_points or (np.diff(sums.first) < 0).any():
            raise ValueError(f"first must rise from 0 to the number of points, {n_points}")
        if not sums.exponent >= 1:
            raise ValueError(f"the exponent must be 1 or more, not {sums.exponent}")
        self.soap = soap  # the plan in C reads that of the descriptor
        self._library = library()
        pointers = (a.ctypes.data for a in (sums.first, sums.points, sums.coefficients))
        self._handle = self._library.cambrian_sparse_new(soap.handle, sums.exponent, *pointers)
        if not self._handle:
            raise MemoryError("no memory for sparse points")
        weakref.finalize(self, self._library.cambrian_sparse_free, self._handle)

    def __call__(
        self,
        first: np.ndarray,
        r_ij: np.ndarray,
        neighbor: np.ndarray,
        species: np.ndarray,
        *,
        with_features: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Energies (atoms,), dE/dr_ij (edges, 3) and, where asked for, features (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.soap.n_species)
        energies, pull = np.empty(stars.n_atoms), np.empty_like(r_ij)
        features = np.empty((stars.n_atoms, self.soap.n_features)) if with_features else None
        where = None if features is None else features.ctypes.data
        check_status(
            self._library.cambrian_sparse_energies_and_pull(
                self._handle, ctypes.byref(stars), energies.ctypes.data, pull.ctypes.data, where
            )
        )
        return energies, pull, features
