"""Extended XYZ: atom count, a line of key=value pairs, one line per atom in the columns that `Properties` names.

Written with the shortest digits that read back to the same number, so a round trip is exact.
"""

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cambrian.data.frame import Format, Frame
from cambrian.data.structure import Structure
from cambrian.data.unit_system import UnitSystem
from cambrian.data.whole_file import write_text
from cambrian.elements import symbols
from cambrian.errors import UserError

ENDINGS = (".xyz", ".extxyz", ".exyz")
OPENERS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
PAIR = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]+)"|(?P<key>[^\s="']+))
        (?:\s*=\s*(?: "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>[^']*)' | \{(?P<brace>[^}]*)\}
                    | (?P<bracket>\[.*?\])(?=\s|$) | (?P<bare>[^\s]*) ))?""",
    re.VERBOSE,
)
LOGICAL = {
    "T": True,
    "True": True,
    "true": True,
    "TRUE": True,
    "F": False,
    "False": False,
    "false": False,
    "FALSE": False,
}


class ExtXYZ(Format):
    """Extended XYZ, plain or compressed (.gz, .xz, .bz2)."""

    name = "extxyz"

    def suits(self, path: Path) -> bool:
        """By the ending of the name."""
        name = path.name.lower()
        return name.endswith(ENDINGS) or name.endswith(tuple(e + z for e in ENDINGS for z in OPENERS))

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order."""
        opener = OPENERS.get(path.suffix.lower(), open)
        with opener(path, "rt", encoding="utf-8", errors="replace") as file:
            index = 0
            while (count := _next_filled(file)) is not None:
                try:
                    yield _frame(file, count, index)
                except UserError as error:
                    raise error.at(f"frame {index}") from None
                index += 1

    def save(self, path: Path, structures: list[Structure], units: UnitSystem) -> None:
        """Labels under ASE's keys; whatever else the atoms carry stands beside them."""
        if units != UnitSystem.parse(self.units):
            raise UserError("extended XYZ is written in eV and Å only, as its readers take for granted")
        write_text(path, "".join(frame_text(s) for s in structures))


def _next_filled(file: TextIO) -> str | None:
    for line in file:
        if line.strip():
            return line.strip()
    return None


def _frame(file: TextIO, count: str, index: int) -> Frame:
    if not count.isdigit():
        raise UserError(
            f"expected a number of atoms but found '{count[:60]}'; the frame before has too many or too few lines"
        )
    n_atoms = int(count)
    info = parse_comment(file.readline().rstrip("\n"))
    columns = _columns(str(info.pop("Properties", "species:S:1:pos:R:3")))
    lines = list(islice(file, n_atoms))
    if len(lines) < n_atoms:
        raise UserError(
            f"the file ends after {len(lines)} of {n_atoms} atoms; it was cut short: remove or repair this frame"
        )
    arrays = _table(lines, columns)
    numbers = _numbers(arrays)
    positions = arrays.pop("pos", None)
    if positions is None or positions.shape != (n_atoms, 3):
        raise UserError("there is no column pos:R:3 with the positions")
    cell = _nine(info.pop("Lattice")) if "Lattice" in info else None
    pbc = np.broadcast_to(np.asarray(info.pop("pbc", cell is not None), dtype=bool), 3).copy()
    return Frame(numbers, positions, np.zeros((3, 3)) if cell is None else cell, pbc, info, arrays, index)


def parse_comment(line: str) -> dict:
    """The key=value pairs of a comment line, values as numbers, arrays, logicals or text."""
    found = {}
    for match in PAIR.finditer(line):
        key = match["quoted"] or match["key"]
        value = next((match[g] for g in ("double", "single", "brace", "bracket", "bare") if match[g] is not None), "T")
        found[key] = _value(value.replace('\\"', '"'))
    return found


def _value(text: str):
    if text.startswith("_JSON "):
        return _json(text[6:], text)
    if text.startswith("["):
        return _json(text, text)
    words = text.replace(",", " ").split()
    for kind in (int, float, LOGICAL.__getitem__):
        try:
            values = [kind(word) for word in words]
        except (ValueError, KeyError):
            continue
        if len(values) == 1:
            return values[0]
        return np.array(values) if values else text
    return text


def _json(text: str, fallback: str):
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        words = fallback.strip("[]").replace(",", " ").split()
        return [LOGICAL[w] for w in words] if words and all(w in LOGICAL for w in words) else fallback
    try:
        array = np.array(value)
    except ValueError:
        return value
    return array if array.dtype.kind in "ifb" else value


def _nine(value) -> NDArray:
    array = np.asarray(value)
    if array.size != 9 or array.dtype.kind not in "if":
        raise UserError("Lattice is not nine numbers (three vectors, one after the other)")
    return array.astype(float).reshape(3, 3)


def _columns(properties: str) -> list[tuple[str, str, int]]:
    parts = properties.split(":")
    try:
        found = [(name, kind, int(n)) for name, kind, n in zip(parts[::3], parts[1::3], parts[2::3], strict=True)]
    except ValueError:
        found = []
    if not found or any(kind not in "RISL" or n < 1 for _, kind, n in found):
        raise UserError(f"Properties '{properties}' is not a list NAME:TYPE:COLUMNS with types R, I, S or L")
    return found


def _table(lines: list[str], columns: list[tuple[str, str, int]]) -> dict[str, NDArray]:
    width, n_atoms = sum(n for *_, n in columns), len(lines)
    words = " ".join(lines).split()
    if len(words) != width * n_atoms or any(kind in "SL" for name, kind, _ in columns[1:]):
        rows = [line.split() for line in lines]
        for k, row in enumerate(rows):
            if len(row) < width:
                raise UserError(
                    f"atom {k} has {len(row)} columns where Properties names {width}: '{lines[k].strip()[:80]}'"
                )
        words = [word for row in rows for word in row[:width]]
    if columns[0][1] == "S" and columns[0][2] == 1 and all(kind in "RI" for _, kind, _ in columns[1:]):
        first = np.array(words[::width])
        del words[::width]
        table, found, start = _floats(words, width - 1), {columns[0][0]: first}, 0
        columns = columns[1:]
    else:
        return _mixed_table(words, width, columns)
    for name, kind, n in columns:
        found[name] = _shaped(table[:, start : start + n], kind)
        start += n
    return found


def _mixed_table(words: list[str], width: int, columns: list[tuple[str, str, int]]) -> dict[str, NDArray]:
    found, start = {}, 0
    for name, kind, n in columns:
        part = [word for k in range(start, len(words), width) for word in words[k : k + n]]
        if kind == "S":
            values = np.array(part).reshape(-1, n)
        elif kind == "L":
            values = np.array([LOGICAL.get(word, False) for word in part]).reshape(-1, n)
        else:
            values = _floats(part, n)
        found[name] = _shaped(values, kind)
        start += n
    return found


def _floats(words: list[str], width: int) -> NDArray:
    try:
        return np.array(list(map(float, words))).reshape(-1, width)
    except ValueError:
        pass
    values: list[float] = []
    for k, word in enumerate(words):
        try:
            values.append(float(re.sub("[dD]", "e", word, count=1)))  # Fortran writes 1.0D+00
        except ValueError:
            hint = "; the writer's field was too narrow" if "*" in word else ""
            raise UserError(f"atom {k // width} has '{word}' where a number should stand{hint}") from None
    return np.array(values).reshape(-1, width)


def _shaped(values: NDArray, kind: str) -> NDArray:
    values = values.astype(int) if kind == "I" and np.isfinite(values).all() else values
    return np.ascontiguousarray(values[:, 0] if values.shape[1] == 1 else values)


def _numbers(arrays: dict[str, NDArray]) -> NDArray:
    if "species" in arrays:
        names = arrays.pop("species")
        arrays.pop("Z", None)
        try:
            return np.array([atomic_numbers[name] for name in names.tolist()], dtype=int)
        except KeyError:
            return np.array([_number(name, k) for k, name in enumerate(names.tolist())], dtype=int)
    if "Z" in arrays:
        return arrays.pop("Z").astype(int)
    raise UserError("no column names the elements; Properties needs species:S:1 or Z:I:1")


def _number(name: str, atom: int) -> int:
    z = int(name) if name.isdigit() else atomic_numbers.get(name.capitalize(), 0)
    if not 0 < z < 119:
        raise UserError(f"atom {atom} is a '{name}', which is no chemical element")
    return z


def frame_text(s: Structure) -> str:
    """One frame as it stands in a file."""
    atoms = s.atoms
    columns = {"species": np.array(symbols(atoms.numbers)), "pos": atoms.positions}
    columns |= {"forces": s.forces} if s.forces is not None else {}
    columns |= {"charge": s.charges} if s.charges is not None else {}
    for name, values in atoms.arrays.items():
        if name not in ("numbers", "positions", "forces", "initial_charges"):
            columns.setdefault(name, values.reshape(len(s), -1) if values.ndim > 2 else values)
    kinds = {"f": "R", "i": "I", "u": "I", "b": "L"}
    spelled = ":".join(
        f"{name}:{kinds.get(v.dtype.kind, 'S')}:{v.shape[1] if v.ndim == 2 else 1}" for name, v in columns.items()
    )
    cell = f'Lattice="{_spelled(atoms.cell.array)}" ' if atoms.cell.array.any() else ""
    pairs = " ".join(f"{_quoted(k)}={_quoted(_spelled(v))}" for k, v in _pairs(s).items())
    rows = zip(*(_cells(v) for v in columns.values()), strict=True)
    body = "".join(" ".join(row) + "\n" for row in rows)
    return f"{len(s)}\n{cell}Properties={spelled} {pairs}\n{body}"


def _pairs(s: Structure) -> dict:
    pairs = {k: v for k, v in s.atoms.info.items() if k not in ("energy", "stress", "virial", "dipole", "forces")}
    pairs |= {"energy": s.energy} if s.has_energy else {}
    pairs |= {"stress": s.stress} if s.stress is not None else {}
    pairs |= {"dipole": s.dipole} if s.dipole is not None else {}
    pairs |= {"total_charge": s.total_charge} if s.total_charge else {}
    pairs |= {"spin": s.spin} if s.spin else {}
    pairs |= {"config_type": s.group} if s.group else {}
    pairs |= {"level_of_theory": s.level} if s.level else {}
    pairs |= {f"{kind}_weight": value for kind, value in s.weights.items() if value != 1}
    return pairs | {"pbc": s.atoms.pbc}


def _spelled(value) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "T" if value else "F"
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, np.ndarray) and value.dtype.kind in "ifb" and (value.ndim < 2 or value.shape == (3, 3)):
        return " ".join(_spelled(v) for v in value.reshape(-1).tolist())
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return "_JSON " + json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def _quoted(text: str) -> str:
    plain = text and not re.search(r"""[\s"'={}\[\]\\,]""", text)
    return text if plain else '"' + text.replace("\n", " ").replace('"', '\\"') + '"'


def _cells(values: NDArray) -> list[str]:
    if values.ndim == 2:
        return [" ".join(_spelled(v) for v in row) for row in values.tolist()]
    return [_spelled(v) for v in values.tolist()]
