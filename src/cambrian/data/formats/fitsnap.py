"""FitSNAP's JSON: one configuration or more a file, folders are groups; stress in bar, compression positive.

{"Dataset": {"Data": [{"Positions", "AtomTypes", "Lattice" (rows are vectors), "Energy", "Forces", "Stress"}], ...}}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cambrian import elements
from cambrian.data.frame import Format, Frame
from cambrian.errors import UserError

IN_BAR = {"bar": 1.0, "kb": 1e3, "kbar": 1e3, "kilobar": 1e3}
LABELS = {"Energy": "energy", "Stress": "stress"}


class FitSNAP(Format):
    """A JSON file of FitSNAP, or a folder of them."""

    name = "fitsnap"
    units = "eV, Å, -bar"

    def suits(self, path: Path) -> bool:
        """A JSON file that begins with a `Dataset`, or a folder that holds one."""
        if path.is_dir():
            first = next(iter(sorted(path.rglob("*.json"))), None)
            return first is not None and self.suits(first)
        if path.suffix != ".json":
            return False
        with open(path, encoding="utf-8", errors="replace") as file:
            return '"Dataset"' in file.read(4096)

    def frames(self, path: Path) -> Iterator[Frame]:
        """Frames in order of the files' names; the group is the folder's name."""
        index = 0
        for file in sorted(path.rglob("*.json")) if path.is_dir() else [path]:
            for frame in _configurations(file):
                frame.index = index if path.is_dir() else frame.index
                yield frame
                index += 1


def _configurations(file: Path) -> Iterator[Frame]:
    try:
        text = file.read_text(encoding="utf-8")
        text = (
            text.partition("\n")[2] if text.lstrip().startswith("#") else text
        )  # FitSNAP's own files open with a comment
        dataset = json.loads(text)["Dataset"]
        entries = dataset["Data"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{file}: not the JSON of FitSNAP ({type(error).__name__}: {error})") from None
    for index, entry in enumerate(entries):
        try:
            yield _frame(entry, dataset, file, index)
        except UserError as error:
            raise error.at(f"{file}, frame {index}") from None
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(f"{file}, frame {index}: {type(error).__name__}: {error}") from None


def _frame(entry: dict[str, Any], dataset: dict, file: Path, index: int) -> Frame:
    style = str(dataset.get("PositionsStyle", "angstrom")).lower()
    if style != "angstrom":
        raise UserError(f"positions are in '{style}'; only angstrom is read")
    bars = str(dataset.get("StressStyle", "bar")).lower()
    if bars not in IN_BAR:
        raise UserError(f"stress is in '{bars}'; known are {', '.join(IN_BAR)}")
    info = {LABELS.get(k, k): v for k, v in entry.items() if not isinstance(v, (list, dict))} | {
        "group": file.parent.name
    }
    if "Stress" in entry:
        info["stress"] = np.array(entry["Stress"], dtype=float) * IN_BAR[bars]
    arrays = {"forces": np.array(entry["Forces"], dtype=float)} if "Forces" in entry else {}
    if "Charges" in entry:
        arrays["charges"] = np.array(entry["Charges"], dtype=float).reshape(-1)
    return Frame(
        numbers=np.array([elements.number(symbol) for symbol in entry["AtomTypes"]]),
        positions=np.array(entry["Positions"], dtype=float),
        cell=np.array(entry["Lattice"], dtype=float).reshape(3, 3),
        pbc=np.ones(3, dtype=bool),
        info=info,
        arrays=arrays,
        index=index,
        source=str(file),
    )
