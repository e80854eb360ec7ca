"""Barriers: a curved valley with a known saddle, the wrong height found out, one minimum taken for two."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.figure import Figure

from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_structures
from cambrian.units import KJ_PER_MOL
from cambrian.validate.barrier import Barrier


class CurvedWells(Potential):
    """Two wells at x = ±1 in a bent valley: E = h (x² - 1)² + t x + ½ k (y - c (1 - x²))² + ½ k z².

    Saddle at x = 0 for t = 0, with energy h.
    """

    def __init__(self, height: float = 0.4, tilt: float = 0.0):
        super().__init__()
        self.height, self.tilt, self.cutoff = height, tilt, 2.0

    def forward(self, graph):
        x, y, z = graph.positions.unbind(dim=-1)
        valley = y - 0.8 * (1 - x**2)
        energy = self.height * (x**2 - 1) ** 2 + self.tilt * x + 5 * (valley**2 + z**2)
        return Terms(sum_over_structures(energy, graph))

    @classmethod
    def example(cls):
        return cls()


class Hole(Potential):
    """The same with a hole between the wells."""

    def __init__(self):
        super().__init__()
        self.wells, self.cutoff = CurvedWells(), 2.0

    def forward(self, graph):
        x = graph.positions[:, 0]
        hole = -30 * torch.exp(-((x - 0.2) ** 2) / 0.02)
        return Terms(self.wells(graph).energy + sum_over_structures(hole, graph))

    @classmethod
    def example(cls):
        return cls()


def wells():
    return Dataset([Structure(Atoms("H", [[x, 0.1, 0.05]])) for x in (-0.9, 1.1)])


def test_the_saddle_of_a_bent_valley():
    """An even number of images has none on the saddle at first: one climbs there."""
    result = Barrier(start=0, end=1, n_images=4, fmax=0.02).run(CurvedWells(), wells())
    assert result.verdict == "no reference"
    assert result.figures["barrier"] == pytest.approx(0.4, abs=5e-4)
    assert result.figures["reaction_energy"] == pytest.approx(0.0, abs=5e-4)
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_a_tilted_valley_has_two_heights():
    """The saddle and the minima are the roots of 4 h x (x² - 1) + t."""
    height, tilt = 0.4, 0.1
    roots = np.sort(np.roots([4 * height, 0, -4 * height, tilt]).real)
    left, top, right = height * (roots**2 - 1) ** 2 + tilt * roots
    figures = Barrier(start=0, end=1, n_images=3, fmax=0.02).run(CurvedWells(height, tilt), wells()).figures
    assert figures["barrier"] == pytest.approx(top - left, abs=5e-4)
    assert figures["reverse_barrier"] == pytest.approx(top - right, abs=5e-4)
    assert figures["reaction_energy"] == pytest.approx(right - left, abs=5e-4)


def test_known_values_judge():
    check = Barrier(start=0, end=1, n_images=3, fmax=0.05, known={"barrier_kJ_per_mol": 0.4 / KJ_PER_MOL})
    assert check.run(CurvedWells(0.42), wells()).verdict == "passed"
    failed = check.run(CurvedWells(0.6), wells())
    assert failed.verdict == "failed"
    assert "where the reference has 0.4 eV" in failed.sentence


def test_one_minimum_taken_for_two_fails():
    both_left = Dataset([Structure(Atoms("H", [[x, 0.1, 0.0]])) for x in (-0.9, -1.1)])
    result = Barrier(start=0, end=1, fmax=1e-3).run(CurvedWells(), both_left)
    assert result.verdict == "failed"
    assert "one minimum" in result.sentence


def test_a_hole_on_the_way_fails():
    result = Barrier(start=0, end=1).run(Hole(), wells())
    assert result.verdict == "failed"
    assert "a hole" in result.sentence


@pytest.mark.slow
def test_ammonia_turns_inside_out_as_xtb_does_it():
    """At the planar molecule, by symmetry the saddle."""
    pytest.importorskip("tblite")
    from cambrian.label.tblite import Tblite
    from cambrian.validate.minimum import relaxed

    up, method = molecule("NH3"), Tblite()
    down, flat = up.copy(), up.copy()
    down.positions[:, 2] *= -1
    flat.positions[:, 2] = 0.0
    flat.calc = method.calculator()
    planar = relaxed(flat, fmax=1e-3, n_steps=100).get_potential_energy()
    ends = Dataset([Structure(up), Structure(down)])
    check = Barrier(start=0, end=1, n_images=5)
    measured = check._measure(check._ends(ends), method, lambda fraction: None).figures
    up.calc = method.calculator()
    minimum = relaxed(up, fmax=1e-3, n_steps=100).get_potential_energy()
    assert measured["barrier"] == pytest.approx(planar - minimum, abs=2e-3)


def test_refusals():
    assert "`start` and `end`" in Barrier().unsuited(CurvedWells(), wells(), None)
    assert Barrier(start=0, end=1).unsuited(CurvedWells(), wells(), None) == ""
    mixed = Dataset([Structure(Atoms("H")), Structure(Atoms("He")), Structure(bulk("H", "fcc", a=3))])
    with pytest.raises(UserError, match="same atoms in the same order"):
        Barrier(start=0, end=1).run(CurvedWells(), mixed)
