"""SNAP's bispectrum with a density for each element as fused loops: see `native/bispectrum.py` for U and its settings.

    U^c = 1 in the channel c of the atom itself (or in all) + Σ_k over neighbors of channel c of w_k f(r_ik) u(a, b)
    B^{κλμ}_{j1 j2 j} = Re Σ U_j^μ* Z(U_{j1}^κ, U_{j2}^λ)

Features: for κ, for λ, for μ, the components in the order of `native/bispectrum.py`; raw, as there.
M. A. Cusentino, M. A. Wood, A. P. Thompson, J. Phys. Chem. A 124, 5456 (2020).
"""

import ctypes
import weakref
from typing import NamedTuple

import numpy as np

from cambrian.native.library import Channels, Edges, check_array, library
from cambrian.native.stars import check_status

MOST_CHANNELS, MAX_TWO_J = 16, 16


class ChannelEdges(NamedTuple):
    """Edges sorted by center: `first` (atoms + 1), where those of each atom begin; lengths in Å.

    `center` (atoms) and `neighbor` (edges) are the channels of an atom and of the atom at an edge's end.
    """

    first: np.ndarray
    r_ij: np.ndarray
    cutoff: np.ndarray
    weight: np.ndarray
    center: np.ndarray
    neighbor: np.ndarray


class ChemicalKernel:
    """Arrays in, arrays out. An edge at or beyond its cutoff gives nothing.

    Atoms run in parallel over OpenMP's threads; the results do not depend on their number.
    """

    def __init__(
        self, *, two_j_max: int, n_channels: int, rfac0: float = 0.99363, rmin0: float = 0.0, self_in_all: bool = False
    ):
        if not 0 <= two_j_max <= MAX_TWO_J:
            raise ValueError(f"two_j_max must be within 0 and {MAX_TWO_J}, not {two_j_max}")
        if not 1 <= n_channels <= MOST_CHANNELS:
            raise ValueError(f"n_channels must be within 1 and {MOST_CHANNELS}, not {n_channels}")
        if not (0 < rfac0 <= 1 and rmin0 >= 0 and np.isfinite(rmin0)):
            raise ValueError(f"rfac0 must be above 0 and at most 1, rmin0 0 Å or more, not {rfac0} and {rmin0}")
        self._settings = two_j_max, n_channels, rfac0, rmin0, self_in_all
        self.n_channels, self.rmin0 = n_channels, rmin0
        self._library = library()
        self._handle = self._library.cambrian_chemical_new(two_j_max, rfac0, rmin0, n_channels, int(self_in_all))
        if not self._handle:
            raise MemoryError("no memory for the coupling tables")
        weakref.finalize(self, self._library.cambrian_chemical_free, self._handle)
        self.n_features: int = self._library.cambrian_chemical_n_features(self._handle)

    def features(self, edges: ChannelEdges) -> np.ndarray:
        """B (atoms, features)."""
        features = np.empty((len(edges.first) - 1, self.n_features))
        stars = self._checked(edges)
        check_status(self._library.cambrian_chemical_features(self._handle, ctypes.byref(stars), features.ctypes.data))
        return features

    def energies_and_pull(
        self, edges: ChannelEdges, slopes: np.ndarray, row: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E_i = Σ_k slopes[row_i, k] B_ik (atoms,) and dE/dr_ij (edges, 3)."""
        stars, n_atoms = self._checked(edges), len(edges.first) - 1
        check_array("slopes", slopes, np.float64, (len(slopes), self.n_features))
        check_array("row", row, np.int64, (n_atoms,))
        if n_atoms and not (row.min() >= 0 and row.max() < len(slopes)):
            raise ValueError(f"row must be within 0 and {len(slopes) - 1}, the rows of slopes")
        energies, pull = np.empty(n_atoms), np.empty_like(edges.r_ij)
        pointers = [a.ctypes.data for a in (slopes, row, energies, pull)]
        check_status(self._library.cambrian_chemical_pull(self._handle, ctypes.byref(stars), *pointers))
        return energies, pull

    def jacobian(self, edges: ChannelEdges) -> tuple[np.ndarray, np.ndarray]:
        """B (atoms, features) and dB_i/dr_ij (edges, 3, features), for fitting rows."""
        stars = self._checked(edges)
        features = np.empty((len(edges.first) - 1, self.n_features))
        jacobian = np.empty((len(edges.r_ij), 3, self.n_features))
        pointers = features.ctypes.data, jacobian.ctypes.data
        check_status(self._library.cambrian_chemical_jacobian(self._handle, ctypes.byref(stars), *pointers))
        return features, jacobian

    def _checked(self, edges: ChannelEdges) -> Channels:
        n_atoms, n_edges = len(edges.first) - 1, len(edges.r_ij)
        check_array("first", edges.first, np.int64, (n_atoms + 1,))
        check_array("r_ij", edges.r_ij, np.float64, (n_edges, 3))
        check_array("cutoff", edges.cutoff, np.float64, (n_edges,))
        check_array("weight", edges.weight, np.float64, (n_edges,))
        check_array("center", edges.center, np.int64, (n_atoms,))
        check_array("neighbor", edges.neighbor, np.int64, (n_edges,))
        if n_atoms < 0 or edges.first[0] != 0 or edges.first[-1] != n_edges or (np.diff(edges.first) < 0).any():
            raise ValueError(f"first must rise from 0 to the number of edges, {n_edges}")
        for name in ("center", "neighbor"):
            channel = getattr(edges, name)
            if len(channel) and not (channel.min() >= 0 and channel.max() < self.n_channels):
                raise ValueError(f"the channels of {name} must be within 0 and {self.n_channels - 1}")
        if n_edges and not edges.cutoff.min() >= 2 * self.rmin0:
            raise ValueError(f"every cutoff must be at least twice rmin0, {2 * self.rmin0} Å")
        plain = Edges(n_atoms, *(a.ctypes.data for a in edges[:4]))
        return Channels(plain, edges.center.ctypes.data, edges.neighbor.ctypes.data)

    def __reduce__(self):
        return _rebuild, self._settings


def _rebuild(two_j_max: int, n_channels: int, rfac0: float, rmin0: float, self_in_all: bool) -> ChemicalKernel:
    return ChemicalKernel(two_j_max=two_j_max, n_channels=n_channels, rfac0=rfac0, rmin0=rmin0, self_in_all=self_in_all)
