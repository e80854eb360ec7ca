"""`input.data` of n2p2 and RuNNer: blocks between `begin` and `end`, Hartree and bohr unless the user says otherwise.

    atom x y z element charge 0.0 fx fy fz        (the sixth number is not used)

A charge column that is zero throughout a block means that no charges were computed.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cambrian import elements
from cambrian.data.frame import Format, Frame
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.data.whole_file import write_text
from cambrian.errors import UserError


class N2P2(Format):
    """The training data of n2p2 and RuNNer."""

    name = "n2p2"
    units = "Hartree, bohr"

    def suits(self, path: Path) -> bool:
        """By the name `input.data`, or another ending in .data that starts with `begin`."""
        if path.name.startswith("input.data"):
            return True
        if path.suffix != ".data" or not path.is_file():
            return False
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().split()[:1] == ["begin"]

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order."""
        with open(path, encoding="utf-8", errors="replace") as file:
            block, index = None, 0
            for line in file:
                word = line.split(maxsplit=1)[:1]
                if word == ["begin"]:
                    if block is not None:
                        raise UserError(f"frame {index}: a second 'begin' before 'end'; complete this block")
                    block = [line]
                elif word == ["end"]:
                    if block is None:
                        raise UserError(f"frame {index}: an 'end' without 'begin'; complete this block")
                    yield _frame(block, index)
                    block, index = None, index + 1
                elif word and block is not None:
                    block.append(line)
            if block is not None:
                raise UserError(f"frame {index}: the file ends before 'end'; it was cut short")

    def save(self, path: Path, structures: list[Structure], units: UnitSystem) -> None:
        """All structures in one file; stresses and groups have no place in it."""
        write_text(path, "".join(_written(s, units) for s in structures))


def _frame(block: list[str], index: int) -> Frame:
    info, lattice, atoms = {}, [], []
    for line in block:
        word, *rest = line.split()
        try:
            if word == "atom":
                atoms.append((elements.number(rest[3]), *map(float, (*rest[:3], rest[4], *rest[6:9]))))
                if len(atoms[-1]) != 8:
                    raise ValueError("an atom has nine entries")
            elif word == "lattice":
                lattice.append([float(x) for x in rest[:3]])
            elif word == "energy":
                info["energy"] = float(rest[0])
            elif word == "charge":
                info["total_charge"] = float(rest[0])
            elif word == "comment":
                info["comment"] = " ".join(rest)
            elif word == "begin" and rest:
                info["set"] = " ".join(rest).removeprefix("set=")
        except UserError as error:
            raise error.at(f"frame {index}, atom {len(atoms)}") from None
        except (ValueError, IndexError):
            raise UserError(
                f"frame {index}: the line '{line.strip()[:100]}' is incomplete or holds no number"
            ) from None
    if not atoms or len(lattice) not in (0, 3):
        raise UserError(
            f"frame {index}: {len(atoms)} atoms and {len(lattice)} lattice vectors; needed are atoms and 0 or 3"
        )
    table = np.array(atoms)
    arrays = {"forces": table[:, 5:8]} | ({"charges": table[:, 4]} if table[:, 4].any() else {})
    cell = np.array(lattice) if lattice else np.zeros((3, 3))
    return Frame(table[:, 0].astype(int), table[:, 1:4], cell, np.full(3, bool(lattice)), info, arrays, index)


def _written(s: Structure, units: UnitSystem) -> str:
    if s.atoms.pbc.any() != s.atoms.pbc.all():
        raise UserError(f"{s.where}: n2p2 knows structures periodic in three directions or in none")
    if not s.has_energy:
        raise UserError(f"{s.where}: n2p2 needs an energy for every structure; this one has none")
    positions, cell = s.atoms.positions / units.length, s.atoms.cell.array / units.length
    forces = np.zeros((len(s), 3)) if s.forces is None else s.forces * units.length / units.energy
    charges = np.zeros(len(s)) if s.charges is None else s.charges
    lines = ["begin", f"comment {s.atoms.info.get('comment', s.group)}".rstrip()]
    lines += [f"lattice {_spelled(vector)}" for vector in cell] if s.atoms.pbc.all() else []
    for z, r, q, f in zip(s.atoms.numbers, positions, charges, forces, strict=True):
        lines.append(f"atom {_spelled(r)} {elements.symbol(z)} {_spelled([q])} 0.0 {_spelled(f)}")
    lines += [f"energy {_spelled([s.energy / units.energy])}", f"charge {_spelled([s.total_charge])}", "end"]
    return "\n".join(lines) + "\n"


def _spelled(values) -> str:
    return " ".join(repr(float(v)) for v in values)
