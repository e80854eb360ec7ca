"""The heat flux against its definition and against LAMMPS; conductivities from fluxes whose integral is known."""

import ctypes

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from lammps_runs import lammps_module, session
from matplotlib.figure import Figure
from planted_motion import trajectory
from scipy.signal import lfilter

from cambrian.calculator import Calculator
from cambrian.classical.lennard_jones import LennardJones
from cambrian.contracts import DescriptorPotential, Potential, evaluate
from cambrian.contracts.evaluate import Leaves
from cambrian.data import Dataset, Structure
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.truncation import Plain
from cambrian.regressors.linear import LinearRegressor
from cambrian.validate.thermal_conductivity import HeatFlux, ThermalConductivity


def argon():
    return LennardJones(epsilon={"Ar": 0.0104, "Kr": 0.014, "Ar-Kr": 0.012}, sigma=3.5, cutoff=6.5)


def snap():
    potential = DescriptorPotential(SO4Bispectrum(cutoff=4.0, two_j_max=4), LinearRegressor())
    potential.setup(Dataset([Structure(bulk("Si"))]))
    rng = np.random.default_rng(0)
    n = len(potential.regressor.coefficients)
    potential.regressor.coefficients.data = torch.from_numpy(0.02 * rng.normal(size=n))
    return potential


def in_motion(atoms, kelvin, seed=0):
    rng = np.random.default_rng(seed)
    atoms.positions += 0.15 * rng.normal(size=(len(atoms), 3))
    atoms.set_momenta(np.sqrt(atoms.get_masses()[:, None] * units.kB * kelvin) * rng.normal(size=(len(atoms), 3)))
    return atoms


def cluster(kind):
    if kind == "snap":
        return snap(), in_motion(bulk("Si", cubic=True), 600)
    atoms = bulk("Ar", cubic=True, a=5.3).repeat((2, 1, 1))
    atoms.numbers[::3] = 36
    atoms.set_masses(np.where(atoms.numbers == 36, 83.8, 39.9))
    return argon(), in_motion(atoms, 60)


def energy_moment(potential, atoms):
    """Σ r_i e_i of a cluster, eV Å."""
    energies = evaluate(potential, graph_of(atoms, potential.cutoff)).atomic_energies.numpy()
    return (energies + (atoms.get_momenta() ** 2).sum(axis=1) / (2 * atoms.get_masses())) @ atoms.positions


def rate_of_moment(potential, atoms, step_fs=0.02):
    """Its rate of change along the trajectory at constant energy, from one step to either side."""
    moments = []
    for direction in (1, -1):
        moved = atoms.copy()
        moved.calc = Calculator(potential)
        VelocityVerlet(moved, direction * step_fs * units.fs).run(1)
        moments.append(energy_moment(potential, moved))
    return (moments[0] - moments[1]) / (2 * step_fs)


def naive_flux(potential, atoms):
    """With the usual atomic stress: half of each edge's virial to either atom."""
    graph = graph_of(atoms, potential.cutoff)
    leaves = Leaves.of(graph)
    slopes = leaves.slopes(potential(leaves.graph).energy).r_ij
    halves = -0.5 * torch.einsum("ex,ey->exy", graph.r_ij, slopes)
    virials = torch.zeros(len(atoms), 3, 3, dtype=torch.float64)
    virials = virials.index_add(0, graph.center, halves).index_add(0, graph.neighbor, halves).numpy()
    velocities = atoms.get_velocities() * units.fs
    energies = evaluate(potential, graph).atomic_energies.numpy()
    energies = energies + (atoms.get_momenta() ** 2).sum(axis=1) / (2 * atoms.get_masses())
    return energies @ velocities + np.einsum("jxy,jy->x", virials, velocities)


@pytest.mark.parametrize("kind", ["pairs", "snap"])
def test_the_flux_is_the_rate_at_which_energy_moves(kind):
    potential, atoms = cluster(kind)
    atoms.pbc = False
    rate, flux = rate_of_moment(potential, atoms), HeatFlux(potential)(atoms)[0]
    scale = np.abs(rate).max()
    np.testing.assert_allclose(flux, rate, atol=2e-6 * scale)
    # the planted fault: the stress that programs print gives the right flux for pairs only
    wrong = np.abs(naive_flux(potential, atoms) - rate).max() / scale
    assert wrong < 2e-6 if kind == "pairs" else wrong > 1e-2


def test_the_flux_of_lammps():
    module = lammps_module()
    potential = LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.5, truncation=Plain())
    atoms = in_motion(bulk("Ar", cubic=True, a=5.3).repeat((2, 2, 2)), 80)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + np.array([[0, 0, 0], [0.08, 0, 0], [-0.03, 0.05, 0]])), True)
    velocities = atoms.get_velocities() * units.fs * 1e3  # Å/ps
    with session(atoms) as (lmp, frame):
        lmp.commands_list(
            [
                "pair_style lj/cut 6.5",
                "pair_coeff * * 0.0104 3.4",
                "compute ke all ke/atom",
                "compute pe all pe/atom",
                "compute stress all centroid/stress/atom NULL virial",
                "compute flux all heat/flux ke pe stress",
                "thermo_style custom step c_flux[1] c_flux[2] c_flux[3]",
            ]
        )
        turned = (velocities @ frame.T).flatten()
        lmp.scatter_atoms("v", 1, 3, (ctypes.c_double * len(turned))(*turned))
        lmp.command("run 0 post no")
        found = np.array(lmp.numpy.extract_compute("flux", module.LMP_STYLE_GLOBAL, module.LMP_TYPE_VECTOR))
        kinetic = 0.5 * lmp.extract_global("mvv2e") * atoms.get_masses() * (velocities**2).sum(axis=1)
    exact = (atoms.get_momenta() ** 2).sum(axis=1) / (2 * atoms.get_masses())
    rounding = (exact - kinetic) @ velocities  # constants of LAMMPS have eight digits
    flux = 1e3 * HeatFlux(potential)(atoms)[0]
    np.testing.assert_allclose(flux - rounding, found[:3] @ frame, rtol=1e-8, atol=1e-8 * np.abs(found).max())


def test_mass_fluxes_of_all_elements_but_one():
    _, atoms = cluster("pairs")
    flux = HeatFlux(argon())(atoms)
    light = atoms.numbers == 18
    carried = (atoms.get_momenta()[light] * units.fs).sum(axis=0)
    np.testing.assert_allclose(flux[1], carried)
    assert flux.shape == (2, 3)


SIDE, KELVIN, KEPT, INTERVAL = 20.0, 300.0, 0.8, 10.0


def thermal_noise(n_times, seed):
    """A flux (eV Å/fs) whose autocorrelation is KEPT^k, and its integral by SI constants in W/(m K)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n_times + 100, 1, 3)) * np.sqrt(1 - KEPT**2)
    flux = 0.01 * np.asarray(lfilter([1.0], [1.0, -KEPT], noise, axis=0))[100:]
    integral = (0.01 * 1.602176634e-19 * 1e-10 / 1e-15) ** 2 * 0.5 * (1 + KEPT) / (1 - KEPT) * INTERVAL * 1e-15
    return flux, integral / ((SIDE * 1e-10) ** 3 * 1.380649e-23 * KELVIN**2)


@pytest.fixture
def planted(monkeypatch):
    """Runs are drawn instead of computed: atoms of exactly KELVIN, and thermal noise as the flux."""

    def produce(driver, start, ensemble, *, seed, watch, progress, **settings):
        progress(1.0)
        n_times = 8000
        velocities = np.random.default_rng(seed).normal(size=(len(start), 3))
        velocities -= velocities.mean(axis=0)
        kinetic = 0.5 * start.get_masses()[0] * (velocities**2).sum()
        velocities *= np.sqrt(0.5 * (3 * len(start) - 3) * units.kB * KELVIN / kinetic) * units.fs
        still = np.broadcast_to(velocities, (n_times, *velocities.shape))
        return trajectory(start, INTERVAL * np.arange(n_times), still, still, flux=thermal_noise(n_times, seed)[0])

    monkeypatch.setattr("cambrian.validate.fluctuations.produce", produce)
    cell = Atoms("Ar8", scaled_positions=np.random.default_rng(0).random((8, 3)), cell=[SIDE] * 3, pbc=True)
    return Dataset([Structure(cell)])


def test_conductivity_of_a_flux_with_a_known_integral(planted):
    _, exact = thermal_noise(10, 0)
    result = ThermalConductivity(window_fs=800.0, known_W_per_mK=exact).run(argon(), planted)
    assert result.verdict == "passed", result.sentence
    figures = result.figures
    error = figures["thermal_conductivity_error_W_per_mK"]
    assert abs(figures["thermal_conductivity_W_per_mK"] - exact) < 3.5 * error
    assert error < 0.1 * exact
    assert figures["temperature_K"] == pytest.approx(KELVIN, rel=1e-6)
    assert figures["einstein_W_per_mK"] == pytest.approx(figures["thermal_conductivity_W_per_mK"], rel=0.05)
    assert set(result.plots) == {"green_kubo", "einstein"}
    for draw in result.plots.values():
        draw(Figure().add_subplot())
    wrong = ThermalConductivity(window_fs=800.0, known_W_per_mK=2 * exact).run(argon(), planted)
    assert wrong.verdict == "failed"
    assert "outside what is tolerated" in wrong.sentence


def test_an_integral_without_a_plateau_is_no_conductivity(planted):
    result = ThermalConductivity(window_fs=80.0).run(argon(), planted)
    assert result.verdict == "failed"
    assert "still changes within the window" in result.sentence


def test_dynamics_with_a_potential():
    crystal = Dataset([Structure(bulk("Ar", cubic=True, a=5.3))])
    check = ThermalConductivity(
        temperature_K=20.0, n_runs=2, n_steps=60, timestep_fs=4.0, every=2, equilibration_fs=40.0, window_fs=100.0
    )
    result = check.run(argon(), crystal)
    assert result.figures["n_atoms"] == 4
    assert np.isfinite(result.figures["thermal_conductivity_W_per_mK"])


class Messenger(Potential):
    """Says that its atomic energies depend on neighbors of neighbors."""

    scope = "message passing"
    cutoff = 5.0

    def forward(self, graph):
        raise NotImplementedError

    @classmethod
    def example(cls):
        return cls()


def test_refusals(planted):
    with pytest.raises(UserError, match="a message passing potential does not give"):
        ThermalConductivity().run(Messenger(), planted)
    assert "out of equilibrium" in ThermalConductivity().unsuited(Messenger(), planted, None)
    molecule = Dataset([Structure(Atoms("Ar2", [[0, 0, 0], [0, 0, 4]]))])
    assert "no heat flows" in ThermalConductivity().unsuited(argon(), molecule, None)
    assert "nothing to be compared with" in ThermalConductivity().unsuited(argon(), planted, None)
    assert not ThermalConductivity(known_W_per_mK=0.1).unsuited(argon(), planted, None)
