"""SOAP's power spectrum as fused loops: features, dE/dr_ij of any model of them, and the Jacobian for fitting rows.

    c^s_nlm = Σ_{j∈s} G_ln(r_j) Y_lm(r̂_j)          G: a table of polynomials on pieces, zero from its last knot on
    p^st_nn'l = Σ_m c^s_nlm c^t_n'lm               for s <= t, n <= n' where s = t; what stands for two times √2

with Racah's harmonics; `alone` is what an atom adds itself to c_n00 of its own species.

A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013).
"""

import ctypes
import weakref
from dataclasses import dataclass

import numpy as np

from cambrian.native.library import available, check_array, library
from cambrian.native.stars import check_status, checked_stars

__all__ = ["SoapArrays", "SoapKernel", "available"]

MAX_DEGREE = 12
ORDERS = 10


@dataclass(frozen=True)
class SoapArrays:
    """Knots (segments + 1) Å, pieces of each segment, table (pieces, 10, degrees, n_max), and alone (n_max)."""

    knots: np.ndarray
    counts: np.ndarray
    table: np.ndarray
    alone: np.ndarray


class _Arrays(ctypes.Structure):
    """`cambrian_soap_arrays` of the C ABI."""

    _fields_ = [(name, ctypes.c_int64) for name in ("n_species", "n_max", "l_max", "n_segments")]
    _fields_ += [(name, ctypes.c_void_p) for name in ("knots", "counts", "table", "alone")]


class SoapKernel:
    """Arrays in, arrays out; atoms run in parallel over OpenMP's threads, with results that do not depend on them.

    Stars are `first` (atoms + 1), r_ij (edges, 3) Å by center, neighbors' numbers (edges,) and species (atoms,).
    """

    def __init__(self, *, n_species: int, arrays: SoapArrays):
        pieces, orders, degrees, n_max = arrays.table.shape
        if not 1 <= degrees <= MAX_DEGREE + 1 or n_species < 1 or n_max < 1 or orders != ORDERS:
            raise ValueError(f"degrees within 0 and {MAX_DEGREE}, one species, one radial function and {ORDERS} orders")
        n_segments = len(arrays.counts)
        check_array("knots", arrays.knots, np.float64, (n_segments + 1,))
        check_array("counts", arrays.counts, np.int64, (n_segments,))
        check_array("table", arrays.table, np.float64, (pieces, orders, degrees, n_max))
        check_array("alone", arrays.alone, np.float64, (n_max,))
        if arrays.counts.sum() != pieces or arrays.counts.min() < 1 or not (np.diff(arrays.knots) > 0).all():
            raise ValueError(f"knots must rise, and counts add up to the {pieces} pieces of the table")
        self.n_species = n_species
        self._library = library()
        pointers = (a.ctypes.data for a in (arrays.knots, arrays.counts, arrays.table, arrays.alone))
        given = _Arrays(n_species, n_max, degrees - 1, n_segments, *pointers)
        self.handle = self._library.cambrian_soap_new(ctypes.byref(given))
        if not self.handle:
            raise MemoryError("no memory for the plan of SOAP")
        weakref.finalize(self, self._library.cambrian_soap_free, self.handle)
        self.n_features: int = self._library.cambrian_soap_n_features(self.handle)

    def features(self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Power spectra p (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        features = np.empty((stars.n_atoms, self.n_features))
        check_status(self._library.cambrian_soap_features(self.handle, ctypes.byref(stars), features.ctypes.data))
        return features

    def energies_and_pull(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray, slope: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Σ_k slope_ik p_ik (atoms,), and dE/dr_ij (edges, 3) from slope = dE_i/dp_i (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        check_array("slope", slope, np.float64, (stars.n_atoms, self.n_features))
        energies, pull = np.empty(stars.n_atoms), np.empty_like(r_ij)
        check_status(
            self._library.cambrian_soap_energies_and_pull(
                self.handle, ctypes.byref(stars), slope.ctypes.data, energies.ctypes.data, pull.ctypes.data
            )
        )
        return energies, pull

    def jacobian(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Power spectra p (atoms, features) and dp_i/dr_ij (edges, 3, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        features = np.empty((stars.n_atoms, self.n_features))
        jacobian = np.empty((len(r_ij), 3, self.n_features))
        check_status(
            self._library.cambrian_soap_jacobian(
                self.handle, ctypes.byref(stars), features.ctypes.data, jacobian.ctypes.data
            )
        )
        return features, jacobian
