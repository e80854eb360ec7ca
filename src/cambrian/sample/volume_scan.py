"""Volume scans: the same structure at volumes below and above its own, for the equation of state."""

from pathlib import Path

import numpy as np
from ase import Atoms

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.sample.starting import starting


class VolumeScan(Sampler):
    """`n` volumes of each start, evenly from 1 - `spread` to 1 + `spread` times its own; nothing is random."""

    needs_driver = False

    def __init__(self, *, n: int = 11, spread: float = 0.2):
        if n < 2 or not 0 < spread < 1:
            raise UserError("a volume scan needs n >= 2 and a spread between 0 and 1")
        self.factors = np.linspace(1 - spread, 1 + spread, n)

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Scale them; raises UserError for a structure that is not periodic in three directions."""
        scaled = []
        for atoms in starting(start):
            if not atoms.pbc.all():
                raise UserError("a volume scan needs structures that are periodic in three directions")
            for factor in self.factors:
                image = atoms.copy()
                image.set_cell(np.cbrt(factor) * atoms.cell.array, scale_atoms=True)
                image.info["config_type"] = "volume scan"
                scaled.append(image)
        return scaled

    @classmethod
    def example(cls) -> "VolumeScan":
        """Three volumes."""
        return cls(n=3)
