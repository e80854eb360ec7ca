"""SNAP's SO(4) bispectrum as fused loops: features, forces of a linear model, forces of any model, and fitting rows.

    θ = rfac0 π (r - rmin0) / (R_ik - rmin0)            a = cos θ - i sin θ z/r,   b = sin θ (y - i x)/r
    U_j = 1 + Σ_k w_k f(r_ik) u_j(a, b)                 f = ½ [cos(π (r - rmin0) / (R_ik - rmin0)) + 1], 1 below rmin0
    B_{j1 j2 j} = Re Σ U_j* Z_{j1 j2}^j                 Z = C C U_{j1} U_{j2}

with j doubled. Features come in the order: for j1, for j2 <= j1, for j = j1-j2 ... min(two_j_max, j1+j2) step 2, where
j >= j1. B is raw: nothing is subtracted (an atom without neighbors has B = j + 1) and nothing divided.

A. P. Thompson, L. P. Swiler, C. R. Trott, S. M. Foiles, G. J. Tucker, J. Comput. Phys. 285, 316 (2015).
"""

import ctypes
import weakref

import numpy as np

from cambrian.native.library import Edges, available, check_array, library

__all__ = ["BispectrumKernel", "available"]

MAX_TWO_J = 16


class BispectrumKernel:
    """Arrays in, arrays out: lengths in Å, edges sorted by center, `first` (atoms + 1) where those of each atom begin.

    An edge at or beyond its cutoff gives nothing. Atoms run in parallel over OpenMP's threads; the results do not
    depend on their number. One kernel may be used by several Python threads.
    """

    def __init__(self, *, two_j_max: int, rfac0: float = 0.99363, rmin0: float = 0.0):
        if not 0 <= two_j_max <= MAX_TWO_J:
            raise ValueError(f"two_j_max must be within 0 and {MAX_TWO_J}, not {two_j_max}")
        if not 0 < rfac0 <= 1:
            raise ValueError(f"rfac0 must be above 0 and at most 1, not {rfac0}")
        if not (rmin0 >= 0 and np.isfinite(rmin0)):
            raise ValueError(f"rmin0 must be 0 Å or more, not {rmin0}")
        self.two_j_max, self.rfac0, self.rmin0 = two_j_max, rfac0, rmin0
        self._library = library()
        self._handle = self._library.cambrian_bispectrum_new(two_j_max, rfac0, rmin0)
        if not self._handle:
            raise MemoryError("no memory for the coupling tables")
        weakref.finalize(self, self._library.cambrian_bispectrum_free, self._handle)
        self.n_features: int = self._library.cambrian_bispectrum_n_features(self._handle)
        self._folded: _Folded | None = None

    def features(self, first: np.ndarray, r_ij: np.ndarray, cutoff: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """B (atoms, features)."""
        edges = self._edges(first, r_ij, cutoff, weight)
        features = np.empty((edges.n_atoms, self.n_features))
        _check(self._library.cambrian_bispectrum_features(self._handle, edges, features.ctypes.data))
        return features

    def pull(
        self, first: np.ndarray, r_ij: np.ndarray, cutoff: np.ndarray, weight: np.ndarray, slope: np.ndarray
    ) -> np.ndarray:
        """dE/dr_ij (edges, 3) of any model of B, from slope = dE_i/dB_i (atoms, features)."""
        edges = self._edges(first, r_ij, cutoff, weight)
        check_array("slope", slope, np.float64, (edges.n_atoms, self.n_features))
        pull = np.empty_like(r_ij)
        _check(self._library.cambrian_bispectrum_pull(self._handle, edges, slope.ctypes.data, pull.ctypes.data))
        return pull

    def energies_and_pull(
        self,
        first: np.ndarray,
        r_ij: np.ndarray,
        cutoff: np.ndarray,
        weight: np.ndarray,
        coefficients: np.ndarray,
        species: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """E_i = Σ_k coefficients[species_i, k] B_ik (atoms,) and dE/dr_ij (edges, 3): the fastest path, for dynamics.

        Coefficients are folded into the coupling tables when they change, so pass the same ones from step to step.
        """
        edges = self._edges(first, r_ij, cutoff, weight)
        if getattr(coefficients, "ndim", 0) != 2:
            raise ValueError("coefficients must have the shape (species, features)")
        check_array("coefficients", coefficients, np.float64, (len(coefficients), self.n_features))
        check_array("species", species, np.int64, (edges.n_atoms,))
        if len(species) and not (species.min() >= 0 and species.max() < len(coefficients)):
            raise ValueError(f"species must be within 0 and {len(coefficients) - 1}, the rows of coefficients")
        folded = self._fold(coefficients)
        energies, pull = np.empty(edges.n_atoms), np.empty_like(r_ij)
        _check(
            self._library.cambrian_bispectrum_energies_and_pull(
                self._handle, folded.handle, edges, species.ctypes.data, energies.ctypes.data, pull.ctypes.data
            )
        )
        return energies, pull

    def jacobian(
        self, first: np.ndarray, r_ij: np.ndarray, cutoff: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """B (atoms, features) and dB_i/dr_ij (edges, 3, features), for fitting rows."""
        edges = self._edges(first, r_ij, cutoff, weight)
        features = np.empty((edges.n_atoms, self.n_features))
        jacobian = np.empty((len(r_ij), 3, self.n_features))
        _check(
            self._library.cambrian_bispectrum_jacobian(self._handle, edges, features.ctypes.data, jacobian.ctypes.data)
        )
        return features, jacobian

    def rows(
        self,
        first: np.ndarray,
        r_ij: np.ndarray,
        cutoff: np.ndarray,
        weight: np.ndarray,
        neighbor: np.ndarray,
        block: np.ndarray,
        n_blocks: int,
        structure: np.ndarray,
        n_structures: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """B (atoms, features), and what fitting rows are made of, by the block of the center (its element).

        forces (atoms, 3, blocks, features) = Σ dB/dr_ij over an atom's edges, less that over edges to it; strain
        (structures, 6, blocks, features) = Σ r_ij,a dB/dr_ij,b, symmetric in the whole, for xx, yy, zz, yz, xz, xy. On
        several threads they depend on the number of threads by rounding.
        """
        edges = self._edges(first, r_ij, cutoff, weight)
        indices = (
            ("neighbor", neighbor, edges.n_atoms),
            ("block", block, n_blocks),
            ("structure", structure, n_structures),
        )
        for name, index, end in indices:
            check_array(name, index, np.int64, (len(r_ij) if name == "neighbor" else edges.n_atoms,))
            if len(index) and not (index.min() >= 0 and index.max() < end):
                raise ValueError(f"{name} must be within 0 and {end - 1}")
        padded = (self.n_features + 7) // 8 * 8
        features = np.empty((edges.n_atoms, self.n_features))
        forces = np.empty((edges.n_atoms, 3, n_blocks, padded))
        strain = np.empty((n_structures, 6, n_blocks, padded))
        ins = neighbor.ctypes.data, block.ctypes.data, n_blocks, structure.ctypes.data, n_structures
        outs = features.ctypes.data, forces.ctypes.data, strain.ctypes.data
        _check(self._library.cambrian_bispectrum_rows(self._handle, edges, *ins, *outs))
        return features, forces[..., : self.n_features], strain[..., : self.n_features]

    def _edges(self, first: np.ndarray, r_ij: np.ndarray, cutoff: np.ndarray, weight: np.ndarray) -> Edges:
        if getattr(first, "ndim", 0) != 1 or len(first) == 0:
            raise ValueError("first must have the shape (atoms + 1,)")
        if getattr(r_ij, "ndim", 0) != 2:
            raise ValueError("r_ij must have the shape (edges, 3)")
        n_edges = len(r_ij)
        check_array("first", first, np.int64, (len(first),))
        check_array("r_ij", r_ij, np.float64, (n_edges, 3))
        check_array("cutoff", cutoff, np.float64, (n_edges,))
        check_array("weight", weight, np.float64, (n_edges,))
        if first[0] != 0 or first[-1] != n_edges or (np.diff(first) < 0).any():
            raise ValueError(f"first must rise from 0 to the number of edges, {n_edges}")
        if n_edges and not cutoff.min() >= 2 * self.rmin0:
            raise ValueError(f"every cutoff must be at least twice rmin0, {2 * self.rmin0} Å, not {cutoff.min()}")
        return Edges(len(first) - 1, *(array.ctypes.data for array in (first, r_ij, cutoff, weight)))

    def _fold(self, coefficients: np.ndarray) -> "_Folded":
        folded = self._folded  # a local name keeps it alive while another thread puts its own in the place
        if folded is None or not np.array_equal(folded.coefficients, coefficients):
            folded = self._folded = _Folded(self._library, self._handle, coefficients)
        return folded

    def __reduce__(self):
        return _rebuild, (self.two_j_max, self.rfac0, self.rmin0)


class _Folded:
    """Coefficients inside the couplings, freed with their last user."""

    def __init__(self, library: ctypes.CDLL, kernel: int, coefficients: np.ndarray):
        self.coefficients = coefficients.copy()
        self.handle = library.cambrian_bispectrum_linear_new(kernel, len(coefficients), coefficients.ctypes.data)
        if not self.handle:
            raise MemoryError("no memory for the folded couplings")
        weakref.finalize(self, library.cambrian_bispectrum_linear_free, self.handle)


def _rebuild(two_j_max: int, rfac0: float, rmin0: float) -> BispectrumKernel:
    return BispectrumKernel(two_j_max=two_j_max, rfac0=rfac0, rmin0=rmin0)


def _check(status: int) -> None:
    if status == 2:
        raise ValueError("r_ij, cutoff and weight must be finite: some edge has a NaN or an infinity")
    if status:
        raise MemoryError("no memory for the bispectrum's workspace")
