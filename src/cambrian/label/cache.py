"""Results on disk, one small JSON file each, named by a hash of the structure and of the labeller's settings.

A file is written whole or not at all; one that cannot be read back counts as absent.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from cambrian.configurable import describe
from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.data.whole_file import write_text

ARRAYS = ("forces", "stress", "charges", "dipole")
READ_BY_PROGRAMS = ("initial_magmoms", "initial_charges", "tags")  # what else of a structure a calculator may read


def key_of(structure: Structure, labeller: Labeller) -> str:
    """SHA-256 over class and settings of the labeller, and over geometry, total charge and spin."""
    settings = {k: describe(v) for k, v in labeller.arguments.items() if k not in labeller.incidental}
    method = [{type(labeller).__name__: settings}, labeller.level]
    digest = hashlib.sha256(json.dumps(method, sort_keys=True).encode())
    atoms = structure.atoms
    values = [atoms.numbers.astype(np.int64), atoms.positions, atoms.cell.array, atoms.pbc]
    values += [atoms.arrays[name] for name in READ_BY_PROGRAMS if name in atoms.arrays]
    for value in (*values, np.array([structure.total_charge, structure.spin])):
        digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def with_labels(structure: Structure, labels: Structure) -> Structure:
    """The structure as it was given, group and weights included, with the labels of another."""
    names = ("energy", *ARRAYS, "level")
    return replace(structure, **{name: getattr(labels, name) for name in names})


def store(labels: Structure, key: str, folder: Path) -> None:
    """Write the labels of one structure; raises UserError where the folder cannot be written."""
    values = {name: getattr(labels, name) for name in ARRAYS}
    record = {"energy": labels.energy, "level": labels.level}
    record |= {name: None if value is None else value.tolist() for name, value in values.items()}
    write_text(_place(key, folder), json.dumps(record))


def recall(structure: Structure, key: str, folder: Path) -> Structure | None:
    """The structure with its stored labels; None when there are none, or the file is damaged."""
    try:
        record = json.loads(_place(key, folder).read_text(encoding="utf-8"))
        values = {name: None if record[name] is None else np.array(record[name], dtype=float) for name in ARRAYS}
        labelled = replace(structure, energy=float(record["energy"]), level=str(record["level"]), **values)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    right = labelled.forces is not None and labelled.forces.shape == (len(structure), 3)
    return labelled if right else None


def _place(key: str, folder: Path) -> Path:
    return folder / key[:2] / f"{key}.json"
