"""Spectra of oscillators, whose frequency and infrared intensity are known; a softer spring is found."""

import numpy as np
import pytest
from ase import Atoms
from matplotlib.figure import Figure

from cambrian.classical.harmonic import Harmonic
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.units import BOLTZMANN, TIME
from cambrian.validate.trajectory import Trajectory
from cambrian.validate.vibrational_spectrum import VibrationalSpectrum, infrared, vibrational_density

CM = 1e8 / 2997.92458  # 1/cm in 1/fs
KM_PER_MOL = 974.88  # of one e²/amu: 42.2561 (km/mol)/(D²/Å²/amu), (4.80320 D/eÅ)²


def oscillators(wavenumber=1000.0, *, with_velocities=True, pbc=False, temperature=300.0, n=4000, dt=2.0):
    """Four argon atoms, each on springs of its own: exact motion with the kinetic energy of a temperature."""
    times = dt * np.arange(n)
    omega = 2 * np.pi * wavenumber / CM
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (4, 3))
    speed = np.sqrt(2 * BOLTZMANN * temperature / 39.948) / TIME
    angle = omega * times[:, None, None] + phases
    atoms = Atoms("Ar4", positions=4.0 * np.eye(4)[:, :3], cell=[9.0] * 3, pbc=pbc)
    unknown = np.full(n, np.nan)
    return Trajectory(
        atoms=atoms,
        times=times,
        positions=atoms.positions + speed / omega * np.sin(angle),
        velocities=speed * np.cos(angle) if with_velocities else None,
        cells=np.tile(atoms.cell.array, (n, 1, 1)),
        temperature_K=unknown,
        total_energy=unknown,
        extras={"charges": np.full((n, 4), 0.5)},
    )


@pytest.mark.parametrize("with_velocities", [True, False])
def test_density_peaks_at_the_frequency_and_counts_the_modes(with_velocities):
    curve = vibrational_density(oscillators(with_velocities=with_velocities), 800.0)
    assert curve.x[curve.y.argmax()] == pytest.approx(1000, abs=curve.x[1])
    assert curve.y.sum() * curve.x[1] == pytest.approx(12, rel=1e-9)
    assert curve.y[np.abs(curve.x - 1000) < 60].sum() * curve.x[1] == pytest.approx(12, rel=0.01)


def test_infrared_intensity_is_that_of_the_harmonic_charge():
    curve = infrared(oscillators(), 800.0, 300.0)
    assert curve.x[curve.y.argmax()] == pytest.approx(1000, abs=curve.x[1])
    expected = 4 * 3 * KM_PER_MOL * 0.5**2 / 39.948
    single = oscillators()
    for k in range(1, 4):  # the intensity of independent charges adds; phases that beat do not
        single.extras["charges"][:, k] = 0.0
    alone = infrared(single, 800.0, 300.0)
    assert alone.y.sum() * alone.x[1] == pytest.approx(expected / 4, rel=0.01)
    crystal = infrared(oscillators(pbc=True), 800.0, 300.0)
    factor = 6.02214076e23 * 729e-24 * 1e-5  # N_A V in cm³, cm to km
    np.testing.assert_allclose(crystal.y * factor, curve.y, rtol=1e-9)
    assert infrared(Trajectory(**vars(oscillators()) | {"extras": {}}), 800.0, 300.0) is None


def test_verdict_on_two_trajectories():
    judged = check(n_steps=2000, window_fs=800.0, shift=30.0)._judged
    assert judged(oscillators(), oscillators(n=3000), "", 300.0).verdict == "passed"
    shifted = judged(oscillators(), oscillators(900.0), "", 300.0)
    assert shifted.verdict == "failed"
    assert shifted.figures["mean_shift"] == pytest.approx(100, abs=3)


def nitrogen(strength: float) -> Harmonic:
    return Harmonic(strength=strength, distance=1.1, cutoff=2.0)


def stretch(strength: float) -> float:
    """Wavenumber of N2, 1/cm: k = 2 A, μ = m/2."""
    return np.sqrt(2 * strength / 7.0035) / TIME / (2 * np.pi) * CM


def recorded(strength: float) -> Dataset:
    """Nitrogen that vibrates and turns in a plane, as a file would have it."""
    frames = []
    omega, turning = 2 * np.pi * stretch(strength) / CM, np.sqrt(2 * BOLTZMANN * 300 / (7.0035 * 1.21)) / TIME
    amplitude = np.sqrt(2 * BOLTZMANN * 300 / 7.0035) / TIME / omega
    for k in range(600):
        t = 2.0 * k
        r = 1.1 + amplitude * np.sin(omega * t)
        direction = np.array([np.cos(turning * t), np.sin(turning * t), 0])
        atoms = Atoms("N2", positions=[-0.5 * r * direction, 0.5 * r * direction])
        atoms.info["time_fs"] = t
        frames.append(Structure(atoms))
    return Dataset(frames)


def check(**changed):
    how = {"n_steps": 900, "timestep_fs": 1.0, "every": 2, "equilibration_fs": 50, "window_fs": 100.0, "score": 0.5}
    return VibrationalSpectrum(**how | {"shift": 120.0} | changed)


def test_a_softer_spring_is_found():
    reference = recorded(30.0)
    soft = check().run(nitrogen(8.0), reference)
    assert soft.verdict == "failed"
    assert soft.figures["mean_shift"] < -200
    density = np.array(soft.figures["spectrum"]["density"])
    wavenumber = np.array(soft.figures["spectrum"]["wavenumber"])
    assert wavenumber[wavenumber > 300][density[wavenumber > 300].argmax()] == pytest.approx(stretch(8.0), abs=90)
    for draw in soft.plots.values():
        draw(Figure().add_subplot())


def test_without_a_reference_it_says_so():
    alone = check(n_steps=220, window_fs=50.0).run(nitrogen(8.0), recorded(8.0)[:1])
    assert alone.verdict == "no reference"
    assert "at least two frames" in alone.sentence
    coarse = check(n_steps=220, window_fs=50.0, interval_fs=40.0).run(nitrogen(8.0), recorded(8.0)[::20])
    assert coarse.verdict == "no reference"
    assert "40 fs apart do not show them" in coarse.sentence


def test_refusals():
    with pytest.raises(UserError, match="twice that"):
        vibrational_density(oscillators(n=50), 800.0)
    with pytest.raises(UserError, match="n_steps of 4004 or more"):
        VibrationalSpectrum(n_steps=300)
    assert "give a file" in check().unsuited(nitrogen(1.0), None, None)
    assert "single atom" in check().unsuited(nitrogen(1.0), Dataset([Structure(Atoms("N"))]), None)
