"""Rattled and strained structures: normal displacements of atoms, uniform deformations of the cell.

    R -> (R + N(0, σ²)) (1 + ε) (1 + v)^⅓,   cell -> cell (1 + ε) (1 + v)^⅓

with ε symmetric, its components uniform in [-s, s], and v uniform in [-volume, volume]. A draw that brings two atoms
closer than `closest` times the sum of their covalent radii is thrown away and drawn again.
"""

from pathlib import Path

import numpy as np
from ase import Atoms

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.sample.starting import seed_of, starting, too_close

TRIES = 200  # per structure


class Rattle(Sampler):
    """`n` structures from each start: atoms displaced by normal numbers of `sigma` Å, the cell strained.

    `strain` bounds the components of the strain, `volume` the relative change of the volume; `closest` is the nearest
    that two atoms may come, as a share of the sum of their covalent radii.
    """

    needs_driver = False

    def __init__(
        self, *, n: int = 100, sigma: float = 0.05, strain: float = 0.0, volume: float = 0.0, closest: float = 0.6
    ):
        if n < 1 or sigma < 0 or not 0 <= strain < 1 or not 0 <= volume < 1:
            raise UserError("rattling needs n >= 1, sigma >= 0, and strain and volume from 0 to 1")
        self.n, self.sigma, self.strain, self.volume, self.closest = n, sigma, strain, volume, closest

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Draw them; no driver is needed."""
        starts, drawn = starting(start), []
        for k, atoms in enumerate(starts):
            drawn += rattle(
                atoms,
                self.n,
                sigma=self.sigma,
                strain=self.strain,
                volume=self.volume,
                closest=self.closest,
                seed=seed_of(seed, k),
            )
            progress("rattle", (k + 1) / len(starts), f"{len(drawn)} structures")
        return drawn

    @classmethod
    def example(cls) -> "Rattle":
        """Two structures."""
        return cls(n=2, sigma=0.02)


def rattle(
    atoms: Atoms,
    n: int,
    *,
    sigma: float = 0.05,
    strain: float = 0.0,
    volume: float = 0.0,
    closest: float = 0.6,
    seed: int = 0,
    group: str = "rattle",
) -> list[Atoms]:
    """Draw `n` structures: displacements of standard deviation `sigma` Å per component, strains up to `strain`.

    Raises UserError where hardly any draw keeps the atoms apart, and for a strain of a structure that is not periodic.
    """
    if (strain or volume) and not atoms.pbc.any():
        raise UserError("a molecule has no cell to strain; leave strain and volume at 0")
    rng = np.random.default_rng(seed)
    drawn: list[Atoms] = []
    for _ in range(n):
        for _ in range(TRIES):
            candidate = _candidate(atoms, sigma, strain, volume, rng)
            if not too_close(candidate, closest):
                break
        else:
            raise UserError(
                f"{TRIES} draws in a row brought atoms closer than {closest} of their covalent distance: "
                f"lower sigma ({sigma} Å), strain ({strain}), volume ({volume}) or closest"
            )
        candidate.info["config_type"] = group
        drawn.append(candidate)
    return drawn


def _candidate(atoms: Atoms, sigma: float, strain: float, volume: float, rng: np.random.Generator) -> Atoms:
    moved = atoms.copy()
    moved.positions += rng.normal(scale=sigma, size=moved.positions.shape)
    deformation = rng.uniform(-strain, strain, size=(3, 3))
    scale = np.cbrt(1 + rng.uniform(-volume, volume))
    symmetric = np.eye(3) + 0.5 * (deformation + deformation.T)
    moved.set_cell(scale * moved.cell.array @ symmetric, scale_atoms=True)
    return moved
