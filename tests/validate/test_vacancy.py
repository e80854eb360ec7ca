"""Vacancies: pair energies count the bonds that are broken, relaxation gains, planted values are told apart."""

import numpy as np
import pytest
from ase.build import bulk
from matplotlib.figure import Figure

from cambrian.classical.harmonic import Harmonic
from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.morse import Morse
from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_neighbors
from cambrian.math.truncation import Plain
from cambrian.validate.vacancy import Vacancy


def argon():
    return Dataset([Structure(bulk("Ar", cubic=True, a=5.3))])


def lennard_jones():
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0)


class ManyBody(Potential):
    """E_i = depth (z_i - 12)² with a smooth count z_i of neighbors: for depth < 0 losing one lowers the energy."""

    def __init__(self, depth: float = -0.2):
        super().__init__()
        self.depth, self.cutoff, self.springs = depth, 4.5, springs()

    def forward(self, graph):
        r = graph.r_ij.norm(dim=-1)
        count = sum_over_neighbors((1 - ((r - 3.7) / 1.0).clamp(0, 1) ** 2) ** 2, graph)
        return Terms.of_atoms(self.depth * (count - 12) ** 2 + self.springs(graph).atomic_energies, graph)

    @classmethod
    def example(cls):
        return cls()


def springs():
    return Harmonic(strength=1.0, distance=5.3 / np.sqrt(2), cutoff=4.5, truncation=Plain())


def test_bonds_of_pairs_are_counted():
    """Without relaxation E_f = 12 bonds / 2 where each costs the depth D, so E_f = 6 D = -E_coh."""
    bonds = Morse(depth=0.1, width=1.0, distance=3.75, cutoff=4.6, truncation=Plain())
    figures = Vacancy(length=9.0, fmax=1e-5).run(bonds, argon()).figures
    assert figures["unrelaxed_energy"] == pytest.approx(0.6, rel=1e-6)
    assert figures["formation_energy"] <= figures["unrelaxed_energy"] + 1e-9
    assert figures["n_atoms"] == 32


def test_relaxation_gains_energy():
    result = Vacancy(fmax=1e-4).run(lennard_jones(), argon())
    assert result.verdict == "no reference"
    assert 0 < result.figures["formation_energy"] < result.figures["unrelaxed_energy"]
    assert result.figures["n_atoms"] == 32
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_a_crystal_that_gains_by_losing_an_atom_fails():
    result = Vacancy(length=9.0, n_steps=500).run(ManyBody(), argon())
    assert result.verdict == "failed"
    assert "losing an atom" in result.sentence or "ran away" in result.sentence


def test_known_values_judge():
    right = Vacancy(length=9.0).run(lennard_jones(), argon()).figures["formation_energy"]
    assert Vacancy(length=9.0, known={"formation_energy_meV": 1e3 * right}).run(lennard_jones(), argon()).verdict == (
        "passed"
    )
    failed = Vacancy(length=9.0, known={"formation_energy": right + 0.2}).run(lennard_jones(), argon())
    assert failed.verdict == "failed"
    assert "formation energy" in failed.sentence


def test_a_compound_needs_a_chemical_potential():
    salt = Dataset([Structure(bulk("NaCl", "rocksalt", a=5.64, cubic=True))])
    pairs = LennardJones(epsilon=0.1, sigma=2.5, cutoff=6.0)
    assert "chemical_potential" in Vacancy().unsuited(pairs, salt, None)
    with pytest.raises(UserError, match="chemical_potential"):
        Vacancy().run(pairs, salt)
    a, b = (
        Vacancy(chemical_potential=mu, length=5.0).run(pairs, salt).figures["formation_energy"] for mu in (0.0, -1.0)
    )
    assert a - b == pytest.approx(1.0)
    with pytest.raises(UserError, match="no site 9"):
        Vacancy(site=9).run(lennard_jones(), argon())
