"""Tables of `pair_style table` in LAMMPS as a potential: every section named after two elements is their curve.

    Si-O                               or Si_O; what else stands in a file is told, and left aside
    N 1000 R 0.5 5.0                   R, RSQ or neither; where given, distances follow from it, as in LAMMPS

    1 0.5 12.3 45.6                    a number, Å, eV, eV/Å (units metal)

Between points the curve is cubic, with the values and forces of the file (LAMMPS splines its own finer table).
Format: https://docs.lammps.org/pair_table.html
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.catalogue import build
from cambrian.contracts.potential import Potential
from cambrian.elements import number
from cambrian.errors import UserError

SETTINGS = {"R": 2, "RSQ": 2, "BITMAP": 2, "FPRIME": 2}


def import_tables(place: str | Path, *, remark: Callable[[str], None] = lambda text: None) -> Potential:
    """A potential from a file of tables, or from a folder with one; `remark` hears what was left aside.

    Raises UserError for what is no such file, and where no section is named after two elements.
    """
    path = _file_of(Path(place))
    curves: dict[tuple[int, int], NDArray] = {}
    for keyword, table in sections_of(path.read_text(errors="replace"), str(path)):
        pair = _pair(keyword)
        if pair is None:
            remark(f"section {keyword} is not named after two elements, such as Si-O; left aside")
        elif pair in curves:
            raise UserError(f"{path}: {keyword} stands there twice")
        else:
            curves[pair] = table
    if not curves:
        raise UserError(f"{path}: no section is named after two elements, such as Si-O; rename them")
    elements = sorted({z for pair in curves for z in pair})
    cutoff = max(float(table[-1, 0]) for table in curves.values())
    potential = build({"Tabulated": {"cutoff": cutoff}}, where=str(path))
    potential.take(elements, curves)
    return potential


def sections_of(text: str, where: str) -> list[tuple[str, NDArray]]:
    """Keywords and their rows of distance, energy and force."""
    lines = [words for line in text.splitlines() if (words := line.split("#")[0].split())]
    found, at = [], 0
    while at < len(lines):
        keyword = lines[at][0]
        if at + 1 >= len(lines) or lines[at + 1][0] != "N":
            raise UserError(f"{where}: after the keyword {keyword} a line `N number ...` is due")
        settings = _settings(lines[at + 1], f"{where}: {keyword}")
        n = int(settings["N"][0])
        rows = lines[at + 2 : at + 2 + n]
        if len(rows) < n or any(len(row) != 4 for row in rows):
            raise UserError(f"{where}: {keyword} announces {n} rows of four numbers, which are not all there")
        try:
            table = np.array([[float(x) for x in row[1:]] for row in rows])
        except ValueError as error:
            raise UserError(f"{where}: {keyword}: {error}") from None
        found.append((keyword, _placed(table, settings)))
        at += 2 + n
    return found


def _settings(words: list[str], where: str) -> dict[str, list[float]]:
    settings, at = {}, 0
    while at < len(words):
        count = 1 if words[at] == "N" else SETTINGS.get(words[at])
        try:
            if count is None:
                raise ValueError(f"'{words[at]}' is no setting of a table")
            settings[words[at]] = [float(x) for x in words[at + 1 : at + 1 + count]]
            if len(settings[words[at]]) < count:
                raise ValueError(f"{words[at]} needs {count} numbers")
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None
        at += 1 + count
    if "BITMAP" in settings:
        raise UserError(f"{where}: tables with BITMAP cannot be imported; write it with R or RSQ")
    if not settings["N"][0] >= 2:
        raise UserError(f"{where}: a table needs two rows or more")
    return settings


def _placed(table: NDArray, settings: dict[str, list[float]]) -> NDArray:
    """Distances as LAMMPS takes them: from R or RSQ where these are given."""
    if "R" in settings:
        low, high = settings["R"]
        table[:, 0] = np.linspace(low, high, len(table))
    if "RSQ" in settings:
        low, high = settings["RSQ"]
        table[:, 0] = np.sqrt(np.linspace(low**2, high**2, len(table)))
    return table


def _pair(keyword: str) -> tuple[int, int] | None:
    words = re.split(r"[-_]", keyword)
    if len(words) != 2:
        return None
    try:
        first, second = sorted(number(word) for word in words)
    except (UserError, KeyError):
        return None
    return first, second


def _file_of(place: Path) -> Path:
    if not place.exists():
        raise UserError(f"there is no {place} to import from")
    if not place.is_dir():
        return place
    found = sorted(place.glob("*.table"))
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        raise UserError(f"{place} should hold one file *.table; there are: {names}")
    return found[0]
