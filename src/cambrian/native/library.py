"""The compiled library: found, loaded, and its C ABI (the headers of this folder) declared once.

The library is optional. Where no compiler was found at installation, where loading fails, or where
CAMBRIAN_NATIVE_ISA=none turns it off, `available()` is False, the reason stands in `missing()`, and callers go on with
torch.
"""

import ctypes
import hashlib
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np

REINSTALL = "install a C++17 compiler and cmake, then reinstall cambrian"
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


class Edges(ctypes.Structure):
    """`cambrian_edges` of the C ABI."""

    _fields_ = [
        ("n_atoms", ctypes.c_int64),
        ("first", ctypes.c_void_p),
        ("r_ij", ctypes.c_void_p),
        ("cutoff", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
    ]


class Channels(ctypes.Structure):
    """`cambrian_channels` of the C ABI."""

    _fields_ = [("edges", Edges), ("center", ctypes.c_void_p), ("neighbor", ctypes.c_void_p)]


def _path() -> Path:
    return Path(__file__).parent / f"libcambrian_native{_SUFFIX}"


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    path = _path()
    if os.environ.get("CAMBRIAN_NATIVE_ISA") == "none":
        return None, "the compiled kernels are turned off by CAMBRIAN_NATIVE_ISA=none; unset it to use them"
    if not path.exists():
        where = f"{path.name} is not beside {__file__}"
        return None, f"cambrian was installed without its compiled kernels ({where}); {REINSTALL}"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return None, f"the compiled kernels do not load: {error}; {REINSTALL}"
    pointer, edges = ctypes.c_void_p, ctypes.POINTER(Edges)
    signatures = {
        "cambrian_native_isa": (ctypes.c_char_p, []),
        "cambrian_native_set_threads": (None, [ctypes.c_int]),
        "cambrian_bispectrum_new": (pointer, [ctypes.c_int, ctypes.c_double, ctypes.c_double]),
        "cambrian_bispectrum_free": (None, [pointer]),
        "cambrian_bispectrum_n_features": (ctypes.c_int, [pointer]),
        "cambrian_bispectrum_linear_new": (pointer, [pointer, ctypes.c_int, pointer]),
        "cambrian_bispectrum_linear_free": (None, [pointer]),
        "cambrian_bispectrum_features": (ctypes.c_int, [pointer, edges, pointer]),
        "cambrian_bispectrum_pull": (ctypes.c_int, [pointer, edges, pointer, pointer]),
        "cambrian_bispectrum_energies_and_pull": (ctypes.c_int, [pointer, pointer, edges, pointer, pointer, pointer]),
        "cambrian_bispectrum_jacobian": (ctypes.c_int, [pointer, edges, pointer, pointer]),
        "cambrian_bispectrum_rows": (
            ctypes.c_int,
            [pointer, edges, pointer, pointer, ctypes.c_int, pointer, ctypes.c_int64, pointer, pointer, pointer],
        ),
        "cambrian_symmetry_new": (
            pointer,
            [ctypes.c_int, pointer, ctypes.c_int64, pointer, ctypes.c_int64, pointer, pointer],
        ),
        "cambrian_neighbors": (
            ctypes.c_int64,
            [pointer, ctypes.c_double, ctypes.c_double, ctypes.c_int64, pointer, pointer, pointer, pointer],
        ),
        "cambrian_symmetry_free": (None, [pointer]),
        "cambrian_symmetry_n_features": (ctypes.c_int, [pointer]),
        "cambrian_symmetry_features": (ctypes.c_int, [pointer, pointer, pointer]),
        "cambrian_symmetry_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_symmetry_energies_and_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer, pointer]),
        "cambrian_networks_new": (pointer, [pointer, ctypes.c_int, pointer, pointer, pointer, pointer]),
        "cambrian_networks_free": (None, [pointer]),
        "cambrian_symmetry_networks": (ctypes.c_int, [pointer, pointer, pointer, pointer, pointer, pointer]),
        "cambrian_symmetry_jacobian": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_moments_new": (pointer, [pointer]),
        "cambrian_moments_free": (None, [pointer]),
        "cambrian_moments_linear_new": (pointer, [pointer, pointer]),
        "cambrian_moments_linear_free": (None, [pointer]),
        "cambrian_moments_features": (ctypes.c_int, [pointer, pointer, pointer]),
        "cambrian_moments_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_moments_energies_and_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer, pointer]),
        "cambrian_moments_jacobian": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_soap_new": (pointer, [pointer]),
        "cambrian_soap_free": (None, [pointer]),
        "cambrian_soap_n_features": (ctypes.c_int, [pointer]),
        "cambrian_soap_features": (ctypes.c_int, [pointer, pointer, pointer]),
        "cambrian_soap_energies_and_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer, pointer]),
        "cambrian_soap_jacobian": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_sparse_new": (pointer, [pointer, ctypes.c_double, pointer, pointer, pointer]),
        "cambrian_sparse_free": (None, [pointer]),
        "cambrian_sparse_energies_and_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer, pointer]),
        "cambrian_triangles_new": (pointer, [pointer]),
        "cambrian_triangles_free": (None, [pointer]),
        "cambrian_triangles_energies_and_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_chemical_new": (
            pointer,
            [ctypes.c_int, ctypes.c_double, ctypes.c_double, ctypes.c_int, ctypes.c_int],
        ),
        "cambrian_chemical_free": (None, [pointer]),
        "cambrian_chemical_n_features": (ctypes.c_int64, [pointer]),
        "cambrian_chemical_features": (ctypes.c_int, [pointer, pointer, pointer]),
        "cambrian_chemical_pull": (ctypes.c_int, [pointer, pointer, pointer, pointer, pointer, pointer]),
        "cambrian_chemical_jacobian": (ctypes.c_int, [pointer, pointer, pointer, pointer]),
        "cambrian_deployed_open": (pointer, [ctypes.c_char_p, pointer, ctypes.c_int64]),
        "cambrian_deployed_close": (None, [pointer]),
        "cambrian_deployed_n_elements": (ctypes.c_int, [pointer]),
        "cambrian_deployed_element": (ctypes.c_char_p, [pointer, ctypes.c_int]),
        "cambrian_deployed_cutoff": (ctypes.c_double, [pointer]),
        "cambrian_deployed_n_members": (ctypes.c_int, [pointer]),
        "cambrian_deployed_has_grade": (ctypes.c_int, [pointer]),
        "cambrian_deployed_summary": (ctypes.c_char_p, [pointer]),
        "cambrian_deployed_evaluate": (
            ctypes.c_int,
            [pointer, ctypes.c_int, pointer, pointer, pointer, pointer, pointer, ctypes.c_int64],
        ),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name, None)
        if function is None:
            return None, f"the compiled kernels are older than this source: {path.name} has no {name}; {REINSTALL}"
        function.restype, function.argtypes = result, arguments
    return library, ""


def available() -> bool:
    """Whether the compiled kernels can be used here."""
    return _load()[0] is not None


def missing() -> str:
    """Why the compiled kernels cannot be used; empty where they can."""
    return _load()[1]


def library() -> ctypes.CDLL:
    """The loaded library; RuntimeError where there is none."""
    loaded, reason = _load()
    if loaded is None:
        raise RuntimeError(reason)
    return loaded


def instruction_set() -> str:
    """The one in use: v4 (AVX-512), v3 (AVX2) or baseline; CAMBRIAN_NATIVE_ISA forces one before first use."""
    return library().cambrian_native_isa().decode()


@cache
def identity() -> str:
    """Which compiled code runs: a hash of the library and its instruction set, or `none`."""
    if not available():
        return "none"
    return f"{hashlib.sha256(_path().read_bytes()).hexdigest()[:16]}-{instruction_set()}"


def set_threads(n_threads: int) -> None:
    """How many threads the kernels use; 0 follows OMP_NUM_THREADS."""
    if n_threads < 0:
        raise ValueError(f"n_threads must be 0 or more, not {n_threads}")
    library().cambrian_native_set_threads(n_threads)


def check_array(name: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """The array itself; ValueError unless it is a C-contiguous numpy array of that type and shape."""
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} must be a numpy array, not {type(array).__name__}")
    if array.dtype != dtype:
        raise ValueError(f"{name} must be {np.dtype(dtype)}, not {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {array.shape}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous: pass numpy.ascontiguousarray({name})")
    return array
