"""PLUMED: what is said where it is absent; where it is there, our collective variables are its own."""

import importlib.util
import os

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.emt import EMT
from odd_calculators import Springs

from cambrian.contracts.labeller import Labeller
from cambrian.data import Dataset, Structure
from cambrian.errors import MissingExtraError, UserError
from cambrian.sample import plumed
from cambrian.sample.collective_variables import collective_variable
from cambrian.sample.plumed import Plumed, plumed_calculator

needs_plumed = pytest.mark.skipif("PLUMED_KERNEL" not in os.environ, reason="PLUMED_KERNEL names no PLUMED library")

SWITCH = "SWITCH={RATIONAL R_0=0.2 NN=6 MM=12 NOSTRETCH}"


class Chain(Labeller):
    """Springs as a reference method."""

    level = "springs"

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        raise NotImplementedError

    def calculator(self, *, total_charge=0.0, spin=0.0):
        return Springs()


def start():
    return Dataset([Structure(Atoms("Ne3", np.random.default_rng(0).normal(scale=0.5, size=(3, 3))))])


def test_absence_is_told(monkeypatch, tmp_path):
    with pytest.raises(UserError, match="there is no PLUMED input"):
        Plumed(tmp_path / "plumed.dat").propose(start(), Chain())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="cambrian\\[plumed\\]"):
        Plumed.example().propose(start(), Chain())


@pytest.mark.parametrize(
    ("words", "said"),
    [("PLUMED_KERNEL not set, kernel missing", "set PLUMED_KERNEL"), ("Action X", "refuses the input")],
)
def test_a_library_that_fails_is_told(monkeypatch, words, said):
    def refuse(*arguments, **settings):
        raise RuntimeError(words)

    monkeypatch.setattr(plumed, "plumed_class", lambda: refuse)
    with pytest.raises(UserError, match=said):
        Plumed.example().propose(start(), Chain())


def test_the_run_goes_through_the_calculator_of_plumed(monkeypatch, tmp_path):
    seen = {}

    def stand_in(inner, lines, timestep, *, atoms, kT, log):
        seen.update(lines=lines, timestep=timestep, kT=kT)
        return inner

    monkeypatch.setattr(plumed, "plumed_class", lambda: stand_in)
    (tmp_path / "plumed.dat").write_text("d: DISTANCE ATOMS=1,2\nPRINT ARG=d FILE=colvar\n")
    sampler = Plumed(tmp_path / "plumed.dat", n=3, interval_fs=4.0, timestep_fs=2.0, temperature_K=100.0)
    drawn = sampler.propose(start(), Chain(), seed=1)
    assert [a.info["config_type"] for a in drawn] == ["plumed"] * 3
    assert seen["lines"] == ["d: DISTANCE ATOMS=1,2", "PRINT ARG=d FILE=colvar"]
    assert seen["timestep"] == pytest.approx(2 * units.fs)
    assert seen["kT"] == pytest.approx(100 * units.kB, rel=1e-6)


@needs_plumed
@pytest.mark.parametrize(
    ("ours", "theirs", "unit"),
    [
        ("distance 0 1", "DISTANCE ATOMS=1,2", 0.1),
        ("angle 0 1 2", "ANGLE ATOMS=1,2,3", np.pi / 180),
        ("torsion 3 0 1 4", "TORSION ATOMS=4,1,2,5", np.pi / 180),
        (
            "coordination 0,2 3-5 2.0",
            "COORDINATION GROUPA=1,3 GROUPB=4-6 SWITCH={RATIONAL R_0=0.2 NN=6 MM=12 NOSTRETCH}",
            1.0,
        ),
    ],
)
def test_variables_and_their_slopes_are_those_of_plumed(ours, theirs, unit):
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    value, slopes, _ = collective_variable(ours, atoms).value_and_slopes(atoms)
    kappa, away = 300.0, 0.1  # kJ/mol per squared unit
    at = value * unit - away
    lines = [f"s: {theirs}", f"RESTRAINT ARG=s AT={at:.12f} KAPPA={kappa}"]
    calculator = plumed_calculator(EMT(), atoms, lines, timestep_fs=1.0, temperature_K=300.0)
    energy, forces = calculator.get_potential_energy(atoms), calculator.get_forces(atoms)
    free = atoms.copy()
    free.calc = EMT()
    scale = units.kJ / units.mol
    assert energy - free.get_potential_energy() == pytest.approx(0.5 * kappa * away**2 * scale, rel=1e-6)
    expected = -kappa * away * scale * unit * slopes
    np.testing.assert_allclose(forces - free.get_forces(), expected, atol=1e-6)


@needs_plumed
def test_plumed_drives_dynamics(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["d: DISTANCE ATOMS=1,3", "RESTRAINT ARG=d AT=0.5 KAPPA=5000"]
    drawn = Plumed(lines, n=20, interval_fs=50.0, timestep_fs=2.0, temperature_K=50.0).propose(start(), Chain(), seed=1)
    pull = 5000 * units.kJ / units.mol / 100  # eV/Å², against two springs of 1 eV/Å² in a row
    expected = 5.0 * pull / (pull + 0.5)
    assert np.mean([a.get_distance(0, 2) for a in drawn[10:]]) == pytest.approx(expected, abs=0.1)
