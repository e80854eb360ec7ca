"""The trajectory of a run on disk, frame by frame, and the checkpoint from which an interrupted run goes on.

A checkpoint says how long the trajectory was when it was taken. Resuming cuts the trajectory there, so that what a
crash left behind, half a frame perhaps, is written anew.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.data.formats.extxyz import frame_text
from cambrian.data.labelling import charge_and_spin
from cambrian.data.structure import Structure
from cambrian.data.whole_file import whole
from cambrian.errors import UserError


@dataclass(frozen=True)
class State:
    """Everything a run needs to go on: arrays (positions, momenta, cell ...), facts (plain data) and written bytes."""

    step: int
    arrays: dict[str, NDArray]
    facts: dict[str, Any]
    n_bytes: int
    n_rows: int


class Record:
    """A trajectory in extended XYZ with its checkpoint beside it; `key` tells runs apart."""

    def __init__(self, path: str | Path, key: str):
        self.path, self.key = Path(path), key
        self.checkpoint = self.path.with_name(f".{self.path.name}.checkpoint.npz")

    def resume(self) -> tuple[State, NDArray] | None:
        """State and rows of figures of an earlier run with the same key; None where nothing is there yet.

        Raises UserError where the trajectory is another run's, or unreadable.
        """
        stored = self._read()
        if not self.path.exists() or (stored is None and self.path.stat().st_size == 0):
            return None
        if stored is None or self.path.stat().st_size < stored[0].n_bytes:
            raise UserError(
                f"{self.path} holds another trajectory (other start, settings, seed or potential); "
                "name another file, or move that one away"
            )
        return stored

    def open(self, n_bytes: int) -> None:
        """Begin to write after the first `n_bytes` of the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b" if self.path.exists() else "w+b")
            self._file.truncate(n_bytes)
            self._file.seek(n_bytes)
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror or error}; choose another place") from error

    def write(self, atoms: Atoms, **info) -> int:
        """Append a frame with the energy and forces its calculator holds; the length of the file after it."""
        try:
            self._file.write(frame_text(_structure(atoms, info)).encode())
            self._file.flush()
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error.strerror or error}; free some space") from error
        return self._file.tell()

    def save(self, state: State, rows: NDArray) -> None:
        """Write the checkpoint."""
        os.fsync(self._file.fileno())
        facts = {"key": self.key, "step": state.step, "n_bytes": state.n_bytes, "facts": state.facts}
        with whole(self.checkpoint) as temporary, temporary.open("wb") as file:
            named: Any = {"facts": np.array(json.dumps(facts)), "rows": rows[: state.n_rows], **state.arrays}
            np.savez(file, **named)

    def close(self, n_bytes: int) -> None:
        """Cut what is not a whole frame and close the file."""
        self._file.truncate(n_bytes)
        self._file.close()

    def _read(self) -> tuple[State, NDArray] | None:
        try:
            with np.load(self.checkpoint, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            facts, rows = json.loads(str(arrays.pop("facts"))), arrays.pop("rows")
            state = State(facts["step"], arrays, facts["facts"], facts["n_bytes"], len(rows))
        except (OSError, ValueError, KeyError):
            return None
        return (state, rows) if facts["key"] == self.key else None


def _structure(atoms: Atoms, info: dict[str, Any]) -> Structure:
    # a bias drives the atoms but is no property of them: files hold energy and forces without it
    results = {} if atoms.calc is None else getattr(atoms.calc, "unbiased", atoms.calc.results)
    total_charge, spin = charge_and_spin(atoms.info)
    plain = atoms.copy()
    plain.set_constraint()
    plain.info |= info
    return Structure(
        atoms=plain,
        energy=results.get("free_energy", results.get("energy", float("nan"))),
        forces=results.get("forces"),
        total_charge=total_charge,
        spin=spin,
    )
