"""Symmetry functions as fused loops: features, forces of any model of them, and their derivatives for training.

    radial    G = Σ_j w(r_j)                                                    w(r) = e^(-η (r - r_s)²) f(r)
    wide      G = 2^(1-ζ) Σ_{j<k} (1 + λ cos θ_jk)^ζ w(r_j) w(r_k)
    narrow    the same with a third factor w(r_jk)

and functions of compact support, with the factors of math/symmetry_functions.py in place of these. The forces take one
reverse sweep over what the forward sweep leaves (see symmetry_triplets.hpp, symmetry_wide.hpp, symmetry_compact.hpp),
not one derivative per function. J. Behler, J. Chem. Phys. 134, 074106 (2011).
"""

import ctypes
import weakref
from typing import NamedTuple

import numpy as np

from cambrian.native.library import check_array, library
from cambrian.native.stars import check_status, checked_stars

KINDS = {"radial": 0, "narrow": 1, "wide": 2}
ENVELOPES = {"hard": 0, "cosine": 1, "tanh_cube": 2, "unit_tanh_cube": 3, "exponential": 4, "polynomial": 5}
ACTIVATIONS = {
    "identity": 0,
    "tanh": 1,
    "sigmoid": 2,
    "one_minus_sigmoid": 3,
    "softplus": 4,
    "silu": 5,
    "gelu": 6,
    "gaussian": 7,
    "cosine": 8,
    "exponential": 9,
    "square": 10,
    "celu": 11,
}
CORES = {"e": 0, "p1": 1, "p2": 2, "p3": 3, "p4": 4}
MOST_SPECIES, HIGHEST_ZETA = 128, 64


class Gaussian(NamedTuple):
    """One function: species indices of its center and its neighbors (-1 and -1: all, weighted), 1/Å² and Å."""

    center: int
    kind: str
    first: int
    second: int
    feature: int
    eta: float
    shift: float
    cutoff: float
    zeta: float = 0.0
    lam: float = 0.0


class Compact(NamedTuple):
    """One function of compact support: species indices as in `Gaussian`, a name of `CORES`, ends in Å and degrees."""

    center: int
    kind: str
    first: int
    second: int
    feature: int
    core: str
    asymmetric: bool
    lower: float
    upper: float
    angle_low: float = 0.0
    angle_high: float = 180.0


class Fading(NamedTuple):
    """An envelope: a name of `ENVELOPES`, the plateau's share of the cutoff, and the polynomial's order."""

    name: str
    inner_fraction: float = 0.0
    order: int = 0


class PlainNetwork(NamedTuple):
    """A perceptron: z_1 = (G - center) W_1 + b_1, x_1 = a_1(z_1), ...; weights (inputs, outputs), the last one output.

    activations: names of `ACTIVATIONS`, one a layer.
    """

    center: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    activations: list[str]


class _Function(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("center", "kind", "first", "second", "feature")]
    _fields_ += [(name, ctypes.c_double) for name in ("eta", "shift", "cutoff", "zeta", "lam")]


class _Compact(ctypes.Structure):
    _fields_ = [*_Function._fields_[:5], ("core", ctypes.c_int32), ("asymmetric", ctypes.c_int32)]
    _fields_ += [(name, ctypes.c_double) for name in ("lower", "upper", "angle_low", "angle_high")]


class _Envelope(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("order", ctypes.c_int32), ("inner_fraction", ctypes.c_double)]


class SymmetryKernel:
    """Arrays in, arrays out: lengths in Å, edges sorted by center, `first` (atoms + 1) where those of each atom begin.

    `neighbor` (edges) are atoms, `species` (atoms) their indices; `weights` (species) count in weighted functions.
    Edges beyond a function's cutoff give nothing. Atoms run in parallel over OpenMP's threads; the results do not
    depend on their number. One kernel may be used by several Python threads.
    """

    def __init__(
        self, functions: list[Gaussian], weights: list[float], fading: Fading, compact: tuple[Compact, ...] = ()
    ):
        for f in functions:
            _refuse_bad_function(f, len(weights))
        for f in compact:
            _refuse_bad_compact(f, len(weights))
        if not 0 <= fading.inner_fraction < 1 or (fading.name == "polynomial" and not 1 <= fading.order <= 4):
            raise ValueError(f"an envelope has 0 <= inner_fraction < 1, and a polynomial an order of 1 to 4: {fading}")
        if len(weights) > MOST_SPECIES:
            raise ValueError(f"at most {MOST_SPECIES} species, not {len(weights)}")
        self._settings = functions, weights, fading, compact
        self.n_species = len(weights)
        self._library = library()
        rows = [
            _Function(f.center, KINDS[f.kind], f.first, f.second, f.feature, f.eta, f.shift, f.cutoff, f.zeta, f.lam)
            for f in functions
        ]
        envelope = _Envelope(ENVELOPES[fading.name], fading.order, fading.inner_fraction)
        charges = np.array(weights, np.float64)  # a name keeps it alive through the call
        self.handle = self._library.cambrian_symmetry_new(
            len(weights),
            charges.ctypes.data,
            len(rows),
            (_Function * len(rows))(*rows),
            len(compact),
            (_Compact * len(compact))(*(_Compact(*compact_numbers(f), *f[7:]) for f in compact)),
            ctypes.byref(envelope),
        )
        if not self.handle:
            raise MemoryError("no memory for the plan of the symmetry functions")
        weakref.finalize(self, self._library.cambrian_symmetry_free, self.handle)
        self.n_features: int = self._library.cambrian_symmetry_n_features(self.handle)

    def features(self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray) -> np.ndarray:
        """G (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        features = np.empty((stars.n_atoms, self.n_features))
        check_status(self._library.cambrian_symmetry_features(self.handle, ctypes.byref(stars), features.ctypes.data))
        return features

    def pull(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray, slope: np.ndarray
    ) -> np.ndarray:
        """dE/dr_ij (edges, 3) of any model of G, from slope = dE_i/dG_i (atoms, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        check_array("slope", slope, np.float64, (stars.n_atoms, self.n_features))
        pull = np.empty_like(r_ij)
        check_status(
            self._library.cambrian_symmetry_pull(self.handle, ctypes.byref(stars), slope.ctypes.data, pull.ctypes.data)
        )
        return pull

    def energies_and_pull(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray, slope: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E_i = Σ_k slope_ik G_ik (atoms,) and dE/dr_ij (edges, 3) in one sweep."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        check_array("slope", slope, np.float64, (stars.n_atoms, self.n_features))
        energies, pull = np.empty(stars.n_atoms), np.empty_like(r_ij)
        check_status(
            self._library.cambrian_symmetry_energies_and_pull(
                self.handle, ctypes.byref(stars), slope.ctypes.data, energies.ctypes.data, pull.ctypes.data
            )
        )
        return energies, pull

    def energies_of(
        self,
        networks: "SymmetryNetworks",
        first: np.ndarray,
        r_ij: np.ndarray,
        neighbor: np.ndarray,
        species: np.ndarray,
        features: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """E_i of the networks (atoms,) and dE/dr_ij (edges, 3) in one sweep; G goes into `features`."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        energies, pull = np.empty(stars.n_atoms), np.empty_like(r_ij)
        if features is not None:
            check_array("features", features, np.float64, (stars.n_atoms, self.n_features))
        check_status(
            self._library.cambrian_symmetry_networks(
                self.handle,
                networks.handle,
                ctypes.byref(stars),
                None if features is None else features.ctypes.data,
                energies.ctypes.data,
                pull.ctypes.data,
            )
        )
        return energies, pull

    def jacobian(
        self, first: np.ndarray, r_ij: np.ndarray, neighbor: np.ndarray, species: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """G (atoms, features) and dG_i/dr_ij (edges, 3, features)."""
        stars = checked_stars(first, r_ij, neighbor, species, self.n_species)
        features = np.empty((stars.n_atoms, self.n_features))
        jacobian = np.empty((len(r_ij), 3, self.n_features))
        check_status(
            self._library.cambrian_symmetry_jacobian(
                self.handle, ctypes.byref(stars), features.ctypes.data, jacobian.ctypes.data
            )
        )
        return features, jacobian

    def __reduce__(self):
        return SymmetryKernel, self._settings


class SymmetryNetworks:
    """The networks of all species behind a kernel's features, copied."""

    def __init__(self, kernel: SymmetryKernel, networks: list[PlainNetwork]):
        if len(networks) != kernel.n_species:
            raise ValueError(f"one network for each of the {kernel.n_species} species, not {len(networks)}")
        for network in networks:
            _refuse_bad_network(network, kernel.n_features)
        depths = np.array([len(n.weights) for n in networks], np.int32)
        sizes = [[kernel.n_features, *(w.shape[1] for w in n.weights)] for n in networks]
        codes = [ACTIVATIONS[name] for n in networks for name in n.activations]
        parts = [
            part.ravel()
            for n in networks
            for part in (n.center, *(x for pair in zip(n.weights, n.biases, strict=True) for x in pair))
        ]
        values = np.concatenate(parts).astype(np.float64)
        arrays = depths, np.array(sum(sizes, []), np.int32), np.array(codes, np.int32), values
        bindings = library()
        self.handle = bindings.cambrian_networks_new(kernel.handle, len(networks), *(a.ctypes.data for a in arrays))
        if not self.handle:
            raise MemoryError("no memory for the networks")
        weakref.finalize(self, bindings.cambrian_networks_free, self.handle)


def _refuse_bad_network(network: PlainNetwork, n_features: int) -> None:
    sizes = [n_features, *(w.shape[1] for w in network.weights)]
    shapes = [(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
    fits = [w.shape for w in network.weights] == shapes and [b.shape for b in network.biases] == [s[1:] for s in shapes]
    if not (fits and sizes[-1] == 1 and network.center.shape == (n_features,)):
        raise ValueError(f"layers from {n_features} features to one energy do not fit together")
    if len(network.activations) != len(shapes) or not set(network.activations) <= set(ACTIVATIONS):
        raise ValueError(f"one activation a layer, of {', '.join(ACTIVATIONS)}, not {network.activations}")


def compact_numbers(f: Compact) -> tuple[int, int, int, int, int, int, int]:
    """The whole numbers of a compact function as the compiled library counts kinds and cores."""
    return f.center, KINDS[f.kind], f.first, f.second, f.feature, CORES[f.core], int(f.asymmetric)


def _refuse_bad_places(f: Gaussian | Compact, n_species: int) -> None:
    neighbors = (f.first,) if f.kind == "radial" else (f.first, f.second)
    if not 0 <= f.center < n_species or not all(-1 <= s < n_species for s in neighbors) or f.feature < 0:
        raise ValueError(f"species must be within 0 and {n_species - 1} (neighbors: or -1), not those of {f}")
    if len(neighbors) == 2 and (f.first < 0) != (f.second < 0):
        raise ValueError(f"both neighbors are weighted, or none: {f}")


def _refuse_bad_compact(f: Compact, n_species: int) -> None:
    _refuse_bad_places(f, n_species)
    if not (np.isfinite(f[7:]).all() and 0 < f.upper > f.lower and f.angle_low < f.angle_high):
        raise ValueError(f"intervals end after they begin, that of distances above 0, and all is finite: {f}")
    if f.core not in CORES:
        raise ValueError(f"a core is one of {', '.join(CORES)}: {f}")


def _refuse_bad_function(f: Gaussian, n_species: int) -> None:
    _refuse_bad_places(f, n_species)
    if not (f.cutoff > 0 and np.isfinite([f.eta, f.shift, f.cutoff, f.zeta, f.lam]).all() and f.eta >= 0):
        raise ValueError(f"eta must be 0 or more, the cutoff above 0 and all finite: {f}")
    if f.kind != "radial" and not 0 <= f.zeta <= HIGHEST_ZETA:
        raise ValueError(f"zeta must be within 0 and {HIGHEST_ZETA}: {f}")
