"""Sparse points that are added where a fit goes on."""

import numpy as np
import pytest
import torch
from ase.build import bulk

from cambrian.contracts import DescriptorPotential
from cambrian.contracts.archive import load, save
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.fit import WarmStart
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.graph import graph_of
from cambrian.math.point_kernels import PowerKernel
from cambrian.regressors.sparse_kernel import SparseKernel


def alloys(n: int, spread: float, seed: int) -> Dataset:
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = bulk("NaCl", "rocksalt", a=5.0, cubic=True)
        atoms.positions += rng.normal(0, spread, atoms.positions.shape)
        forces = rng.normal(0, 0.1, atoms.positions.shape)
        found.append(Structure(atoms, energy=float(rng.normal()), forces=forces))
    return Dataset(found)


def fitted(beyond: float | None):
    regressor = SparseKernel(n_points=4, kernel=PowerKernel(exponent=2), grow_beyond=beyond)
    potential = DescriptorPotential(SOAP(cutoff=4.0, n_max=3, l_max=2), regressor)
    return fit(potential, alloys(2, 0.05, 0), GaussianProcess()).potential


def test_new_environments_become_points(tmp_path):
    potential, new = fitted(0.005), alloys(2, 0.3, 1)
    old = potential.regressor.points.clone()
    rows, species = potential.environments(new)
    assert float(potential.regressor.unlikeness(rows, species).max()) > 0.005
    potential = fit(potential, new, GaussianProcess(), warm=WarmStart()).potential
    regressor = potential.regressor
    assert len(regressor.points) > len(old)
    assert (torch.diff(regressor.point_species) >= 0).all()
    for point in old:
        assert (regressor.points - point).abs().sum(dim=1).min() == 0
    assert float(regressor.unlikeness(rows, species).max()) <= 0.005 + 1e-5
    cached = [regressor.factor(s) for s in range(2)]
    regressor._factored = None
    for s in range(2):
        assert torch.allclose(cached[s].mT @ cached[s], regressor.factor(s).mT @ regressor.factor(s), atol=1e-12)
    save(potential, tmp_path / "grown.safetensors")
    graph = graph_of(new[0].atoms, 4.0)
    assert torch.equal(evaluate(load(tmp_path / "grown.safetensors"), graph).forces, evaluate(potential, graph).forces)


def test_points_stay_where_nobody_asks():
    potential = fitted(None)
    n = len(potential.regressor.points)
    fit(potential, alloys(2, 0.3, 1), GaussianProcess(), warm=WarmStart())
    assert len(potential.regressor.points) == n
    with pytest.raises(UserError, match="between 0 and 1"):
        SparseKernel(grow_beyond=2.0)
