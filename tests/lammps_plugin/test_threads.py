"""The kernels themselves under `lmp`: ranks and threads beside each other give one result."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from lammps_plugin.test_commands import rows

from cambrian import Dataset, DescriptorPotential, LeastSquares, Structure, fit
from cambrian.deploy.lammps import deploy
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.lammps_plugin.build import library
from cambrian.native.library import available
from cambrian.regressors.linear import LinearRegressor

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")


def argon(seed: int):
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.25, seed=seed)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return Structure(atoms, **labels)


def test_ranks_and_threads_give_one_result(tmp_path, monkeypatch, lmp):
    monkeypatch.chdir(tmp_path)
    potential = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=4), LinearRegressor())
    deploy(fit(potential, Dataset([argon(k) for k in range(8)]), LeastSquares()).potential, tmp_path)
    commands = ["units metal", "lattice fcc 5.3", "region box block 0 9 0 6 0 6", "create_box 1 box"]
    commands += ["create_atoms 1 box", "mass 1 39.95", "displace_atoms all random 0.3 0.3 0.3 4"]
    commands += [f"include {tmp_path}/in.lammps", "velocity all create 90 4 loop geom", "fix 1 all nve", "thermo 10"]
    commands += ["thermo_style custom step pe press", 'thermo_modify format float "%20.14g"', "run 20"]
    found = {}
    for ranks, threads in ((1, 1), (1, 2), (2, 1), (2, 2)):
        said = lmp(tmp_path, commands, ranks=ranks, library=library(), OMP_NUM_THREADS=str(threads))
        assert f"{threads} thread{'s' if threads > 1 else ''} a rank" in said
        found[ranks, threads] = rows(said)
    for others in found.values():
        np.testing.assert_allclose(others, found[1, 1], rtol=1e-9)
