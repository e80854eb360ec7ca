"""Relaxation: minima that stay, minima that moved, and atoms that run away."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.figure import Figure

from cambrian.calculator import Calculator
from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.morse import Morse
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.label.ase import ASELabeller
from cambrian.math.truncation import EnergyShifted
from cambrian.validate.minimum import NoMinimum, relaxed, relaxed_with_cell
from cambrian.validate.relaxation import Relaxation, displacements

BOND = 1.1


def bonds(distance=BOND, depth=8.0):
    return Morse(depth=depth, width=2.5, distance=distance, cutoff=6.0)


def nitrogen(stretch=0.0, force=0.0):
    atoms = Atoms("N2", [[0, 0, 0], [0, 0, BOND + stretch]])
    forces = np.array([[0, 0, force], [0, 0, -force]])
    return Structure(atoms, energy=-8.0, forces=forces)


def test_a_minimum_of_both_stays():
    result = Relaxation().run(bonds(), Dataset([nitrogen(force=0.02)]))
    assert result.verdict == "passed", result.sentence
    assert result.figures["rmsd"] < 1e-3
    for draw in result.plots.values():
        draw(Figure().add_subplot())


def test_a_planted_bond_length_is_found():
    """A bond 0.3 Å too long moves each atom by 0.15 Å; the energy that this gains is that of a Morse curve."""
    result = Relaxation(fmax=1e-4).run(bonds(distance=BOND + 0.3), Dataset([nitrogen()]))
    assert result.verdict == "failed"
    assert result.figures["rmsd"] == pytest.approx(0.15, abs=1e-3)
    assert result.figures["energy_change"] == pytest.approx(-0.5 * 8.0 * (1 - np.exp(2.5 * 0.3)) ** 2, rel=1e-2)


def test_atoms_that_run_away_fail():
    """Atoms far inside the repulsion of a curve with no bond fly off."""
    far = LennardJones(epsilon=2.0, sigma=9.0, cutoff=30.0)
    result = Relaxation().run(far, Dataset([nitrogen(0.5)]))
    assert result.verdict == "failed"
    assert "ran away" in result.sentence


def test_against_the_minimum_of_a_method():
    """From a start that is no minimum of anything."""
    arguments = {"sigma": 1.0, "epsilon": 8.0, "rc": 6.0}
    ours = LennardJones(epsilon=8.0, sigma=1.0, cutoff=6.0, truncation=EnergyShifted())
    data = Dataset([nitrogen(0.15, force=1.9)])
    alone = Relaxation().run(ours, data)
    assert alone.verdict == "no reference"
    assert alone.figures["rmsd"] > 0.03
    beside = Relaxation(rmsd=1e-3, energy_change=1e-4).run(ours, data, method=ASELabeller("lj", arguments=arguments))
    assert beside.verdict == "passed", beside.sentence
    other = ASELabeller("lj", arguments=arguments | {"sigma": 1.2})
    assert Relaxation().run(ours, data, method=other).verdict == "failed"


def test_minima_by_symmetry_come_last():
    """They would pass with any potential."""
    symmetric = Structure(bulk("Ar", a=5.3), forces=np.zeros((1, 3)))
    cubic = Structure(bulk("Ar", cubic=True, a=5.3), forces=np.zeros((4, 3)))
    calm = Structure(bulk("Ar", cubic=True, a=5.3), forces=np.full((4, 3), 0.02))
    result = Relaxation(n_structures=2).run(
        LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.0), Dataset([symmetric, cubic, calm])
    )
    assert list(result.figures["structures"]) == ["2", "1"]


def test_what_moves_no_atom_against_another_does_not_count():
    atoms = molecule("CH3CH2OH")
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3))
    turned.translate((1, 0, 2))
    assert np.abs(displacements(atoms, turned)).max() < 1e-9
    crystal = bulk("Ar", cubic=True)
    moved = crystal.copy()
    moved.translate((0.3, 0, 0))
    assert np.abs(displacements(crystal, moved)).max() < 1e-12


def test_the_minimizer_says_why_it_stopped():
    start = bulk("Ar", cubic=True, a=5.0)
    start.positions += np.random.default_rng(0).normal(0, 0.1, (4, 3))
    start.calc = Calculator(LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.0))
    with pytest.raises(NoMinimum, match="after 2 steps"):
        relaxed(start, fmax=1e-6, n_steps=2)
    assert relaxed(start, fmax=1e-6, n_steps=0).positions == pytest.approx(start.positions)
    done = relaxed_with_cell(start, fmax=1e-5, n_steps=500)
    assert np.abs(done.get_stress()).max() < 1e-5
    assert np.abs(done.get_forces()).max() < 1e-5
    start.set_cell(2 * start.cell.array, scale_atoms=True)
    start.calc = Calculator(LennardJones(epsilon=2.0, sigma=9.0, cutoff=20.0))
    with pytest.raises(NoMinimum, match="ran away"):
        relaxed_with_cell(start, fmax=1e-5, n_steps=500)


def test_refusals():
    with pytest.raises(UserError, match="give a file"):
        Relaxation().run(bonds())
    assert "`frames`" in Relaxation().unsuited(bonds(), Dataset([nitrogen(force=30.0)]), None)
