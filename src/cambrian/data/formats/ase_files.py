"""Everything that ASE reads: databases, trajectories and the outputs of electronic-structure programs.

Labels come straight from the stored results, so constraints never zero a force; which atoms were held is kept as
`move_mask` for the doctor.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype, ioformats
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from cambrian.data.frame import Format, Frame
from cambrian.errors import UserError

PICKLED = {"bundletrajectory"}  # loading it may run code


class AseFiles(Format):
    """Any file that ASE recognizes."""

    name = "ase"
    priority = 0

    def suits(self, path: Path) -> bool:
        """Whether ASE recognizes the file."""
        try:
            return path.is_file() and filetype(str(path)) in ioformats.keys() - PICKLED
        except (UnknownFileTypeError, OSError, ValueError):
            return False

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order, with the results that were stored."""
        index, images = 0, iread(str(path), index=":")
        while True:
            try:
                atoms = next(images)
            except StopIteration:
                return
            except Exception as error:  # ASE's readers fail in as many ways as there are formats
                raise UserError(
                    f"frame {index}: ASE cannot read this file ({type(error).__name__}: {error}); "
                    f"it may be cut short, of another kind than its name says, or the run may not have finished"
                ) from error
            yield frame_of(atoms, index)
            index += 1


def frame_of(atoms: Atoms, index: int) -> Frame:
    """A frame from an Atoms object and the results of its calculator."""
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    info = dict(atoms.info)
    info |= dict(atoms.info.get("key_value_pairs", {}))  # an ASE database keeps the user's keys there
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    for key in ("energy", "free_energy", "dipole", "stress"):
        if results.get(key) is not None:
            info[key] = results[key]
    if "stress" in results and np.size(results["stress"]) == 6:
        info["stress"] = voigt_6_to_full_3x3_stress(np.asarray(results["stress"]))
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
        elif isinstance(constraint, FixCartesian):
            free[constraint.index] &= ~np.asarray(constraint.mask, dtype=bool)
    return free.all(axis=1)
