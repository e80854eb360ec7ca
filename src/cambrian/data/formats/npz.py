"""The npz files of MD17, rMD17 and sGDML: one molecule, many geometries; kcal/mol and Å unless the file says otherwise.

MD17 and sGDML call them z, R, E, F; rMD17 nuclear_charges, coords, energies, forces. sGDML states its units.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cambrian.data.frame import Format, Frame
from cambrian.errors import UserError

NAMES = {
    "numbers": ("z", "nuclear_charges", "Z", "atomic_numbers", "numbers"),
    "positions": ("R", "coords", "coordinates", "positions"),
    "energy": ("E", "energies", "energy"),
    "forces": ("F", "forces"),
}


class NPZ(Format):
    """Arrays of one molecule."""

    name = "npz"
    units = "kcal/mol, Å"

    def suits(self, path: Path) -> bool:
        """By the ending of the name."""
        return path.suffix == ".npz"

    def units_of(self, path: Path) -> str:
        """Those that the file states; kcal/mol and Å where it states none."""
        stored = _load(path)
        energy, length = (str(stored[key]) if key in stored else "" for key in ("e_unit", "r_unit"))
        return f"{energy or 'kcal/mol'}, {length or 'Å'}"

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order."""
        stored = _load(path)
        found = {what: next((stored[n] for n in names if n in stored), None) for what, names in NAMES.items()}
        numbers, positions = found["numbers"], found["positions"]
        if numbers is None or positions is None:
            raise UserError(f"no nuclear charges and positions among the arrays {', '.join(stored)}")
        if positions.ndim != 3 or positions.shape[1:] != (numbers.size, 3):
            raise UserError(f"positions have the shape {positions.shape}, not (frames, {numbers.size}, 3)")
        for what in ("energy", "forces"):
            values = found[what]
            if values is not None and len(values) != len(positions):
                raise UserError(f"{len(values)} values of the {what} for {len(positions)} geometries")
        shared = {"level_of_theory": str(stored["theory"])} if "theory" in stored else {}
        cell = stored["lattice"].T if "lattice" in stored else np.zeros((3, 3))  # sGDML's columns are vectors
        for k, r in enumerate(positions):
            info = (
                dict(shared)
                if found["energy"] is None
                else shared | {"energy": float(found["energy"][k].reshape(-1)[0])}
            )
            arrays = {} if found["forces"] is None else {"forces": found["forces"][k]}
            yield Frame(numbers.reshape(-1).astype(int), r, cell, np.full(3, "lattice" in stored), info, arrays, k)


def _load(path: Path) -> dict[str, NDArray]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            wanted = [n for names in NAMES.values() for n in names] + ["e_unit", "r_unit", "theory", "lattice"]
            return {name: stored[name] for name in wanted if name in stored.files}
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"not an npz file of plain arrays ({error}); pickled objects are never loaded") from None
    except Exception as error:  # a broken zip archive
        raise UserError(f"not an npz file ({type(error).__name__}: {error}); it may be cut short") from None
