"""A frame is one structure as a file states it, before labels are chosen by key and units are turned.

A format yields frames; `read` turns each into a `Structure`. A new format is one new file in `data/formats/` with one
concrete `Format`: nothing else needs to know of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.errors import UserError


@dataclass(slots=True)
class Frame:
    """Numbers, positions and cell with everything else the file says, under the file's own keys and units.

    `source` names the file where a folder holds several; `fault` says why a frame must not be used, though it was read.
    """

    numbers: NDArray
    positions: NDArray
    cell: NDArray
    pbc: NDArray
    info: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray] = field(default_factory=dict)
    index: int = 0
    source: str | None = None
    fault: str | None = None


class Format(ABC):
    """One kind of file. `units` are those its files are in unless the user says otherwise (see `UnitSystem`)."""

    name: str
    units: str = "eV, Å"
    priority: int = 1  # of several formats that suit a file the highest reads it

    @abstractmethod
    def suits(self, path: Path) -> bool:
        """Whether a file or folder looks like this format; must be cheap and never raise."""

    @abstractmethod
    def frames(self, path: Path) -> Iterator[Frame]:
        """The frames of a file in order; raises UserError (without the file's name) where it is broken.

        Per-cell keys go to `info`, per-atom ones to `arrays`; labels are called energy, forces, stress (ASE's sign),
        virial, charges, dipole, total_charge, group where the format knows them.
        """

    def units_of(self, path: Path) -> str:
        """The units of one file, where files of this format may state them."""
        return self.units

    def save(self, path: Path, structures: list[Structure], units: UnitSystem) -> None:
        """Write structures, every number to its last digit; refused where the format has no writer."""
        raise UserError(f"files of the format '{self.name}' are read but not written; write .extxyz instead")
