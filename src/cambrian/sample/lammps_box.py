"""A structure in the frame of LAMMPS: a along x, b in the xy plane, and back again.

    cell = L Q        L lower triangular, Q orthogonal        v = v_LAMMPS Q,  t = Qᵀ t_LAMMPS Q

Any cell is turned into this form by a QR decomposition, left-handed ones too, since Q may hold a reflection. In
directions that are not periodic the box ends where the atoms end, and LAMMPS lets it follow them.
"""

import ctypes
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.units import TIME

ASE_VELOCITY = TIME / 1000  # 1 Å/ps in ASE's unit of velocity
MARGIN = 10.0  # Å of box around the atoms where it is not periodic, at the start


class LammpsBox:
    """What turns positions, velocities and cells of one structure to LAMMPS and back; `elements` are its atom types."""

    def __init__(self, atoms: Atoms):
        self.atoms = atoms
        self.lower, self.frame, self.wrapped = _in_lammps_frame(atoms)
        self._images = np.rint((atoms.positions @ self.frame.T - self.wrapped) @ np.linalg.inv(self.lower))
        self._images[:, ~atoms.pbc] = 0.0
        kinds = list(zip(atoms.get_chemical_symbols(), atoms.get_masses().tolist(), strict=True))
        self._kinds = list(dict.fromkeys(kinds))  # an isotope is a type of its own
        self._types = [self._kinds.index(kind) + 1 for kind in kinds]

    @property
    def elements(self) -> list[str]:
        """Element of each atom type."""
        return [symbol for symbol, _ in self._kinds]

    def create(self, lmp: Any) -> None:
        """Make box, atoms and velocities in an empty LAMMPS; ids are 1 ... in the order of the structure."""
        low = [
            0.0 if periodic else x.min() - MARGIN for periodic, x in zip(self.atoms.pbc, self.wrapped.T, strict=True)
        ]
        high = [
            length if periodic else x.max() + MARGIN
            for length, periodic, x in zip(np.diag(self.lower), self.atoms.pbc, self.wrapped.T, strict=True)
        ]
        bounds = [bound for pair in zip(low, high, strict=True) for bound in pair]
        tilts = [self.lower[1, 0], self.lower[2, 0], self.lower[2, 1]]
        lmp.commands_list(
            [
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0.0",
                "boundary " + " ".join("p" if periodic else "s" for periodic in self.atoms.pbc),
                "box tilt large",
                "region box prism " + " ".join(f"{v:.17g}" for v in [*bounds, *tilts]) + " units box",
                f"create_box {len(self._kinds)} box",
                *(f"mass {k + 1} {mass:.17g}" for k, (_, mass) in enumerate(self._kinds)),
            ]
        )
        n = len(self.atoms)
        velocities = (self.atoms.get_velocities() / ASE_VELOCITY) @ self.frame.T
        lmp.create_atoms(
            n, list(range(1, n + 1)), self._types, self.wrapped.flatten().tolist(), velocities.flatten().tolist()
        )

    def read(self, lmp: Any) -> Atoms:
        """The structure as it stands in LAMMPS now, atoms not wrapped; the same on every rank."""
        low, high, xy, yz, xz, *_ = lmp.extract_box()
        sides = np.subtract(high, low)
        lower = np.array([[sides[0], 0, 0], [xy, sides[1], 0], [xz, yz, sides[2]]])
        periodic = self.atoms.pbc
        lower[~periodic] = self.lower[~periodic]
        origin = np.where(periodic, low, 0.0)
        images = self._images + _gathered(lmp, "image", ctypes.c_int) * periodic
        atoms = self.atoms.copy()
        cell = atoms.cell.array.copy()
        cell[periodic] = (lower @ self.frame)[periodic]
        atoms.set_cell(cell)
        positions = _gathered(lmp, "x", ctypes.c_double) - origin + images @ lower
        atoms.set_positions(positions @ self.frame, apply_constraint=False)
        atoms.set_velocities(_gathered(lmp, "v", ctypes.c_double) @ self.frame * ASE_VELOCITY)
        return atoms

    def forces(self, lmp: Any) -> NDArray:
        """Forces in the order of the structure, eV/Å."""
        return _gathered(lmp, "f", ctypes.c_double) @ self.frame


def _gathered(lmp: Any, name: str, kind: type) -> NDArray:
    """Three values for each atom in the order of ids."""
    values = lmp.gather_atoms(name, 1 if kind is ctypes.c_double else 0, 3)
    return np.ctypeslib.as_array(values).reshape(-1, 3).copy()


def _in_lammps_frame(atoms: Atoms) -> tuple[NDArray, NDArray, NDArray]:
    """Lower triangular cell, the orthogonal matrix that turns it back, and positions wrapped into it."""
    cell = atoms.cell.complete().array.copy()
    for k in np.flatnonzero(~atoms.pbc):  # normal to the others, so that the box may grow without tilting
        first, second = (m for m in range(3) if m != k)
        normal = np.cross(cell[first], cell[second])
        cell[k] = normal / np.linalg.norm(normal) * max(np.linalg.norm(cell[k]), 1.0)
    orthogonal, upper = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(upper))
    lower, frame = (upper * signs[:, None]).T, (orthogonal * signs).T
    lower[np.abs(lower) < 1e-14 * np.abs(lower).max()] = 0.0  # LAMMPS refuses any tilt where it is not periodic
    scaled = atoms.positions @ frame.T @ np.linalg.inv(lower)
    scaled[:, atoms.pbc] -= np.floor(scaled[:, atoms.pbc])
    scaled[:, atoms.pbc] %= 1.0  # -1e-17 became 1
    return lower, frame, scaled @ lower
