"""A reference method that keeps every result on disk, so that a calculation that was interrupted repeats none."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators import calculator as ase_calculator

from cambrian.configurable import describe
from cambrian.contracts.labeller import Labeller
from cambrian.data.labelling import charge_and_spin
from cambrian.data.whole_file import whole
from cambrian.sample.starting import calculator_of


class Remembered(ase_calculator.Calculator):
    """Energy and forces of a reference method, a file in `folder` for each geometry."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, method: Labeller, atoms: Atoms, folder: Path):
        super().__init__()
        self.method, self.folder = method, folder
        self.inner = calculator_of(method, atoms)
        self.settings = json.dumps([describe(method), method.level, charge_and_spin(atoms.info)], sort_keys=True)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = ase_calculator.all_changes,
    ) -> None:
        """Read the result of this geometry, or compute and write it."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        structure: Any = self.atoms
        digest = hashlib.sha256(self.settings.encode())
        for values in (structure.numbers, structure.positions, structure.cell.array, structure.pbc):
            digest.update(np.ascontiguousarray(values).tobytes())
        path = self.folder / f"{digest.hexdigest()[:32]}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                self.results = {"energy": float(stored["energy"]), "forces": stored["forces"]}
            return
        energy = self.inner.get_property("energy", structure)
        energy = float(self.inner.results.get("free_energy", energy))
        self.results = {"energy": energy, "forces": self.inner.get_property("forces", structure)}
        with whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **self.results)
