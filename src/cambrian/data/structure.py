"""One structure with its labels, in the units of the package; an absent label is NaN (energy) or None (arrays)."""

from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms and what the reference calculation said of them.

    `atoms` carries neither calculator nor constraints. `energy` eV, total of the cell; `forces` (atoms, 3) eV/Å;
    `stress` (3, 3) eV/Å³, positive = tensile (ASE's sign); `charges` (atoms,) e; `dipole` (3,) e Å.
    `weights` multiplies the loss of this structure: keys energy, force, stress (1 where absent).
    """

    atoms: Atoms
    energy: float = NAN
    forces: NDArray | None = None
    stress: NDArray | None = None
    charges: NDArray | None = None
    dipole: NDArray | None = None
    total_charge: float = 0.0
    spin: float = 0.0
    group: str = ""
    level: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    source: str = ""
    frame: int = 0

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def where(self) -> str:
        """File and frame, for messages."""
        return f"{self.source or 'structure'}, frame {self.frame}"

    @property
    def has_energy(self) -> bool:
        """Whether the energy is known."""
        return bool(np.isfinite(self.energy))

    @property
    def energy_per_atom(self) -> float:
        """Energy divided by the number of atoms, eV/atom."""
        return self.energy / max(len(self), 1)
