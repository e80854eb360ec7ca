"""Polynomials of neighbor moments as fused loops: features, linear energies with their forces, forces, fitting rows.

    A_v(i) = Σ_{j of species t_v} R_{q_v}(r_ij) Y_{k_v}(r_ij / r_ij)
    N_n = Σ_{terms of n} c N_left N_right               B_f = Σ_n w_fn N_n

The arrays are those of contracts/moment_polynomial.py and math/radial_table.py.
"""

import ctypes
import weakref
from dataclasses import dataclass, fields

import numpy as np

from cambrian.native.library import check_array, library
from cambrian.native.stars import check_status, checked_stars

FAMILIES = ("spherical harmonics", "monomials")
HIGHEST_DEGREE = 32


@dataclass(frozen=True)
class MomentArrays:
    """C-contiguous float64 and int64 arrays of a polynomial, copied by the kernel.

    cutoffs (species, species); nodes (species, species, pieces, 3, radial); moments (moments, 3); terms (terms, 3);
    coefficients (terms,); feature_first (features + 1,); feature_node, feature_weight (entries,).
    """

    angular: str
    degree: int
    cutoffs: np.ndarray
    nodes: np.ndarray
    moments: np.ndarray
    terms: np.ndarray
    coefficients: np.ndarray
    feature_first: np.ndarray
    feature_node: np.ndarray
    feature_weight: np.ndarray


class _Polynomial(ctypes.Structure):
    _fields_ = [
        *[(name, ctypes.c_int64) for name in ("n_species", "n_radial", "pieces", "family", "degree")],
        *[(name, ctypes.c_int64) for name in ("n_moments", "n_terms", "n_features")],
        *[(f.name, ctypes.c_void_p) for f in fields(MomentArrays) if f.name not in ("angular", "degree")],
    ]


class MomentKernel:
    """Arrays in, arrays out: lengths in Å, edges sorted by center, `first` (atoms + 1) where those of each atom begin.

    `neighbor` (edges,) is the atom at the other end of each. Atoms run in parallel over OpenMP's threads; results do
    not depend on their number. One kernel may be used by several Python threads.
    """

    def __init__(self, arrays: MomentArrays):
        _refuse(arrays)
        self._arrays, self._library = arrays, library()
        self.n_species, self.n_features = len(arrays.cutoffs), len(arrays.feature_first) - 1
        sizes = self.n_species, arrays.nodes.shape[-1], arrays.nodes.shape[2], FAMILIES.index(arrays.angular)
        counts = arrays.degree, len(arrays.moments), len(arrays.terms), self.n_features
        kept = [getattr(arrays, f.name) for f in fields(arrays) if f.name not in ("angular", "degree")]
        pointers = [values.ctypes.data for values in kept]
        self._handle = self._library.cambrian_moments_new(ctypes.byref(_Polynomial(*sizes, *counts, *pointers)))
        if not self._handle:
            raise MemoryError("no memory for the plan of the polynomial")
        weakref.finalize(self, self._library.cambrian_moments_free, self._handle)
        self._folded: _Folded | None = None

    def features(self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray) -> np.ndarray:
        """B (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        features = np.empty((stars.n_atoms, self.n_features))
        check_status(self._library.cambrian_moments_features(self._handle, ctypes.byref(stars), features.ctypes.data))
        return features

    def pull(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray, slope: np.ndarray
    ) -> np.ndarray:
        """dE/dr_ij (edges, 3) of any model of B, from slope = dE_i/dB_i (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        check_array("slope", slope, np.float64, (stars.n_atoms, self.n_features))
        pull = np.empty_like(r_ij)
        check_status(
            self._library.cambrian_moments_pull(self._handle, ctypes.byref(stars), slope.ctypes.data, pull.ctypes.data)
        )
        return pull

    def energies_and_pull(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray, coefficients: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E_i = Σ_f coefficients[species_i, f] B_if (atoms,) and dE/dr_ij (edges, 3): the fastest path, for dynamics.

        Coefficients are folded into the products when they change, so pass the same ones from step to step.
        """
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        check_array("coefficients", coefficients, np.float64, (self.n_species, self.n_features))
        folded = self._fold(coefficients)
        energies, pull = np.empty(stars.n_atoms), np.empty_like(r_ij)
        check_status(
            self._library.cambrian_moments_energies_and_pull(
                self._handle, folded.handle, ctypes.byref(stars), energies.ctypes.data, pull.ctypes.data
            )
        )
        return energies, pull

    def jacobian(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """B (atoms, features) and dB_i/dr_ij (edges, 3, features), for fitting rows."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        features = np.empty((stars.n_atoms, self.n_features))
        jacobian = np.empty((len(r_ij), 3, self.n_features))
        check_status(
            self._library.cambrian_moments_jacobian(
                self._handle, ctypes.byref(stars), features.ctypes.data, jacobian.ctypes.data
            )
        )
        return features, jacobian

    def _fold(self, coefficients: np.ndarray) -> "_Folded":
        folded = self._folded  # a local name keeps it alive while another thread puts its own in the place
        if folded is None or not np.array_equal(folded.coefficients, coefficients):
            folded = self._folded = _Folded(self._library, self._handle, coefficients)
        return folded

    def __reduce__(self):
        return MomentKernel, (self._arrays,)


class _Folded:
    """Coefficients inside the products, freed with their last user."""

    def __init__(self, library: ctypes.CDLL, kernel: int, coefficients: np.ndarray):
        self.coefficients = coefficients.copy()
        self.handle = library.cambrian_moments_linear_new(kernel, self.coefficients.ctypes.data)
        if not self.handle:
            raise MemoryError("no memory for the coefficients")
        weakref.finalize(self, library.cambrian_moments_linear_free, self.handle)


def _refuse(a: MomentArrays) -> None:
    """Raise ValueError for what the loops would read beyond; whether it makes sense, the contract has asked."""
    if a.angular not in FAMILIES or not 0 <= a.degree <= HIGHEST_DEGREE:
        raise ValueError(
            f"angular must be of {FAMILIES} with a degree of 0 to {HIGHEST_DEGREE}, not {a.angular} {a.degree}"
        )
    n_species, n_radial = len(a.cutoffs), a.nodes.shape[-1]
    check_array("cutoffs", a.cutoffs, np.float64, (n_species, n_species))
    check_array("nodes", a.nodes, np.float64, (n_species, n_species, *a.nodes.shape[2:3], 3, n_radial))
    check_array("moments", a.moments, np.int64, (len(a.moments), 3))
    check_array("terms", a.terms, np.int64, (len(a.terms), 3))
    check_array("coefficients", a.coefficients, np.float64, (len(a.terms),))
    check_array("feature_first", a.feature_first, np.int64, (len(a.feature_first),))
    check_array("feature_node", a.feature_node, np.int64, (int(a.feature_first[-1]),))
    check_array("feature_weight", a.feature_weight, np.float64, (int(a.feature_first[-1]),))
    columns = (a.degree + 1) ** 2 if a.angular == FAMILIES[0] else (a.degree + 1) * (a.degree + 2) * (a.degree + 3) // 6
    if (a.moments < [-1, 0, 0]).any() or (a.moments >= [n_species, n_radial, columns]).any():
        raise ValueError("a moment has a species, radial index or angular column that does not exist")
    n_nodes = int(a.terms[-1, 0]) + 1 if len(a.terms) else len(a.moments)
    ordered = (np.diff(a.terms[:, 0]) >= 0).all() and (a.terms[:, :1] > a.terms[:, 1:]).all() and (a.terms >= 0).all()
    if not ordered or (a.terms[:, 0] < len(a.moments)).any() or a.nodes.shape[2] < 2:
        raise ValueError("terms must be sorted by target, targets above their parts and the moments")
    if (a.feature_node < 0).any() or (a.feature_node >= n_nodes).any() or (np.diff(a.feature_first) < 0).any():
        raise ValueError("a feature names a node that is not there")
