"""Survival: argon lives, and holes at short range, broken bonds and leaking energy are found."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.figure import Figure

from cambrian.calculator import Calculator
from cambrian.classical.harmonic import Harmonic
from cambrian.classical.lennard_jones import LennardJones
from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_neighbors
from cambrian.validate.breaking import Breaking, Broke, shortest_distances
from cambrian.validate.squeeze import push, squeeze
from cambrian.validate.survival import Survival


def argon(a=5.3):
    return bulk("Ar", cubic=True, a=a)


def lennard_jones():
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0)


class Holed(Potential):
    """Lennard-Jones whose wall is taken down inside `edge` Å, as fits without short distances do."""

    def __init__(self, edge: float, depth: float = 20.0):
        super().__init__()
        self.inner, self.edge, self.depth = lennard_jones(), edge, depth
        self.cutoff, self.elements = self.inner.cutoff, self.inner.elements

    def forward(self, graph):
        near = graph.within(self.cutoff)
        inside = torch.relu(self.edge - near.r_ij.norm(dim=-1))
        hole = -0.5 * self.depth * sum_over_neighbors(inside**3, near)
        return Terms.of_atoms(self.inner(graph).atomic_energies + hole, graph)

    @classmethod
    def example(cls):
        return cls(3.0)


def check(**changed):
    how = {"temperature_K": 40, "factors": (1.0, 2.0), "duration_ps": 0.32, "timestep_fs": 4.0}
    return Survival(**how | changed)


def test_argon_survives():
    heard = []
    result = check().run(lennard_jones(), Dataset([Structure(argon())]), progress=heard.append)
    assert result.verdict == "passed"
    assert result.figures["survived_ps"] == pytest.approx(0.64)
    assert result.figures["hottest_survived_K"] == 80
    assert result.figures["smallest_volume"] == pytest.approx(0.5)
    assert result.figures["shortest_distances"] == {"Ar-Ar": 0.6}
    assert abs(result.figures["drift"]) < 1e-3
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_a_hole_at_short_range_is_found():
    result = check(duration_ps=0.04).run(Holed(3.6, 100.0), Dataset([Structure(argon())]))
    assert result.verdict == "failed"
    assert result.figures["smallest_volume"] > 0.85
    assert "stops to repel" in result.sentence
    deeper = check(temperature_K=400).run(Holed(3.7, 300.0), Dataset([Structure(argon())]))
    assert deeper.figures["survived_ps"] < 0.64
    assert "at 400 K" in deeper.sentence
    assert deeper.figures["drift"] is None


def test_a_leak_of_energy_is_found():
    class Leaky(Holed):
        n_calls = 0

        def forward(self, graph):
            self.n_calls += 1
            terms = self.inner(graph)
            return Terms(terms.energy + 4e-4 * self.n_calls * torch.ones_like(terms.energy))

    result = check(factors=(1.0,)).run(Leaky(1.0), Dataset([Structure(argon())]))
    assert "at constant energy it drifts by" in result.sentence
    assert result.figures["drift"] == pytest.approx(4e-4 / 4 / 0.004, rel=0.1)


def test_repulsion_ends_where_it_ends():
    def held(potential, atoms):
        atoms.calc = Calculator(potential)
        return atoms

    whole = squeeze(held(lennard_jones(), argon()))
    assert whole.repels_to == pytest.approx(0.5)
    for edge in (3.4, 3.2):
        found = squeeze(held(Holed(edge, 300.0), argon()))
        starts = (edge / (5.3 / np.sqrt(2))) ** 3  # the nearest neighbors come to the edge of the hole
        assert starts - 0.08 < found.repels_to <= starts + 0.03
    dimer = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.9]])
    assert push(held(lennard_jones(), dimer.copy())) == {"Ar-Ar": 0.6}
    pushed = push(held(Holed(2.8, 300.0), dimer.copy()))
    assert 2.6 / 3.9 <= pushed["Ar-Ar"] <= 2.85 / 3.9


def test_what_breaks():
    water = molecule("H2O")
    water.calc = Calculator(Harmonic(strength=10.0, distance=0.97, cutoff=1.3))
    limits = {"largest_force": 50.0, "shortest_distance": 0.6, "longest_bond": 1.5}
    breaking = Breaking(water, Dataset([Structure(water)]), **limits)
    assert len(breaking.bonds[0]) == 2
    breaking(water)
    assert breaking.n_frames == 1
    bond = water.positions[1] - water.positions[0]
    for factor, words in ((1.6, "bond between O 0 and H 1 is 1.60"), (0.55, "0.53 Å apart")):
        moved = water.copy()
        moved.calc = water.calc
        moved.positions[1] = moved.positions[0] + factor * bond
        with pytest.raises(Broke, match=words):
            breaking(moved)
    stiff = water.copy()
    stiff.calc = Calculator(Harmonic(strength=1000.0, distance=1.1, cutoff=1.3))
    with pytest.raises(Broke, match="the force on atom"):
        breaking(stiff)
    known = shortest_distances([water])
    assert known[1, 8] == pytest.approx(0.9686, abs=1e-3)
    assert known[18, 18] == pytest.approx(2.12)


def test_refusals():
    assert "give a file" in Survival().unsuited(lennard_jones(), None, None)
    assert "single atom" in Survival().unsuited(lennard_jones(), Dataset([Structure(Atoms("Ar"))]), None)
    with pytest.raises(UserError, match="give one after the potential"):
        Survival().run(lennard_jones())
    with pytest.raises(UserError, match="at least one factor"):
        Survival(factors=())
