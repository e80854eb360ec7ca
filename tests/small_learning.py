"""Small things to learn with: a Morse molecule of four atoms, its labeller that logs, a sampler, a selector, a recipe.

In a file that a workflow and a subprocess can name (`--own`). The labeller and the others can be told to kill their
process, by the environment: KILL=phase:n.
"""

import os
import signal
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.morse import MorsePotential

from cambrian.contracts import DescriptorPotential, Labeller, Sampler, Selector
from cambrian.data import Dataset, Structure
from cambrian.descriptors.acsf import ACSF, Radial
from cambrian.errors import UserError
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.label.by_calculator import labelled_by
from cambrian.math.symmetry_grids import GasteggerShifted
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.neural import NeuralRegressor

MORSE = {"epsilon": 1.0, "r0": 2.0, "rho0": 4.0}  # eV, Å


def tetrahedron(stretch: float = 1.0) -> Atoms:
    """Four argon atoms at the minimum of their Morse potential."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    return Atoms("Ar4", stretch * MORSE["r0"] * corners)


def kill_at(phase: str, n: int) -> None:
    """End this process as a power cut would, if KILL names this moment."""
    if os.environ.get("KILL") == f"{phase}:{n}":
        os.kill(os.getpid(), signal.SIGKILL)


class Morse(Labeller):
    """The Morse potential; every calculation leaves a line in the file `log`. Structures above `highest` eV fail."""

    def __init__(self, log: str, *, highest: float = 1e6):
        self.log, self.highest, self.n = log, highest, 0

    @property
    def level(self):
        return "Morse"

    def calculator(self, *, total_charge=0.0, spin=0.0):
        return MorsePotential(**MORSE, rcut1=20.0, rcut2=21.0)

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        self.n += 1
        kill_at("label", self.n)
        s = labelled_by(self.calculator(), atoms, level=self.level)
        if s.energy > self.highest:
            raise UserError("no convergence")
        with Path(self.log).open("a") as file:
            file.write(" ".join(f"{x:.12f}" for x in atoms.positions.ravel()) + "\n")
        return s

    @classmethod
    def example(cls):
        return cls("log.txt")


class Shaken(Sampler):
    """`n` structures with normal displacements of `width` Å."""

    needs_driver = False

    def __init__(self, *, n: int = 8, width: float = 0.05):
        self.n, self.width = n, width

    def propose(self, start, driver=None, *, seed=0, folder=None, progress=lambda stage, fraction, words: None):
        rng = np.random.default_rng(seed)
        found = []
        for k in range(self.n):
            atoms = start[k % len(start)].atoms.copy()
            atoms.positions += rng.normal(0, self.width, atoms.positions.shape)
            atoms.info["config_type"] = "shaken"
            found.append(atoms)
        return found

    @classmethod
    def example(cls):
        return cls()


class Drawn(Selector):
    """At random."""

    def choose(self, candidates, n, *, known=None, potential=None, seed=0, progress=lambda fraction: None):
        kill_at("select", len(known))
        return np.random.default_rng(seed).permutation(len(candidates))[:n].tolist()

    @classmethod
    def example(cls):
        return cls()


def features(n: int = 6) -> ACSF:
    """Shells of distance."""
    return ACSF(cutoff=5.0, functions=[Radial(GasteggerShifted(n, first=1.0))])


def shells(*, n: int = 6) -> tuple[DescriptorPotential, LeastSquares]:
    """Linear, by least squares."""
    return DescriptorPotential(features(n), LinearRegressor()), LeastSquares()


def net(*, epochs: int = 60, seed: int = 0) -> tuple[DescriptorPotential, GradientDescent]:
    """A small network by gradient descent."""
    potential = DescriptorPotential(features(), NeuralRegressor(hidden=(8,), seed=seed))
    return potential, GradientDescent(epochs=epochs, batch_size=4, learning_rate=2e-2)


def labelled(n: int, *, width: float = 0.05, seed: int = 0, log: str = os.devnull) -> Dataset:
    """Shaken tetrahedra with their labels."""
    start = Dataset([Structure(tetrahedron())])
    return Dataset(Morse(log).label(atoms) for atoms in Shaken(n=n, width=width).propose(start, seed=seed))
