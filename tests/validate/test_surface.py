"""Surfaces: cut bonds are counted exactly, a cut that gains energy fails."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from matplotlib.figure import Figure

from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.morse import Morse
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.math.truncation import Plain
from cambrian.units import GPA
from cambrian.validate.surface import Surface, conventional, cut

BONDS_CUT = {"gamma_100": (4, 1 / 2), "gamma_111": (3, np.sqrt(3) / 4), "gamma_110": (6, np.sqrt(1 / 2))}
# per surface atom, and the area in a² of one: of 110 the second layer loses a bond too


def bonds(depth=0.1):
    return Morse(depth=depth, width=1.0, distance=5.3 / np.sqrt(2), cutoff=4.6, truncation=Plain())


def argon(cubic=True):
    return Dataset([Structure(bulk("Ar", cubic=cubic, a=5.3))])


@pytest.mark.parametrize("cubic", [True, False], ids=["conventional", "primitive"])
def test_bonds_that_are_cut_are_counted(cubic):
    """γ = n D / 2A with n bonds of depth D cut for each atom of area A, whatever cell was given."""
    figures = Surface(n_steps=500).run(bonds(), argon(cubic)).figures
    for name, (n, area) in BONDS_CUT.items():
        assert figures[name] == pytest.approx(n * 0.1 / (2 * area * 5.3**2), rel=1e-3), name


def test_slabs_are_thick_and_apart():
    slab = cut(conventional(bulk("Ar", a=5.3)), (1, 1, 1), thickness=12.0, vacuum=9.0)
    height = np.ptp(slab.positions[:, 2])
    assert height > 9.0  # from center to center of the outer layers
    assert slab.cell[2, 2] - height >= 9.0
    assert slab.pbc.all()


def test_known_values_judge():
    result = Surface(surfaces=[[1, 1, 1]]).run(bonds(), argon())
    assert result.verdict == "no reference"
    right = result.figures["gamma_111"]
    check = Surface(surfaces=[[1, 1, 1]], known={"gamma_111_J_per_m2": right / (10 * GPA)}, energy=1e-4)
    passed = check.run(bonds(), argon())
    assert passed.verdict == "passed"
    assert "J/m²" in passed.sentence
    assert check.run(bonds(0.13), argon()).verdict == "failed"
    for draw in passed.plots.values():
        draw(Figure().add_subplot())


def test_a_cut_that_gains_energy_fails():
    """Atoms that repel their second neighbors more than they bind the first."""
    shells = LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.0) + Morse(
        depth=0.02, width=1e-3, distance=1e4, cutoff=5.5, truncation=Plain()
    )
    result = Surface(surfaces=[[1, 0, 0]], n_steps=0).run(shells, argon())
    assert result.verdict == "failed"


def test_refusals():
    assert "no lattice" in Surface().unsuited(bonds(), Dataset([Structure(molecule("H2O"))]), None)
    with pytest.raises(UserError, match="three Miller indices"):
        Surface(surfaces=[[0, 0, 0]])
    with pytest.raises(UserError, match="figures are gamma_111"):
        Surface(surfaces=[[1, 1, 1]], known={"gamma_100": 1.0})
