"""Tiny labelled structures: argon by ASE's Lennard-Jones calculator, enough to fit in a moment."""

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write


def argon(n_frames: int = 24, *, seed: int = 0, size: int = 2, spread: float = 0.25) -> list[Atoms]:
    """Rattled and strained fcc argon with energy, forces and stress; two groups."""
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(n_frames):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=True).repeat((size, 1, 1))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.02, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, spread, atoms.positions.shape)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info["config_type"] = "bulk" if k % 2 else "hot"
        frames.append(atoms)
    return frames


def write_argon(path: Path, n_frames: int = 24, **how) -> Path:
    """The same in a file."""
    write(path, argon(n_frames, **how), format="extxyz")
    return path


def copper(n_frames: int = 24, *, factors: dict[str, float], strain: float = 0.005) -> list[Atoms]:
    """Slightly rattled and strained copper by effective medium theory, each label times a factor."""
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(n_frames):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, strain, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, 0.03, atoms.positions.shape)
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        labels = {name: factors.get(name, 1.0) * value for name, value in labels.items()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames
