"""A file that `deploy` wrote, run by the compiled library: the same calls that LAMMPS makes, with arrays."""

import ctypes
import weakref
from dataclasses import dataclass
from os import PathLike, fsencode

import numpy as np

from cambrian.native.library import check_array, library
from cambrian.native.stars import Stars

MESSAGE = 1024


@dataclass(frozen=True)
class Evaluated:
    """energies (atoms,) eV; pull (edges, 3), dE/dr_ij, eV/Å; grade (atoms,) where it was asked for."""

    energies: np.ndarray
    pull: np.ndarray
    grade: np.ndarray | None


class DeployedPotential:
    """A potential of one or more members; `elements` are symbols in the order in which species count, `cutoff` in Å.

    One may be used by several Python threads. Raises ValueError, in words for a user, for a file that is none.
    """

    def __init__(self, path: str | PathLike[str]):
        self._library = library()
        message = ctypes.create_string_buffer(MESSAGE)
        self._handle = self._library.cambrian_deployed_open(fsencode(path), message, MESSAGE)
        if not self._handle:
            raise ValueError(message.value.decode(errors="replace"))
        weakref.finalize(self, self._library.cambrian_deployed_close, self._handle)
        n_elements = self._library.cambrian_deployed_n_elements(self._handle)
        symbols = [self._library.cambrian_deployed_element(self._handle, k) for k in range(n_elements)]
        self.elements: list[str] = [symbol.decode() for symbol in symbols]
        self.cutoff: float = self._library.cambrian_deployed_cutoff(self._handle)
        self.n_members: int = self._library.cambrian_deployed_n_members(self._handle)
        self.has_grade = bool(self._library.cambrian_deployed_has_grade(self._handle))
        self.summary: str = self._library.cambrian_deployed_summary(self._handle).decode()

    def evaluate(
        self,
        first: np.ndarray,
        r_ij: np.ndarray,
        neighbor: np.ndarray,
        species: np.ndarray,
        *,
        member: int = 0,
        with_grade: bool = False,
    ) -> Evaluated:
        """Of one member: edges sorted by center, those of center i from first[i] to first[i + 1].

        `species` may go on beyond the centers, for neighbors that are none. Raises ValueError for what does not fit.
        """
        n_atoms, n_edges = len(first) - 1, len(r_ij)
        check_array("first", first, np.int64, (n_atoms + 1,))
        check_array("r_ij", r_ij, np.float64, (n_edges, 3))
        check_array("neighbor", neighbor, np.int64, (n_edges,))
        check_array("species", species, np.int64, (len(species),))
        if first[0] != 0 or first[-1] != n_edges or (np.diff(first) < 0).any() or len(species) < n_atoms:
            raise ValueError(
                f"first must rise from 0 to the number of edges, {n_edges}, and every center has a species"
            )
        if n_edges and not (neighbor.min() >= 0 and neighbor.max() < len(species)):
            raise ValueError(f"neighbor must be within 0 and {len(species) - 1}, the atoms")
        stars = Stars(n_atoms, *(array.ctypes.data for array in (first, r_ij, neighbor, species)))
        energies, pull = np.empty(n_atoms), np.empty((n_edges, 3))
        grade = np.empty(n_atoms) if with_grade else None
        pointers = [None if a is None else a.ctypes.data for a in (energies, pull, grade)]
        message = ctypes.create_string_buffer(MESSAGE)
        status = self._library.cambrian_deployed_evaluate(
            self._handle, member, ctypes.byref(stars), *pointers, message, MESSAGE
        )
        if status:
            raise (MemoryError if status == 1 else ValueError)(message.value.decode(errors="replace"))
        return Evaluated(energies, pull, grade)
