"""Collective variables and the bias against finite differences, ASE and PLUMED; free energies against known ones."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from cambrian.contracts.labeller import Labeller
from cambrian.data import Dataset, Structure, read
from cambrian.errors import UserError
from cambrian.sample.collective_variables import collective_variable
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT
from cambrian.sample.metadynamics import Metadynamics
from cambrian.sample.well_tempered import Biased, WellTempered
from cambrian.units import BOLTZMANN

VARIABLES = ("distance 0 1", "angle 0 1 2", "torsion 3 0 1 4", "coordination C H 1.4", "coordination 0,2 3-5 2.0")


class DoubleWell(Calculator):
    """V = B ((d - d0)² / a² - 1)² in the distance d of two atoms: wells at d0 ± a, a barrier of B."""

    implemented_properties = ["energy", "forces"]
    barrier, middle, half = 0.25, 3.0, 0.5

    def check_state(self, atoms, tol=1e-15):  # ASE's own takes longer than all else
        return [] if self.atoms is not None and np.array_equal(atoms.positions, self.atoms.positions) else ["positions"]

    def energy(self, d):
        return self.barrier * (((d - self.middle) / self.half) ** 2 - 1) ** 2

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        bond = self.atoms.positions[1] - self.atoms.positions[0]
        d = np.linalg.norm(bond)
        x = (d - self.middle) / self.half
        slope = self.barrier * 4 * x * (x**2 - 1) / self.half
        self.results = {"energy": self.energy(d), "forces": np.array([bond, -bond]) * slope / d}


class Well(Labeller):
    """The double well as a reference method."""

    level = "double well"

    def label(self, atoms, *, total_charge=0.0, spin=0.0):
        raise NotImplementedError

    def calculator(self, *, total_charge=0.0, spin=0.0):
        return DoubleWell()


def neon(distance=2.5):
    return Atoms("Ne2", [[0, 0, 0], [0, 0, distance]])


def ethanol():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    return atoms


def biased(atoms, ensemble, hills, inner=None):
    calculator = Biased(inner or EMT(), ensemble.bias(atoms))
    calculator.bias.hills = np.array(hills, dtype=float)
    atoms.calc = calculator
    return calculator


def test_variables_are_those_of_ase():
    atoms = ethanol()
    values = [collective_variable(text, atoms).value(atoms) for text in VARIABLES]
    assert values[0] == pytest.approx(atoms.get_distance(0, 1))
    assert values[1] == pytest.approx(atoms.get_angle(0, 1, 2))
    assert values[2] % 360 == pytest.approx(atoms.get_dihedral(3, 0, 1, 4))
    distances = atoms.get_all_distances()
    assert values[3] == pytest.approx((1 / (1 + (distances[:2][:, 3:] / 1.4) ** 6)).sum())
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.1, seed=2)
    across = collective_variable("distance 0 3", crystal)
    assert across.value(crystal) == pytest.approx(crystal.get_distance(0, 3, mic=True))


@pytest.mark.parametrize("text", VARIABLES)
def test_slopes_are_finite_differences(text):
    atoms = ethanol()
    variable = collective_variable(text, atoms)
    _, slopes, by_strain = variable.value_and_slopes(atoms)
    for place in np.ndindex(slopes.shape):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[place] += sign * 1e-5
            ends.append(variable.value(moved))
        assert slopes[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-6)
    strain = np.random.default_rng(0).normal(size=(3, 3))
    ends = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions = atoms.positions @ (np.eye(3) + sign * 1e-6 * strain)
        ends.append(variable.value(moved))
    assert (by_strain * strain).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-5)


def test_a_torsion_is_biased_the_short_way_round():
    atoms = ethanol()
    ensemble = WellTempered(variables=("torsion 3 0 1 4",), widths=(20.0,))
    bias = ensemble.bias(atoms)
    bias.hills = np.array([[179.0, 0.5]])
    assert bias.hills_at(np.array([-171.0]))[0] == pytest.approx(0.5 * np.exp(-0.5 * (10 / 20) ** 2))


def test_biased_forces_and_stress_are_derivatives():
    limits = ((1.0, 2.0), (0.0, 3.0))
    ensemble = WellTempered(variables=("distance 0 1", "coordination Cu Cu 2.5"), widths=(0.1, 0.5), limits=limits)
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=3)
    place = [collective_variable(text, atoms).value(atoms) for text in ensemble.variables]
    calculator = biased(atoms, ensemble, [[place[0] + 0.05, place[1] - 0.3, 0.2], [place[0] - 0.1, place[1], 0.1]])
    assert place[0] > 2.0  # a wall pushes too
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=2e-5)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-5)
    physical = atoms.copy()
    physical.calc = EMT()
    assert atoms.get_potential_energy() > physical.get_potential_energy() + 0.1
    assert calculator.unbiased["energy"] == pytest.approx(physical.get_potential_energy())


def test_hills_are_tempered():
    atoms = neon()
    ensemble = WellTempered(300, variables=("distance 0 1",), widths=(0.1,), height=0.05, bias_factor=5.0)
    bias = ensemble.bias(atoms)
    bias.deposit(atoms)
    bias.deposit(atoms)
    np.testing.assert_allclose(bias.hills[:, 0], 2.5)
    second = 0.05 * np.exp(-0.05 / (4 * BOLTZMANN * 300))
    np.testing.assert_allclose(bias.hills[:, 1], [0.05, second])


def test_hills_converge_to_minus_the_free_energy():
    """Between two hills the variable is drawn from its equilibrium on a grid: dynamics without end."""
    kT, d = BOLTZMANN * 300, np.linspace(2.0, 4.0, 401)
    exact, rng = DoubleWell().energy(d), np.random.default_rng(0)
    settings = {"widths": (0.06,), "height": 0.01, "bias_factor": 8.0, "limits": ((2.1, 3.9),)}
    bias = WellTempered(300, variables=("distance 0 1",), **settings).bias(neon())
    bias_now = 20 * kT / 0.06**2 / 2 * (np.minimum(d - 2.1, 0) + np.maximum(d - 3.9, 0)) ** 2
    np.testing.assert_allclose([bias.energy_and_slopes(np.array([x]))[0] for x in d], bias_now, atol=1e-12)
    for _ in range(3000):
        weight = np.exp(-(exact + bias_now - (exact + bias_now).min()) / kT)
        bias.deposit(neon(rng.choice(d, p=weight / weight.sum())))
        place, height = bias.hills[-1]
        bias_now = bias_now + height * np.exp(-0.5 * ((d - place) / 0.06) ** 2)
    inner = (d > 2.3) & (d < 3.7)
    assert exact[inner].max() > 9 * kT
    difference = (bias.free_energy(d[:, None]) - exact)[inner] / kT
    assert np.abs(difference - difference.mean()).max() < 0.5


@pytest.mark.slow
def test_dynamics_finds_the_free_energy_of_a_double_well():
    settings = {"widths": (0.08,), "height": 0.03, "deposit_fs": 80.0}
    atoms, kT = neon(), BOLTZMANN * 300
    atoms.calc = well = DoubleWell()
    ensemble = WellTempered(300, variables=("distance 0 1",), **settings)
    run = Dynamics(ensemble, n_steps=15_000, timestep_fs=4.0, every=1000).run(atoms, seed=2)
    d = np.linspace(2.25, 3.75, 61)
    exact = well.energy(d) - 2 * kT * np.log(d)  # two atoms in space: the sphere of their direction counts
    difference = (run.atoms.calc.bias.free_energy(d[:, None]) - exact) / kT
    assert np.ptp(exact) > 8 * kT
    assert np.abs(difference - difference.mean()).max() < 1.0


def test_the_bias_crosses_a_barrier_that_heat_does_not():
    start = Dataset([Structure(neon())])
    settings = {"n": 40, "interval_fs": 100.0, "timestep_fs": 4.0}
    sampler = Metadynamics(("distance 0 1",), (0.1,), height=0.03, deposit_fs=20.0, **settings)
    drawn = sampler.propose(start, Well(), seed=2)
    assert len(drawn) == 40
    assert max(a.get_distance(0, 1) for a in drawn) > 3.2
    atoms = neon()
    atoms.calc = DoubleWell()
    run = Dynamics(NVT(300), n_steps=1000, timestep_fs=4.0).run(atoms, seed=2)
    assert max(a.get_distance(0, 1) for a in run.frames) < 3.0


def test_an_interrupted_run_has_the_same_hills(tmp_path):
    start = Dataset([Structure(neon())])
    settings = {"height": 0.03, "deposit_fs": 20.0, "interval_fs": 30.0, "timestep_fs": 4.0}
    drawn = {}
    for name, lengths in {"whole": (9,), "parts": (2, 5, 9)}.items():
        for n in lengths:
            sampler = Metadynamics(("distance 0 1",), (0.1,), n=n, **settings)
            drawn[name] = sampler.propose(start, Well(), seed=2, folder=tmp_path / name)
    for name in ("welltempered-300-k-0.extxyz", "welltempered-300-k-0-hills.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    hills = np.loadtxt(tmp_path / "whole" / "welltempered-300-k-0-hills.csv", delimiter=",", skiprows=1)
    assert hills.shape == (14, 2)  # 72 steps, a hill after every fifth
    for frame in read(tmp_path / "whole" / "welltempered-300-k-0.extxyz"):
        distance = frame.atoms.get_distance(0, 1)
        assert frame.energy == pytest.approx(DoubleWell().energy(distance))  # a file never holds biased labels
    curve = np.loadtxt(tmp_path / "whole" / "welltempered-300-k-0-free-energy.csv", delimiter=",", skiprows=1)
    assert curve[:, 1].min() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("distance 0", "is no collective variable"),
        ("distanse 0 1", "did you mean 'distance'?"),
        ("distance 0 9", "they count from 0 to 1"),
        ("distance 1 1", "names an atom twice"),
        ("coordination Ne Ar 3", "there is no Ar in Ne2"),
        ("coordination Ne Ne far", "'far' is no number"),
        ("coordination 0 0 3", "counts no pair"),
    ],
)
def test_what_is_no_variable_is_refused(words, said):
    with pytest.raises(UserError, match=said):
        WellTempered(variables=(words,), widths=(0.1,)).bias(neon())


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UserError, match="a width above 0 for each"):
        Metadynamics(("distance 0 1",), ())
    with pytest.raises(UserError, match="pairs"):
        Metadynamics(("distance 0 1",), (0.1,), limits=((2.0, 1.0),))
    with pytest.raises(UserError, match="bias_factor above 1"):
        Metadynamics(("distance 0 1",), (0.1,), bias_factor=1.0)
