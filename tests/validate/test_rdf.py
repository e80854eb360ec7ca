"""g(r) of systems that have one by definition: the ideal gas, crystals, and a potential against itself."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from matplotlib.figure import Figure

from cambrian.calculator import Calculator
from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.math.truncation import ForceShifted
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT
from cambrian.validate.rdf import RDF, distributions, first_minimum
from cambrian.validate.trajectory import produce, temperature_of


def gas(n=60, n_frames=300, numbers=None, seed=0):
    rng = np.random.default_rng(seed)
    cell = np.array([[9.0, 0, 0], [2.0, 8.0, 0], [-1.0, 1.5, 10.0]])
    for _ in range(n_frames):
        yield Atoms(
            numbers if numbers is not None else [18] * n, scaled_positions=rng.random((n, 3)), cell=cell, pbc=True
        )


def test_ideal_gas_is_one_within_its_error_also_beyond_half_the_cell():
    (d,) = distributions(gas(), r_max=7.0, n_bins=14).values()
    z = (d.g - 1) / d.error
    assert np.abs(z).max() < 4
    assert np.mean(z**2) == pytest.approx(1, abs=0.9)
    assert d.error[-1] < 0.01


def test_partial_functions_of_a_mixture_of_ideal_gases():
    found = distributions(gas(numbers=[8] * 20 + [1] * 40), r_max=5.0, n_bins=5)
    assert set(found) == {"H-H", "H-O", "O-O"}
    for d in found.values():
        assert (np.abs(d.g - 1) < 4.5 * d.error).all()
    assert found["H-O"].coordination(5.0) == pytest.approx(20 * 4 / 3 * np.pi * 125 / 720, rel=0.02)


@pytest.mark.parametrize("repeat", [1, 2])
def test_shells_of_fcc(repeat):
    a = 4.0
    (d,) = distributions([bulk("Al", a=a, cubic=True) * repeat], r_max=6.5, n_bins=650).values()
    shells = {a / np.sqrt(2): 12, a: 6, a * np.sqrt(1.5): 24, a * np.sqrt(2): 12, a * np.sqrt(2.5): 24}
    filled = d.r[d.g > 0]
    np.testing.assert_allclose(sorted(shells), filled[: len(shells)], atol=0.006)
    total = 0
    for radius, count in sorted(shells.items()):
        total += count
        assert d.coordination(radius + 0.1) == total
    density = 4 / a**3 * (1 - 1 / (4 * repeat**3))
    assert 4 * np.pi * density * (d.g * d.r**2)[d.r < 3.5].sum() * 0.01 == pytest.approx(12, rel=1e-3)


def test_coordination_in_rock_salt_and_in_a_cell_of_one_atom():
    salt = distributions([bulk("NaCl", "rocksalt", a=5.6)], r_max=4.5, n_bins=90)
    assert set(salt) == {"Na-Na", "Na-Cl", "Cl-Cl"}
    assert salt["Na-Cl"].coordination(3.0) == 6
    assert salt["Na-Na"].coordination(4.2) == 12
    (single,) = distributions([bulk("Al", a=4.0)], r_max=3.0, n_bins=30).values()
    assert single.coordination(3.0) == 12


def lennard_jones(epsilon=0.0104, sigma=3.4):
    return LennardJones(epsilon={"Ar": epsilon}, sigma={"Ar": sigma}, cutoff=6.0)


@pytest.fixture(scope="module")
def argon():
    atoms = bulk("Ar", cubic=True, a=5.4).repeat((2, 1, 1))
    atoms.calc = Calculator(lennard_jones())
    run = Dynamics(NVT(60, relaxation_fs=200), n_steps=600, timestep_fs=8.0, every=5).run(atoms, seed=1)
    return Dataset(Structure(f) for f in run.frames[20:])


def check(**changed):
    how = {"n_steps": 400, "timestep_fs": 8.0, "every": 5, "equilibration_fs": 400, "n_bins": 20, "score": 0.1}
    return RDF(temperature_K=60, **how | changed)


def test_a_potential_agrees_with_itself(argon):
    heard = []
    same = check().run(lennard_jones(), argon, progress=heard.append)
    assert same.verdict == "passed"
    assert same.figures["score"] < 3 * same.figures["noise"]
    assert same.figures["curves"]["Ar-Ar"]["first_peak"] == pytest.approx(3.75, abs=0.3)
    assert heard[-1] == 1.0


def test_another_potential_is_found(argon):
    softer = check(n_steps=300).run(lennard_jones(0.002, 2.8), argon)
    assert softer.verdict == "failed"
    assert softer.figures["score"] > 0.1 + 2 * softer.figures["noise"]
    for draw in softer.plots.values():
        draw(Figure().add_subplot())


@pytest.mark.parametrize("frames", [slice(0, 1), slice(0, 4)])
def test_a_glimpse_of_a_reference_passes_nothing(argon, frames):
    result = check(n_steps=50, equilibration_fs=0.0).run(lennard_jones(), argon[frames])
    assert result.verdict == "no reference"
    assert "too short to tell" in result.sentence


def test_the_temperature_is_that_of_the_reference():
    hot = bulk("Ar", cubic=True, a=5.4)
    hot.info["temperature_K"] = 55.0
    assert temperature_of(Dataset([Structure(hot)])) == 55.0
    del hot.info["temperature_K"]
    speed = np.sqrt(3 * 9 / 12 * units.kB * 400 / hot.get_masses()[0])
    hot.set_velocities([[speed, 0, 0], [-speed, 0, 0], [0, speed, 0], [0, -speed, 0]])
    assert temperature_of(Dataset([Structure(hot)])) == pytest.approx(400, rel=1e-6)
    assert temperature_of(Dataset([Structure(bulk("Ar"))])) == 300.0


def test_first_minimum_ends_the_first_shell():
    r = np.linspace(0.05, 8, 160)
    shells = [(0.97, 40, 0.05), (2.8, 3, 0.2), (4.5, 1, 0.5)]
    g = sum(height * np.exp(-(((r - at) / width) ** 2)) for at, height, width in shells)
    assert 1.2 < first_minimum(r, g) < 2.4
    liquid = 1 + 2 * np.exp(-(((r - 3.7) / 0.3) ** 2)) - 0.4 * np.exp(-(((r - 5.2) / 0.5) ** 2)) - (r < 3.2)
    noisy = liquid + 0.05 * np.random.default_rng(0).normal(size=len(r)) * (r > 3)
    assert first_minimum(r, noisy) == pytest.approx(5.2, abs=0.4)


def test_what_is_no_trajectory_is_left_out():
    crystal = bulk("Al", cubic=True)
    assert "give a file" in RDF().unsuited(lennard_jones(), None, None)
    mixed = Dataset([Structure(crystal), Structure(crystal.repeat(2))])
    assert "no trajectory" in RDF().unsuited(lennard_jones(), mixed, None)
    strained = Dataset(Structure(bulk("Al", a=a)) for a in (3.6, 4.0, 4.6))
    assert "cells" in RDF().unsuited(lennard_jones(), strained, None)
    assert "periodic" in RDF().unsuited(lennard_jones(), Dataset([Structure(Atoms("Ar2", [[0] * 3, [3] * 3]))]), None)


def test_refusals():
    with pytest.raises(UserError, match="give one after the potential"):
        RDF.example().run(lennard_jones())
    frames = [bulk("Ar"), bulk("Ar").repeat(2)]
    with pytest.raises(UserError, match="one composition.*frame 1"):
        distributions(frames)
    with pytest.raises(UserError, match="periodic in three"):
        distributions([Atoms("Ar2", [[0, 0, 0], [0, 0, 3]])])
    with pytest.raises(UserError, match="raise the distance"):
        RDF(r_max=1.0, n_steps=1, equilibration_fs=0).run(lennard_jones(), Dataset([Structure(bulk("Ar"))]))


@pytest.mark.slow
def test_liquid_argon_near_its_triple_point():
    """First maximum of g(r) at ρ* = 0.8442, T* = 0.722: near 1.09 σ, height 3.05.

    A. Rahman, Phys. Rev. 136, A405 (1964), finds 3.7 Å (1.088 σ); L. Verlet, Phys. Rev. 165, 201 (1968), tabulates g(r)
    of states beside this one with a height of 3.0 to 3.1.
    """
    sigma, kelvin = 3.405, 119.8
    model = LennardJones(
        epsilon={"Ar": kelvin * units.kB}, sigma={"Ar": sigma}, cutoff=2.5 * sigma, truncation=ForceShifted()
    )
    crystal = bulk("Ar", cubic=True, a=sigma * (4 / 0.8442) ** (1 / 3)).repeat(3)
    molten = produce(model, crystal, NVT(3 * kelvin), n_steps=100, timestep_fs=5.0, every=100, equilibration_fs=2000)
    *_, start = molten.frames()
    liquid = produce(
        model, start, NVT(0.722 * kelvin), n_steps=1500, timestep_fs=10.0, every=10, equilibration_fs=6000
    )  # fmt: skip
    (d,) = distributions(liquid.frames(), r_max=1.45 * sigma, n_bins=70).values()
    peak = d.g.argmax()
    assert d.r[peak] / sigma == pytest.approx(1.085, abs=0.025)
    assert d.g[peak] == pytest.approx(3.05, abs=0.12)
    assert d.g[d.r < 0.85 * sigma].max() < 0.01
