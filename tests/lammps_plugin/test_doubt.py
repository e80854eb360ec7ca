"""What `fix pair` reads of fitted potentials: the spread that `uncertainty` gives, the grade of the active set."""

import numpy as np
import pytest
import torch
from lammps_runs import gathered, lammps_module, session
from small_data import argon

from cambrian import Committee, Dataset, DescriptorPotential, LeastSquares, Structure, evaluate, fit, graph_of
from cambrian.contracts.grade import grade
from cambrian.contracts.spread import uncertainty
from cambrian.deploy.lammps import deploy
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.native.library import available
from cambrian.regressors.linear import LinearRegressor

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")
lammps_module()


def fitted(seed: int) -> DescriptorPotential:
    potential = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=4), LinearRegressor())
    data = Dataset([Structure(a, energy=a.get_potential_energy(), forces=a.get_forces()) for a in argon(8, seed=seed)])
    return fit(potential, data, LeastSquares()).potential


def asked(potential, folder, monkeypatch, words: str, columns: int):
    """Forces in the axes of the structure, what `fix pair` holds, and the structure: hotter than the training set."""
    atoms = argon(1, seed=9, spread=0.45)[0].repeat((2, 3, 3))
    deploy(potential, folder)
    monkeypatch.chdir(folder)
    with session(atoms) as (lmp, frame):
        lmp.commands_list(["include in.lammps", f"fix unsure all pair 1 cambrian {words}", "run 0 post no"])
        values = np.array(lmp.gather("f_unsure", 1, columns)).reshape(len(atoms), columns)
        return gathered(lmp, "f", len(atoms)) @ frame, values, atoms


def test_a_committee_of_fits(tmp_path, monkeypatch):
    committee = Committee([fitted(k) for k in range(3)])
    forces, values, atoms = asked(committee, tmp_path, monkeypatch, "spread 1", 1)
    graph = graph_of(atoms, committee.cutoff)
    np.testing.assert_allclose(forces, evaluate(committee, graph).forces.numpy(), atol=1e-10)
    expected = uncertainty(committee, graph).forces.numpy()
    assert expected.max() > 1e-4
    np.testing.assert_allclose(values[:, 0], expected, atol=1e-10)


def test_the_grade_of_the_active_set(tmp_path, monkeypatch):
    potential = fitted(0)
    assert potential.combinations is not None
    _, values, atoms = asked(potential, tmp_path, monkeypatch, "grade 1", 1)
    graph = graph_of(atoms, potential.cutoff)
    features = potential.descriptor.features(graph)
    expected = grade(potential.combinations, features, torch.zeros(len(atoms), dtype=torch.int64)).numpy()
    assert expected.max() > 1.5, "hotter than the training set"
    np.testing.assert_allclose(values[:, 0], expected, rtol=1e-9)
