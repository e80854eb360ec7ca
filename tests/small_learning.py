"""Small things to learn with: a Morse molecule of four atoms, its labeller that logs, a sampler, a selector, a recipe.

In a file that a workflow and a subprocess can name (`--own`). The labeller and the others can be told to kill their
process, or to raise PowerCut, by the environment.
"""

import os
import signal
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.morse import MorsePotential

from cambrian.contracts import DescriptorPotential, Labeller, Sampler, Selector, Solver, Trigger
from cambrian.data import Dataset, Structure
from cambrian.descriptors.acsf import ACSF, Radial
from cambrian.errors import UserError
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.label.by_calculator import labelled_by
from cambrian.learn import Exploration, Plan, Source
from cambrian.learn.committee_disagreement import CommitteeDisagreement
from cambrian.math.symmetry_grids import GasteggerShifted
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.neural import NeuralRegressor
from cambrian.sample.ensembles import NVT

MORSE = {"epsilon": 1.0, "r0": 2.0, "rho0": 4.0}  # eV, Å


def tetrahedron(stretch: float = 1.0) -> Atoms:
    """Four argon atoms at the minimum of their Morse potential."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    return Atoms("Ar4", stretch * MORSE["r0"] * corners)


class PowerCut(BaseException):
    """An end that nothing catches."""


def cut_at(phase: str, n: int) -> None:
    """End here, if the environment says so: CUT=phase:n raises, KILL=phase:n kills the process."""
    if os.environ.get("CUT") == f"{phase}:{n}":
        raise PowerCut
    if os.environ.get("KILL") == f"{phase}:{n}":
        os.kill(os.getpid(), signal.SIGKILL)


class LoggedMorse(Labeller):
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
        cut_at("label", self.n)
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
        cut_at("sample", self.n)
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
        cut_at("select", len(known))
        return np.random.default_rng(seed).permutation(len(candidates))[:n].tolist()

    @classmethod
    def example(cls):
        return cls()


class Disagreement(Trigger):
    """CommitteeDisagreement that can be cut at its nth look."""

    unit = "eV/Å"

    def __init__(self, *, low: float = 0.1, high: float = 2.0):
        self.low, self.high, self.n = low, high, 0

    def measure(self, potential, known):
        inner = CommitteeDisagreement(low=self.low, high=self.high).measure(potential, known)

        def looked(graph):
            self.n += 1
            cut_at("explore", self.n)
            return inner(graph)

        return looked

    @classmethod
    def example(cls):
        return cls()


class Squares(Solver):
    """LeastSquares that can be cut at a number of structures; plus 1000 for the second member of a committee."""

    def solve(self, problem):
        cut_at("fit", len(problem.train) + problem.seed)
        return LeastSquares().solve(problem)

    @classmethod
    def example(cls):
        return cls()


def features(n: int = 6) -> ACSF:
    """Shells of distance."""
    return ACSF(cutoff=5.0, functions=[Radial(GasteggerShifted(n, first=1.0))])


def shells(*, n: int = 10) -> tuple[DescriptorPotential, Squares]:
    """Linear, by least squares."""
    return DescriptorPotential(features(n), LinearRegressor()), Squares()


def net(*, epochs: int = 60, seed: int = 0) -> tuple[DescriptorPotential, GradientDescent]:
    """A small network by gradient descent."""
    potential = DescriptorPotential(features(), NeuralRegressor(hidden=(8,), seed=seed))
    return potential, GradientDescent(epochs=epochs, batch_size=4, learning_rate=2e-2)


def labelled(n: int, *, width: float = 0.05, seed: int = 0, log: str = os.devnull) -> Dataset:
    """Shaken tetrahedra with their labels."""
    start = Dataset([Structure(tetrahedron())])
    return Dataset(LoggedMorse(log).label(atoms) for atoms in Shaken(n=n, width=width).propose(start, seed=seed))


def plan(folder: Path, **changes) -> Plan:
    """A plan that is done in a moment; the reference logs into `folder`."""
    start = Dataset([Structure(tetrahedron())])
    settings = {
        "method": LoggedMorse(str(folder / "log.txt")),
        "start": start,
        "initial": Source(samplers=(Shaken(n=4, width=0.02),)),
        "test": Source(samplers=(Shaken(n=6, width=0.1),)),
        "make": shells,
        "exploration": Exploration([NVT(1200.0)], n_runs=1, n_steps=40, timestep_fs=8.0, every=5),
        "trigger": Disagreement(low=1e-12, high=1e6),
        "selector": Drawn(),
        "n_members": 2,
        "labels_per_round": 3,
        "max_rounds": 2,
        "workers": 0,
    }
    return Plan(**{**settings, **changes})
