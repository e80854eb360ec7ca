"""SOAP's power spectrum as fused loops: features, dE/dr_ij of any model of them, and the Jacobian for fitting rows.

    c^s_nlm = Σ_{j∈s} f_j I_nl(r_j) Y_lm(r̂_j)          I_nl = r^l Σ_k exp(-exponents_lk r²) mixing_lkn
    p^st_nn'l = Σ_m c^s_nlm c^t_n'lm                   for s <= t, n <= n' where s = t; what stands for two times √2

with Racah's harmonics; the atom itself counts among the neighbors of its species, at distance zero with f = 1. What
brings neighbors to zero at the cutoff is the caller's: f and df/dr come with each edge.

A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013).
"""

import ctypes
import weakref
from dataclasses import dataclass

import numpy as np

from cambrian.native.library import available, check_array, library

__all__ = ["SoapKernel", "SoapStars", "available"]

MAX_DEGREE = 12


class _Stars(ctypes.Structure):
    """`cambrian_soap_stars` of the C ABI."""

    _fields_ = [("n_atoms", ctypes.c_int64)] + [
        (name, ctypes.c_void_p) for name in ("first", "r_ij", "fade", "fade_slope", "neighbor_species", "species")
    ]


@dataclass(frozen=True)
class SoapStars:
    """Edges sorted by center: `first` (atoms + 1), r_ij (edges, 3) Å, f and df/dr, species of neighbors and atoms."""

    first: np.ndarray
    r_ij: np.ndarray
    fade: np.ndarray
    fade_slope: np.ndarray
    neighbor_species: np.ndarray
    species: np.ndarray


class SoapKernel:
    """Arrays in, arrays out; atoms run in parallel over OpenMP's threads, with results that do not depend on them."""

    def __init__(self, *, n_species: int, exponents: np.ndarray, mixing: np.ndarray):
        degrees, n_max = exponents.shape
        if not 1 <= degrees <= MAX_DEGREE + 1 or n_species < 1 or n_max < 1:
            raise ValueError(f"degrees within 0 and {MAX_DEGREE}, one species and one radial function at least")
        check_array("exponents", exponents, np.float64, (degrees, n_max))
        check_array("mixing", mixing, np.float64, (degrees, n_max, n_max))
        self.n_species = n_species
        self._library = library()
        self._handle = self._library.cambrian_soap_new(
            n_species, n_max, degrees - 1, exponents.ctypes.data, mixing.ctypes.data
        )
        if not self._handle:
            raise MemoryError("no memory for the plan of SOAP")
        weakref.finalize(self, self._library.cambrian_soap_free, self._handle)
        self.n_features: int = self._library.cambrian_soap_n_features(self._handle)

    def features(self, stars: SoapStars) -> np.ndarray:
        """Power spectra p (atoms, features)."""
        given = self._checked(stars)
        features = np.empty((given.n_atoms, self.n_features))
        _check(self._library.cambrian_soap_features(self._handle, ctypes.byref(given), features.ctypes.data))
        return features

    def energies_and_pull(self, stars: SoapStars, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ_k slope_ik p_ik (atoms,), and dE/dr_ij (edges, 3) from slope = dE_i/dp_i (atoms, features)."""
        given = self._checked(stars)
        check_array("slope", slope, np.float64, (given.n_atoms, self.n_features))
        energies, pull = np.empty(given.n_atoms), np.empty_like(stars.r_ij)
        _check(
            self._library.cambrian_soap_energies_and_pull(
                self._handle, ctypes.byref(given), slope.ctypes.data, energies.ctypes.data, pull.ctypes.data
            )
        )
        return energies, pull

    def jacobian(self, stars: SoapStars) -> tuple[np.ndarray, np.ndarray]:
        """Power spectra p (atoms, features) and dp_i/dr_ij (edges, 3, features)."""
        given = self._checked(stars)
        features = np.empty((given.n_atoms, self.n_features))
        jacobian = np.empty((len(stars.r_ij), 3, self.n_features))
        _check(
            self._library.cambrian_soap_jacobian(
                self._handle, ctypes.byref(given), features.ctypes.data, jacobian.ctypes.data
            )
        )
        return features, jacobian

    def _checked(self, stars: SoapStars) -> _Stars:
        n_atoms, n_edges = len(stars.species), len(stars.r_ij)
        check_array("first", stars.first, np.int64, (n_atoms + 1,))
        check_array("r_ij", stars.r_ij, np.float64, (n_edges, 3))
        check_array("fade", stars.fade, np.float64, (n_edges,))
        check_array("fade_slope", stars.fade_slope, np.float64, (n_edges,))
        check_array("neighbor_species", stars.neighbor_species, np.int64, (n_edges,))
        check_array("species", stars.species, np.int64, (n_atoms,))
        if stars.first[0] != 0 or stars.first[-1] != n_edges or (np.diff(stars.first) < 0).any():
            raise ValueError(f"first must rise from 0 to the number of edges, {n_edges}")
        for name, kinds in (("species", stars.species), ("neighbor_species", stars.neighbor_species)):
            if len(kinds) and not (kinds.min() >= 0 and kinds.max() < self.n_species):
                raise ValueError(f"{name} must be within 0 and {self.n_species - 1}")
        arrays = (stars.first, stars.r_ij, stars.fade, stars.fade_slope, stars.neighbor_species, stars.species)
        return _Stars(n_atoms, *(array.ctypes.data for array in arrays))


def _check(status: int) -> None:
    if status == 2:
        raise ValueError("r_ij and fade must be finite: some edge has a NaN or an infinity")
    if status:
        raise MemoryError("no memory for the workspace of SOAP")
