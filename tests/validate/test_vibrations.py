"""Vibrations: springs between atoms in closed form, intensities by hand, and a saddle point found out."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from matplotlib.figure import Figure

from cambrian.classical.harmonic import Harmonic
from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_structures
from cambrian.math.truncation import Plain
from cambrian.validate.vibrations import Vibrations

BOND, STRENGTH = 1.16, 40.0
LIGHT = 2.99792458e-5  # cm/fs
AMU = 103.642696  # eV fs²/Å² in an amu


def carbon_dioxide(bent=0.0):
    return Dataset([Structure(Atoms("OCO", [[-BOND, 0, bent], [0, 0, 0], [BOND, 0, bent]]))])


class Charged(Potential):
    """Springs along the bonds, a force constant against bending, and a dipole of fixed charges."""

    def __init__(self, bending: float = 2.0):
        super().__init__()
        self.bonds = Harmonic(strength={"C-O": STRENGTH, "C": 0, "O": 0}, distance=BOND, cutoff=1.8, truncation=Plain())
        self.bending, self.cutoff, self.charge = bending, 1.8, 0.5
        self.elements = self.bonds.elements

    def forward(self, graph):
        left, center, right = graph.positions.reshape(-1, 3, 3).unbind(dim=1)
        shift = (left + right - 2 * center)[:, 1:]
        energy = self.bonds(graph).energy + self.bending * (shift**2).sum(dim=-1)
        charges = self.charge * torch.where(graph.numbers == 6, 2.0, -1.0).to(graph.positions)
        return Terms(energy, dipole=sum_over_structures(charges[:, None] * graph.positions, graph))

    @classmethod
    def example(cls):
        return cls()


def per_cm(force_constant, mass):
    """Wavenumber of a mode; eV/Å² and amu."""
    return np.sign(force_constant) * np.sqrt(abs(force_constant) / (mass * AMU)) / (2 * np.pi * LIGHT)


def lines(bending=2.0):
    """Bending (twice), symmetric and antisymmetric stretching of O=C=O in closed form."""
    carbon, oxygen = Atoms("CO").get_masses()
    reduced = 1 / (1 / oxygen + 2 / carbon)  # both oxygens against carbon
    bend = per_cm(4 * bending, reduced)  # V = κ (2 u)², u = shift of either oxygen against carbon, mass 2 x reduced
    k = 2 * STRENGTH
    return [bend, bend, per_cm(k, oxygen), per_cm(k, reduced)]


def test_a_linear_molecule_of_springs_in_closed_form():
    result = Vibrations(step=1e-3, fmax=1e-6).run(Charged(), carbon_dioxide())
    assert result.figures["frequencies_per_cm"] == pytest.approx(lines(), rel=1e-4)
    assert result.verdict == "no reference"
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_intensities_of_fixed_charges():
    """|dμ/dQ|² = (Σ q_i e_i / √m_i)²: none for the symmetric stretch; 974.88 km/mol for one (e)²/amu."""
    figures = Vibrations(step=1e-3, fmax=1e-6).run(Charged(), carbon_dioxide()).figures
    carbon, oxygen = Atoms("CO").get_masses()
    reduced = 1 / (1 / oxygen + 2 / carbon)
    active = 974.88 * 2 * 0.5**2 / reduced
    assert figures["intensities_km_per_mol"] == pytest.approx([active, active, 0.0, active], rel=1e-3, abs=1e-6)


def test_known_lines_judge():
    right = lines()
    check = Vibrations(known_per_cm=right[::-1], mae_per_cm=1.0)
    passed = check.run(Charged(), carbon_dioxide())
    assert passed.verdict == "passed", passed.sentence
    failed = check.run(Charged(3.0), carbon_dioxide())
    assert failed.verdict == "failed"
    assert "mae" in failed.sentence
    with pytest.raises(UserError, match="4 vibrations"):
        Vibrations(known_per_cm=[1.0]).run(Charged(), carbon_dioxide())


def test_a_saddle_point_is_no_minimum():
    """With a negative force constant the linear molecule is held at rest by its symmetry alone."""
    result = Vibrations().run(Charged(-1.0), carbon_dioxide())
    assert result.verdict == "failed"
    assert "imaginary down to" in result.sentence


def test_against_xtb():
    """The reference method is relaxed to its own minimum, and has intensities."""
    pytest.importorskip("tblite")
    from cambrian.label.tblite import Tblite

    result = Vibrations(fmax=0.01).run(Charged(), carbon_dioxide(), method=Tblite())
    assert result.reference["frequencies_per_cm"][-1] > 2000
    assert result.reference["intensities_km_per_mol"][-1] > 100
    assert result.figures["largest_error_per_cm"] >= result.figures["mae_per_cm"] > 0
    assert result.verdict == "failed"
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_refusals():
    crystal = Dataset([Structure(bulk("Ar"))])
    assert "molecule" in Vibrations().unsuited(Charged(), crystal, None)
    with pytest.raises(UserError, match="molecule"):
        Vibrations().run(Charged(), crystal)
