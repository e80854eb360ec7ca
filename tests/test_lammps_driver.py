"""Any potential inside stock LAMMPS: energies, forces and virials of the calculator, on any number of ranks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from lammps_runs import lammps_module, session

from cambrian import Calculator, UserError
from cambrian.classical.lennard_jones import LennardJones
from cambrian.lammps_driver import attach
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NPT, NVE, NVT
from cambrian.sample.lammps_dynamics import LammpsDynamics

HERE = Path(__file__).parent
MPIEXEC = Path(sys.prefix) / "bin" / "mpiexec"
lammps_module()


def on_ranks(n: int, folder: Path) -> dict:
    """What LAMMPS got on `n` ranks."""
    if not MPIEXEC.exists():
        pytest.skip("the mpich wheel is not installed")
    file = folder / f"{n}.npz"
    command = [str(MPIEXEC), "-n", str(n), sys.executable, str(HERE / "lammps_ranks.py"), str(file)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE / "contracts")])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with np.load(file) as found:
        return dict(found)


@pytest.fixture(scope="module", params=[1, 2, 4])
def found(request, tmp_path_factory):
    return request.param, on_ranks(request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("potential", ["pair", "snap", "messages"])
def test_every_number_of_ranks_gives_what_the_calculator_gives(found, potential):
    n_ranks, values = found
    assert values["ranks"] == n_ranks
    for name in ("crystal_{}_energy", "crystal_{}_forces", "crystal_{}_stress", "slab_{}_energy", "slab_{}_forces"):
        ours, expected = values[name.format(potential)]
        assert np.abs(expected).max() > 1e-3, f"{name}: nothing to compare"
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-10 * max(np.abs(expected).max(), 1.0), err_msg=name)


def test_ranks_without_atoms_take_part(found):
    n_ranks, values = found
    assert sum(values["slab_pair_atoms_of_rank"]) == 8
    if n_ranks == 4:
        assert min(values["slab_pair_atoms_of_rank"]) == 0


def test_a_failure_on_one_rank_is_told_on_all(found):
    n_ranks, values = found
    assert list(values["everywhere"]) == ["an atom entered the forbidden land"] * n_ranks


def argon(n: int = 3, *, a: float = 5.3) -> Atoms:
    atoms = bulk("Ar", cubic=True, a=a).repeat((n, n, n))
    atoms.set_cell(atoms.cell.array @ np.array([[1, 0, 0], [0.2, 1, 0], [0.0, 0.1, 1]]) @ rotation(), scale_atoms=True)
    return atoms


def rotation() -> np.ndarray:
    """Some rotation with a reflection, so that no axis is where LAMMPS wants it."""
    return np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]


def lj() -> LennardJones:
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=7.0)


def test_constant_energy_follows_the_trajectory_of_ase():
    atoms = argon()
    atoms.set_momenta(np.random.default_rng(1).normal(scale=0.8, size=(len(atoms), 3)))
    found = LammpsDynamics(NVE(), n_steps=100, timestep_fs=4.0, every=25).run(atoms, lj())
    atoms.calc = Calculator(lj())
    expected = Dynamics(NVE(), n_steps=100, timestep_fs=4.0, every=25).run(atoms)
    np.testing.assert_allclose(
        found.atoms.positions, expected.atoms.positions, atol=2e-5
    )  # LAMMPS rounds its constants
    np.testing.assert_allclose(found.atoms.cell, expected.atoms.cell, atol=1e-12)
    np.testing.assert_allclose(found.figures["potential_energy"], expected.figures["potential_energy"], rtol=1e-6)
    assert np.ptp(found.total_energy) / len(atoms) < 1e-5


def test_a_cluster_is_not_wrapped_and_not_lost():
    atoms = bulk("Ar", cubic=True, a=5.3).repeat((2, 2, 2))
    atoms.pbc = False
    atoms.set_momenta(np.tile([3.0, 0, 0], (len(atoms), 1)))
    run = LammpsDynamics(NVE(), n_steps=200, timestep_fs=5.0, every=100).run(atoms, lj())
    moved = run.atoms.get_center_of_mass() - atoms.get_center_of_mass()
    assert moved[0] == pytest.approx(3.0 / atoms.get_masses()[0] * 1000 / 10.1805057, rel=1e-4)


@pytest.mark.slow
def test_temperature_and_pressure_are_held():
    dynamics = LammpsDynamics(NVT(60, relaxation_fs=100), n_steps=1000, timestep_fs=5.0, every=10)
    crystal = bulk("Ar", cubic=True, a=5.3).repeat((2, 2, 2))
    run = dynamics.run(crystal, lj(), seed=1)
    assert run.figures["temperature_K"][20:].mean() == pytest.approx(60, rel=0.15)
    volumes = []
    for pressure_GPa in (0.0, 1.0):
        ensemble = NPT(20, pressure_GPa=pressure_GPa, relaxation_fs=100, pressure_relaxation_fs=300)
        held = LammpsDynamics(ensemble, n_steps=600, timestep_fs=5.0, every=5).run(crystal, lj(), seed=1)
        volumes.append(held.figures["volume"][30:].mean() / 32)
    assert 36.2 < volumes[0] < 39.5, "Å³ per atom of solid argon at low temperature"
    assert 0.70 < volumes[1] / volumes[0] < 0.90, "its bulk modulus is about 3 GPa, and grows"


def test_an_interrupted_run_goes_on(tmp_path):
    atoms = argon(2)
    atoms.set_momenta(np.random.default_rng(1).normal(scale=0.8, size=(len(atoms), 3)))
    file = tmp_path / "run.extxyz"
    LammpsDynamics(NVE(), n_steps=40, timestep_fs=4.0, every=10).run(atoms, lj(), trajectory=file)
    run = LammpsDynamics(NVE(), n_steps=100, timestep_fs=4.0, every=10).run(atoms, lj(), trajectory=file)
    whole = LammpsDynamics(NVE(), n_steps=100, timestep_fs=4.0, every=10).run(atoms, lj())
    assert list(run.figures["time_fs"]) == [40.0 * k for k in range(11)]
    np.testing.assert_allclose(run.atoms.positions, whole.atoms.positions, atol=1e-9)
    with pytest.raises(UserError, match="another trajectory"):
        LammpsDynamics(NVE(), n_steps=40, timestep_fs=2.0, every=10).run(atoms, lj(), trajectory=file)


def test_what_cannot_run_in_domains_is_refused():
    with session(argon(1), types=["Ar"]) as (lmp, _):
        with pytest.raises(UserError, match="it cannot serve types Kr"):
            attach(lmp, lj(), ["Kr"])
        with pytest.raises(UserError, match="1 atom types, but 2 elements"):
            attach(lmp, lj(), ["Ar", "Ar"])
        whole = lj()
        whole.scope = "global"
        with pytest.raises(UserError, match="cannot cut it into domains"):
            attach(lmp, whole, ["Ar"])
