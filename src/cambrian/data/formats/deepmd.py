"""DeePMD-kit's folders: `type.raw`, `type_map.raw`, `set.*/{coord,box,energy,force,virial}.npy`; eV and Å.

One folder holds structures of one composition and atom order, or, with `real_atom_types.npy`, of one size. The virial
is -V times the stress in ASE's sign. A file `nopbc` marks structures that are not periodic.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cambrian import elements
from cambrian.data.frame import Format, Frame
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError


class DeePMD(Format):
    """A folder of DeePMD-kit, or one that holds several."""

    name = "deepmd"
    priority = 2

    def suits(self, path: Path) -> bool:
        """A folder with a `type.raw` in it or below it."""
        return path.is_dir() and next(path.rglob("type.raw"), None) is not None

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order of folders and sets; the group is the name of the system's folder."""
        index = 0
        for system in sorted(file.parent for file in path.rglob("type.raw")):
            for frame in _system(system):
                frame.index = index
                yield frame
                index += 1

    def save(self, path: Path, structures: list[Structure], units: UnitSystem) -> None:
        """One folder for each composition, atom order and periodicity, all structures in `set.000`."""
        if path.exists():
            raise UserError(f"{path} exists already; name a new folder")
        systems: dict[tuple, list[Structure]] = {}
        for s in structures:
            if s.atoms.pbc.any() != s.atoms.pbc.all():
                raise UserError(f"{s.where}: DeePMD knows structures periodic in three directions or in none")
            systems.setdefault((tuple(s.atoms.numbers.tolist()), bool(s.atoms.pbc.all())), []).append(s)
        for k, ((numbers, periodic), members) in enumerate(systems.items()):
            formula = members[0].atoms.get_chemical_formula()
            _save_system(path / f"{k:03d}-{formula}", np.array(numbers), members, units, periodic=periodic)


def _system(folder: Path) -> Iterator[Frame]:
    types = np.loadtxt(folder / "type.raw", dtype=int, ndmin=1)
    if not (folder / "type_map.raw").is_file():
        raise UserError(f"{folder}: type_map.raw is missing; write the element of each type into it, one a line")
    species = np.array([elements.number(name) for name in (folder / "type_map.raw").read_text().split()])
    periodic = not (folder / "nopbc").exists()
    for part in sorted(folder.glob("set.*")):
        table = {name: _load(part / f"{name}.npy") for name in ("coord", "box", "energy", "force", "virial")}
        mixed = _load(part / "real_atom_types.npy")
        if table["coord"] is None:
            raise UserError(f"{part}: coord.npy is missing")
        for k, coord in enumerate(table["coord"]):
            of_type = types if mixed is None else mixed[k].astype(int)
            if of_type.max(initial=0) >= len(species) or len(of_type) * 3 != coord.size:
                raise UserError(f"{part}: type.raw, type_map.raw and coord.npy do not go together")
            yield _frame(table, k, species[of_type], part, folder.name, periodic=periodic)


def _frame(table: dict, k: int, numbers: NDArray, part: Path, group: str, *, periodic: bool) -> Frame:
    row = {name: values[k] for name, values in table.items() if values is not None and len(values) > k}
    info = {"group": group}
    if "energy" in row:
        info["energy"] = row["energy"].reshape(-1)[0]
    if "virial" in row and periodic:
        info["virial"] = row["virial"].reshape(3, 3)
    arrays = {"forces": row["force"].reshape(-1, 3)} if "force" in row else {}
    cell = row["box"].reshape(3, 3) if "box" in row and periodic else np.zeros((3, 3))
    positions = row["coord"].reshape(-1, 3)
    return Frame(numbers, positions, cell, np.full(3, periodic), info, arrays, source=f"{part}, row {k}")


def _load(file: Path) -> NDArray | None:
    if not file.is_file():
        return None
    try:
        return np.load(file, allow_pickle=False).astype(float)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{file}: not an array of numbers ({error})") from None


def _save_system(
    folder: Path, numbers: NDArray, members: list[Structure], units: UnitSystem, *, periodic: bool
) -> None:
    species, types = np.unique(numbers, return_inverse=True)
    tables = {"coord": [s.atoms.positions.reshape(-1) / units.length for s in members]}
    if periodic:
        tables["box"] = [s.atoms.cell.array.reshape(-1) / units.length for s in members]
    if all(s.has_energy for s in members):
        tables["energy"] = [np.array(s.energy / units.energy) for s in members]
    forces = [s.forces for s in members if s.forces is not None]
    if len(forces) == len(members):
        tables["force"] = [f.reshape(-1) * units.length / units.energy for f in forces]
    stresses = [s.stress for s in members if s.stress is not None]
    if len(stresses) == len(members):
        volumes = [s.atoms.get_volume() for s in members]
        tables["virial"] = [-s.reshape(-1) * v / units.energy for s, v in zip(stresses, volumes, strict=True)]
    write_text(folder / "type.raw", "\n".join(map(str, types)) + "\n")
    write_text(folder / "type_map.raw", "\n".join(elements.symbols(species)) + "\n")
    if not periodic:
        write_text(folder / "nopbc", "")
    (folder / "set.000").mkdir()
    for name, rows in tables.items():
        np.save(folder / "set.000" / f"{name}.npy", np.stack(rows), allow_pickle=False)
