"""Phonons: springs have their dispersion in closed form; an unstable lattice and a broken sum rule are found."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from matplotlib.figure import Figure

from cambrian.classical.harmonic import Harmonic
from cambrian.classical.lennard_jones import LennardJones
from cambrian.contracts import Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.label.ase import ASELabeller
from cambrian.math.truncation import EnergyShifted, Plain
from cambrian.units import TIME
from cambrian.validate.phonons import Phonons

pytest.importorskip("phonopy")
A, STRENGTH = 5.3, 1.0
MASS = bulk("Ar").get_masses()[0]


def argon(**how):
    return Dataset([Structure(bulk("Ar", a=A, **how))])


def springs(strength=STRENGTH):
    return Harmonic(strength=strength, distance=A / np.sqrt(2), cutoff=4.5, truncation=Plain())


def lennard_jones(epsilon=0.0104):
    return LennardJones(epsilon=epsilon, sigma=3.4, cutoff=6.0, truncation=EnergyShifted())


class Tethered(Potential):
    """Springs, and one to the place where each atom began: no acoustic sum rule."""

    def __init__(self):
        super().__init__()
        self.springs, self.cutoff = springs(), 4.5
        self.home: torch.Tensor | None = None

    def forward(self, graph):
        inner = self.springs(graph)
        if self.home is None or self.home.shape != graph.positions.shape:
            self.home = graph.positions.detach().clone()
        return Terms.of_atoms(inner.atomic_energies + 0.05 * ((graph.positions - self.home) ** 2).sum(dim=-1), graph)

    @classmethod
    def example(cls):
        return cls()


def dispersion(k):
    """THz, of an fcc crystal of nearest-neighbor springs at rest: D(k) = Σ_R (k_s/m) (1 - cos k R) R̂ R̂ᵀ."""
    steps = [np.array(v) for v in np.ndindex(3, 3, 3)]
    neighbors = [A / 2 * (v - 1) for v in steps if np.abs(v - 1).sum() == 2]
    outer = [np.outer(r, r) / (r @ r) for r in neighbors]
    matrix = 2 * STRENGTH / MASS * sum((1 - np.cos(k @ r)) * o for r, o in zip(neighbors, outer, strict=True))
    return np.sqrt(np.maximum(np.linalg.eigvalsh(matrix), 0)) / (2 * np.pi * TIME * 1e-3)


@pytest.mark.parametrize("cubic", [False, True], ids=["primitive", "conventional"])
def test_springs_have_the_dispersion_in_closed_form(cubic):
    result = Phonons(displacement=1e-4).run(springs(), argon(cubic=cubic))
    assert result.verdict == "no reference"
    curve = result.plots["phonon_bands"].keywords["curves"]["potential"]
    primitive = A / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    wave_vectors = 2 * np.pi * curve["kpts"] @ np.linalg.inv(primitive).T
    expected = np.array([dispersion(k) for k in wave_vectors])
    assert np.abs(curve["bands"] - expected).max() < 1e-6 * expected.max()
    assert result.figures["acoustic_sum"] < 1e-9
    assert result.figures["lowest_THz"] > -1e-4
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_known_frequencies_judge():
    at_x = sorted(dispersion(np.array([0, 0, 2 * np.pi / A])))
    check = Phonons(displacement=1e-3, known_THz={"X": at_x[::-1]}, frequency_THz=1e-3)
    passed = check.run(springs(), argon())
    assert passed.verdict == "passed", passed.sentence
    assert check.run(springs(1.2 * STRENGTH), argon()).verdict == "failed"
    with pytest.raises(UserError, match="3 frequencies at each of the points"):
        Phonons(known_THz={"Q": at_x}).run(springs(), argon())


def test_an_unstable_lattice_has_imaginary_modes():
    result = Phonons().run(lennard_jones(), Dataset([Structure(bulk("Ar", "bcc", a=4.2))]))
    assert result.verdict == "failed"
    assert "imaginary modes" in result.sentence
    assert result.figures["lowest_THz"] < -0.2


def test_a_broken_sum_rule_is_found():
    result = Phonons().run(Tethered(), argon())
    assert result.verdict == "failed"
    assert "acoustic sum rule" in result.sentence
    assert result.figures["acoustic_sum"] == pytest.approx(0.1, rel=1e-6)


def test_against_a_method():
    method = ASELabeller("lj", arguments={"sigma": 3.4, "epsilon": 0.0104, "rc": 6.0})
    check = Phonons(frequency_THz=1e-3)
    passed = check.run(lennard_jones(), argon(), method=method)
    assert passed.verdict == "passed", passed.sentence
    assert check.run(lennard_jones(0.02), argon(), method=method).verdict == "failed"
    for draw in passed.plots.values():
        draw(Figure().add_subplot())


def test_a_molecule_has_no_phonons():
    assert "no lattice" in Phonons().unsuited(springs(), Dataset([Structure(molecule("H2O"))]), None)
