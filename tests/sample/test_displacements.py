"""Normal modes against equipartition, known spectra and ASE; rattling against its own rules."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.optimize import BFGS
from ase.vibrations import Vibrations

from cambrian.errors import UserError
from cambrian.sample.normal_modes import normal_modes
from cambrian.sample.rattle import rattle
from cambrian.units import BOLTZMANN


@pytest.fixture(scope="module")
def water_like():
    atoms = molecule("CH3CH2OH")
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=500)
    return atoms


def test_a_diatomic_has_one_mode_with_the_frequency_of_its_curvature():
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2 ** (1 / 6)]])
    modes = normal_modes(atoms, LennardJones(sigma=1.0, epsilon=1.0, rc=100.0), step=1e-4)
    assert len(modes.curvatures) == 1
    reduced = atoms.get_masses()[0] / 2
    np.testing.assert_allclose(
        modes.curvatures[0], 72 / 2 ** (1 / 3) / reduced, rtol=1e-5
    )  # V'' = 72 ε / r_m² at r_m = 2^(1/6) σ


def test_frequencies_equal_those_of_ase(water_like, tmp_path):
    modes = normal_modes(water_like, EMT())
    vibrations = Vibrations(water_like, name=str(tmp_path / "vib"), delta=0.01)
    vibrations.run()
    theirs = np.sort(vibrations.get_energies().real)
    np.testing.assert_allclose(modes.energies[-8:], theirs[-8:], rtol=2e-3)


def test_each_mode_holds_half_kT(water_like):
    modes = normal_modes(water_like, EMT())
    drawn = modes.sample(4000, temperature_K=300.0, seed=3)
    root = np.sqrt(water_like.get_masses())[:, None]
    displacements = np.array([(a.positions - water_like.positions) * root for a in drawn])
    amplitudes = np.einsum("sax,kax->sk", displacements, modes.vectors)
    kept = modes.curvatures > 0
    energies = 0.5 * modes.curvatures[kept] * (amplitudes[:, kept] ** 2)
    expected = 0.5 * BOLTZMANN * 300.0
    error = expected * np.sqrt(2 / len(drawn))
    assert (np.abs(energies.mean(axis=0) - expected) < 5 * error).all()


def test_samples_neither_drift_nor_spin(water_like):
    drawn = normal_modes(water_like, EMT()).sample(5, temperature_K=300.0)
    for a in drawn:
        moved = (a.positions - water_like.positions) * water_like.get_masses()[:, None]
        np.testing.assert_allclose(moved.sum(axis=0), 0, atol=1e-9)
        arms = water_like.positions - water_like.get_center_of_mass()
        np.testing.assert_allclose(np.cross(arms, moved).sum(axis=0), 0, atol=1e-8)


def test_a_structure_away_from_a_minimum_is_refused():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.2, seed=1)
    with pytest.raises(UserError, match="relax it first"):
        normal_modes(atoms, EMT())


def test_rattle_is_seeded_and_keeps_atoms_apart():
    atoms = bulk("Cu", cubic=True)
    first, again = (rattle(atoms, 20, sigma=0.3, strain=0.1, seed=4, closest=0.7) for _ in range(2))
    other = rattle(atoms, 20, sigma=0.3, strain=0.1, seed=5, closest=0.7)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].positions, other[0].positions)
    for a in first:
        assert (a * 2).get_all_distances(mic=True)[np.triu_indices(32, 1)].min() > 0.7 * 2 * 1.32


def test_strain_is_symmetric_and_bounded():
    atoms = bulk("Cu", cubic=True)
    for a in rattle(atoms, 30, sigma=0.0, strain=0.05, seed=1):
        strain = np.linalg.solve(atoms.cell.array, a.cell.array) - np.eye(3)
        np.testing.assert_allclose(strain, strain.T, atol=1e-12)
        assert np.abs(strain).max() <= 0.05
        np.testing.assert_allclose(a.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-12)


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(UserError, match="no cell to strain"):
        rattle(molecule("H2O"), 1, strain=0.1)
    with pytest.raises(UserError, match="lower sigma"):
        rattle(bulk("Cu", cubic=True) * 2, 1, sigma=3.0, closest=0.9)
