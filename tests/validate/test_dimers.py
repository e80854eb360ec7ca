"""Curves of two atoms: sound ones pass; a hole, an attraction at short range and each kind of jump are found."""

import numpy as np
import pytest
import torch
from ase import Atoms
from matplotlib.figure import Figure

from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.morse import Morse
from cambrian.contracts import Labeller, Potential, Terms
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import sum_over_neighbors
from cambrian.label.ase import ASELabeller
from cambrian.math.truncation import EnergyShifted, Plain
from cambrian.validate.dimers import Dimers


def lennard_jones(truncation=None):
    how = {} if truncation is None else {"truncation": truncation}
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0, **how)


class Planted(Potential):
    """A sound curve with `flaw(r)` added."""

    def __init__(self, flaw):
        super().__init__()
        self.inner, self.flaw = lennard_jones(), flaw
        self.cutoff, self.elements = 6.0, self.inner.elements

    def forward(self, graph):
        flaw = 0.5 * sum_over_neighbors(self.flaw(graph.r_ij.norm(dim=-1)), graph)
        return Terms.of_atoms(self.inner(graph).atomic_energies + flaw, graph)

    @classmethod
    def example(cls):
        return cls(torch.zeros_like)


def test_a_sound_curve_has_its_depth_and_distance():
    result = Dimers(n_points=400).run(LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=15.0))
    assert result.verdict == "no reference", result.sentence
    assert result.figures["Ar-Ar_distance"] == pytest.approx(2 ** (1 / 6) * 3.4, abs=0.05)
    assert result.figures["Ar-Ar_depth"] == pytest.approx(0.0104, rel=5e-3)
    assert result.figures["Ar-Ar_energy_jump"] < 1e-9
    for draw in result.plots.values():
        draw(Figure().add_subplot())


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (lambda r: -40 * torch.exp(-((r - 2.3) ** 2) / 0.01), "a hole of"),
        (lambda r: -1e11 * torch.exp(-10 * r), "no repulsion at"),
        (lambda r: -4e-3 * (r < 4.321), "the energy jumps by 0.004 eV at 4.321"),
        (lambda r: 0.05 * torch.relu(4.321 - r), "the force jumps by 0.05 eV/Å at 4.321"),
    ],
    ids=["hole", "attraction", "energy jump", "force jump"],
)
def test_a_planted_flaw_is_found(flaw, words):
    result = Dimers().run(Planted(flaw))
    assert result.verdict == "failed"
    assert words in result.sentence


def test_a_plain_cut_jumps():
    """By as much as the curve has left there, at the cutoff."""
    result = Dimers().run(lennard_jones(Plain()))
    left = 4 * 0.0104 * ((3.4 / 6) ** 6 - (3.4 / 6) ** 12)
    assert result.verdict == "failed"
    assert result.figures["Ar-Ar_energy_jump"] == pytest.approx(left, rel=1e-4)
    assert result.figures["Ar-Ar_energy_jump_at"] == pytest.approx(6.0, abs=1e-4)
    shifted = Dimers().run(lennard_jones(EnergyShifted()))
    assert "the force jumps" in shifted.sentence
    assert "the energy jumps" not in shifted.sentence


def test_every_pair_of_elements():
    table = {"H": 4.5, "H-O": 4.8, "O": 5.2}
    potential = Morse(depth=table, width=2.0, distance={"H": 0.74, "H-O": 0.97, "O": 1.2}, cutoff=5.0)
    result = Dimers(n_points=60).run(potential)
    assert {"H-H_depth", "H-O_depth", "O-O_depth"} <= set(result.figures)
    assert result.figures["H-O_depth"] == pytest.approx(4.8, rel=0.02)
    assert set(result.plots) == {"dimer_H-H", "dimer_H-O", "dimer_O-O"}


def test_against_a_method():
    arguments = {"sigma": 3.4, "epsilon": 0.0104, "rc": 6.0}
    ours = lennard_jones(EnergyShifted())
    check = Dimers(force_jump=1.0, energy=1e-6)
    assert check.run(ours, method=ASELabeller("lj", arguments=arguments)).verdict == "passed"
    failed = check.run(ours, method=ASELabeller("lj", arguments=arguments | {"sigma": 3.5}))
    assert failed.verdict == "failed"
    assert "Ar-Ar error" in failed.sentence


class Failing(Labeller):
    """A method that finds no self-consistency beyond a distance."""

    level = "lj"

    def __init__(self, reach):
        self.reach = reach

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        raise NotImplementedError("dimers ask for a calculator")

    def calculator(self, *, total_charge=0.0, spin=0.0):
        inner = ASELabeller("lj", arguments={"sigma": 3.4, "epsilon": 0.0104, "rc": 6.0}).calculator()
        calculate, reach = inner.calculate, self.reach

        def failing(atoms=None, *rest, **named):
            if atoms.get_distance(0, 1) > reach:
                raise RuntimeError("not converged")
            return calculate(atoms, *rest, **named)

        inner.calculate = failing
        return inner


def test_a_method_that_fails_somewhere_is_compared_where_it_does_not():
    ours = lennard_jones(EnergyShifted())
    check = Dimers(force_jump=1.0, energy=1e-6)
    part = check.run(ours, method=Failing(5.0))
    assert part.verdict == "passed"
    assert part.figures["Ar-Ar_error"] < 1e-6
    nowhere = check.run(ours, method=Failing(0.0))
    assert nowhere.verdict == "no reference"
    assert "the method fails for Ar-Ar" in nowhere.sentence
    assert Dimers(force_jump=1.0).run(ours, method=Failing(5.0)).verdict == "no reference"


def test_refusals():
    anything = LennardJones(epsilon=0.01, sigma=3.4)
    assert "name the elements" in Dimers().unsuited(anything, None, None)
    data = Dataset([Structure(Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]]))])
    assert Dimers().unsuited(anything, data, None) == ""
    with pytest.raises(UserError, match="n_points of at least 20"):
        Dimers(n_points=5)
    assert np.isfinite(Dimers(elements=["Kr"]).run(anything).figures["Kr-Kr_depth"])
