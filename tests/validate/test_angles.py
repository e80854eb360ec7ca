"""Angles of crystals and molecules that have them by definition; a potential without its angular term is found."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.figure import Figure

from cambrian.classical.harmonic import Harmonic
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.sample.ensembles import NVT
from cambrian.validate.angles import Angles, bond_lengths, pairs_of_equal, sampled_angles
from cambrian.validate.trajectory import produce


def springs(angular: float):
    """Water whose angle is held by a spring between its hydrogens."""
    strength = {"H-O": 10.0, "H-H": angular, "O-O": 0.0}
    return Harmonic(strength=strength, distance={"H-O": 0.97, "H-H": 1.52, "O-O": 1.0}, cutoff=3.0)


@pytest.fixture(scope="module")
def water():
    found = produce(springs(5.0), molecule("H2O"), NVT(300, relaxation_fs=50), n_steps=600, every=6, equilibration_fs=0)
    return Dataset(Structure(f) for f in found.frames())


def test_angles_of_fcc():
    frames = [bulk("Al", a=4.0, cubic=True)]
    bonds = bond_lengths(frames)
    assert 2.9 < bonds["Al-Al"] < 3.9
    sampled = sampled_angles(frames, bonds=bonds, n_bins=30)
    (counts,) = sampled.counts.values()
    assert counts.sum() == 4 * 66
    near = {60: 24, 90: 12, 120: 24, 180: 6}
    for angle, n in near.items():
        assert counts[0, np.abs(sampled.x - angle) < 7].sum() == 4 * n
    assert sampled.samples["Al-Al-Al"].sum() * 6.0 == pytest.approx(1.0)


def test_angles_of_rock_salt_and_of_a_molecule():
    salt = sampled_angles([bulk("NaCl", "rocksalt", a=5.6)], bonds={"Na-Cl": 3.0})
    assert set(salt.counts) == {"Na-Cl-Na", "Cl-Na-Cl"}
    water = molecule("H2O")
    bonds = bond_lengths([water])
    found = sampled_angles([water, water], bonds={"H-O": bonds["H-O"]})
    assert set(found.counts) == {"H-O-H"}
    assert found.x[found.samples["H-O-H"][0].argmax()] == pytest.approx(water.get_angle(1, 0, 2), abs=1.6)


def test_pairs_of_equal_entries():
    first, second = pairs_of_equal(np.array([0, 0, 0, 2, 5, 5]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2), (4, 5)]
    assert len(pairs_of_equal(np.array([1, 2, 3]))[0]) == 0


def test_the_angular_term_matters(water):
    check = Angles(n_steps=500, every=6, equilibration_fs=100, n_bins=9, score=0.3, bonds={"H-O": 1.4, "H-H": 0.5})
    same = check.run(springs(5.0), water)
    assert same.verdict != "failed"
    curve = same.figures["curves"]["H-O-H"]
    assert curve["mean_angle"] == pytest.approx(curve["mean_angle_reference"], abs=5)  # bins of 20°
    floppy = check.run(springs(0.0), water)
    assert floppy.verdict == "failed"
    for draw in floppy.plots.values():
        draw(Figure().add_subplot())


def test_refusals(water):
    with pytest.raises(UserError, match="give a file"):
        Angles.example().run(springs(1.0))
    with pytest.raises(UserError, match="H-O: 1.3"):
        Angles(bonds={"water": 1.0}).run(springs(1.0), water)
    dimer = Dataset([Structure(Atoms("Ar2", [[0, 0, 0], [0, 0, 3]]))])
    assert Angles().unsuited(springs(1.0), dimer, None) == "two atoms make no angle"
    assert Angles().unsuited(springs(1.0), water, None) == ""
