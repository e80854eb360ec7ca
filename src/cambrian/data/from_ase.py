"""Frames from ASE's Atoms: labels come straight from the stored results, so that no constraint zeroes a force.

Which atoms were held is kept as `move_mask` (False = held), for the doctor.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian, FixScaled
from ase.io import iread
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from cambrian.data.frame import Frame
from cambrian.errors import UserError


def frame_of(atoms: Atoms, index: int) -> Frame:
    """A frame from an Atoms object and the results its calculator holds; nothing is computed."""
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    info = dict(atoms.info)
    info |= dict(info.pop("key_value_pairs", {}))  # an ASE database keeps the user's keys there
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    for key in ("energy", "free_energy", "dipole", "stress"):
        if results.get(key) is not None:
            info[key] = results[key]
    if np.size(info.get("stress", ())) == 6:
        info["stress"] = voigt_6_to_full_3x3_stress(np.asarray(info["stress"]))
    for key in ("forces", "charges"):
        if results.get(key) is not None:
            arrays[key] = np.asarray(results[key], dtype=float)
    if atoms.constraints:
        arrays["move_mask"] = _free(atoms)
    return Frame(
        numbers=atoms.numbers.copy(),
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy(),
        pbc=atoms.pbc.copy(),
        info=info,
        arrays=arrays,
        index=index,
    )


def _free(atoms: Atoms) -> NDArray:
    free = np.ones((len(atoms), 3), dtype=bool)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            free[constraint.index] = False
        elif isinstance(constraint, (FixCartesian, FixScaled)):
            free[constraint.index] &= ~np.asarray(constraint.mask, dtype=bool)
    return np.all(free, axis=1)


def frames_by_ase(path: Path, format: str | None = None) -> Iterator[Frame]:
    """Frames of a file that ASE reads; raises UserError naming the frame it fails at."""
    index, images = 0, iread(str(path), index=":", format=format)
    while True:
        try:
            atoms = next(images)
        except StopIteration:
            return
        except Exception as error:  # ASE's readers fail in as many ways as there are formats
            raise UserError(
                f"frame {index}: ASE cannot read this file ({type(error).__name__}: {error}); it may be cut short, "
                f"of another kind than its name says, or come from a run that did not finish"
            ) from error
        yield frame_of(atoms, index)
        index += 1
