"""xTB against derivatives of its own energy and known molecules; ASE's calculators against themselves."""

import importlib.util
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from cambrian.configurable import describe
from cambrian.contracts.catalogue import build, classes
from cambrian.contracts.labeller import Labeller
from cambrian.errors import MissingExtraError, UserError
from cambrian.label.ase import ASELabeller
from cambrian.label.tblite import Tblite

xtb = pytest.mark.skipif(importlib.util.find_spec("tblite") is None, reason="needs tblite")


def strained(atoms, strain):
    deformed = atoms.copy()
    deformed.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return deformed


@xtb
@pytest.mark.parametrize("method", ["GFN2-xTB", "GFN1-xTB"])
def test_xtb_forces_are_derivatives(method):
    labeller, atoms = Tblite(method=method), molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    s = labeller.label(atoms)
    assert (s.level, s.stress) == (method, None)
    for atom, axis in ((0, 1), (2, 2), (6, 0)):
        energies = []
        for step in (1e-3, -1e-3):
            moved = atoms.copy()
            moved.positions[atom, axis] += step
            energies.append(labeller.label(moved).energy)
        assert s.forces[atom, axis] == pytest.approx((energies[1] - energies[0]) / 2e-3, abs=1e-4)


@xtb
def test_xtb_stress_is_the_strain_derivative_with_the_sign_of_ase():
    labeller, atoms = Tblite(method="GFN1-xTB"), bulk("Si", a=5.2)
    atoms.rattle(0.05, seed=1)
    s = labeller.label(atoms)
    for a, b in ((0, 0), (1, 2)):
        strain = np.zeros((3, 3))
        strain[a, b] = strain[b, a] = 3e-4
        plus, minus = (labeller.label(strained(atoms, sign * strain)).energy for sign in (1, -1))
        slope = (plus - minus) / 6e-4 / atoms.get_volume() / (1 if a == b else 2)
        assert s.stress[a, b] == pytest.approx(slope, abs=2e-5)
    np.testing.assert_array_equal(s.stress, s.stress.T)
    assert labeller.label(Atoms("Si", pbc=(True, True, False), cell=[8, 8, 8])).stress is None


@xtb
def test_xtb_charges_dipole_and_energies_of_known_molecules():
    water = Tblite().label(molecule("H2O"))
    assert water.energy == pytest.approx(-137.9677759, abs=1e-4)  # the figure in tblite's manual
    assert water.charges.sum() == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(water.dipole) / 0.2081943 == pytest.approx(2.2, abs=0.2)  # debye; 1.85 by experiment
    shifted = molecule("H2O")
    shifted.translate([5.0, -3.0, 2.0])
    np.testing.assert_allclose(Tblite().label(shifted).dipole, water.dipole, atol=1e-4)
    ion = Tblite().label(Atoms("OH", [[0, 0, 0], [0, 0, 0.96]]), total_charge=-1)
    assert ion.charges.sum() == pytest.approx(-1, abs=1e-6)
    methane = [Tblite().label(molecule("CH4"), spin=spin).energy for spin in (0, 2)]
    assert methane[1] > methane[0] + 5  # a closed shell, excited by many eV


@xtb
def test_xtb_labels_do_not_depend_on_what_came_before():
    labeller, first, second = Tblite(), molecule("CH4"), molecule("CH4")
    second.rattle(0.1, seed=0)
    once = labeller.label(second)
    labeller.label(first)
    again = labeller.label(second)
    assert once.energy == again.energy
    assert np.array_equal(once.forces, again.forces)


@xtb
def test_xtb_refuses_what_cannot_be():
    with pytest.raises(UserError, match="9 electrons cannot have 0 unpaired ones.*spin"):
        Tblite().label(molecule("OH"))
    assert np.isfinite(Tblite().label(molecule("OH"), spin=1).energy)
    with pytest.raises(UserError, match="GFN2-xTB calculation failed"):
        Tblite(max_iterations=1).label(molecule("CH3CH2OH"))


def test_missing_tblite_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cambrian\[xtb\]'"):
        Tblite().ready()


def test_an_ase_calculator_labels_without_constraints():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=2)
    reference = atoms.copy()
    reference.calc = EMT()
    atoms.set_constraint(FixAtoms([0, 1]))
    s = ASELabeller("emt").label(atoms)
    assert s.energy == pytest.approx(reference.get_potential_energy(force_consistent=True), abs=1e-12)
    np.testing.assert_allclose(s.forces, reference.get_forces(), atol=1e-12)
    np.testing.assert_allclose(s.stress, reference.get_stress(voigt=False), atol=1e-12)
    assert np.abs(s.forces[0]).max() > 0.01
    assert s.atoms.calc is None
    assert not s.atoms.constraints
    assert len(atoms.constraints) == 1
    lj = ASELabeller("lj", arguments={"sigma": 2.5, "epsilon": 0.02, "rc": 6.0}, level="toy").label(atoms)
    assert lj.level == "toy"
    assert lj.energy != s.energy


def test_an_ase_calculator_refuses_in_words():
    with pytest.raises(UserError, match="no calculator 'emtt'.*'emt'"):
        ASELabeller("emtt").ready()
    with pytest.raises(UserError, match="'eam' cannot be made.*nowhere"):
        ASELabeller("eam", arguments={"potential": "nowhere.alloy"}).ready()
    with pytest.raises(UserError, match="total charge 1.*charge_argument"):
        ASELabeller("emt").label(bulk("Cu"), total_charge=1)
    with pytest.raises(UserError, match="emt calculation failed.*Fe"):
        ASELabeller("emt").label(bulk("Fe"))
    with pytest.raises(UserError, match="needs a package"):
        ASELabeller("hotbit").ready()


def test_labellers_are_configurations():
    assert {"Tblite", "ASELabeller"} <= set(classes(Labeller))
    for cls in classes(Labeller).values():
        plain = describe(cls.example())
        assert describe(build(plain)) == plain
