"""The mapped measure against the one it stands for."""

import pytest
import torch
from ase.build import bulk

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.learn.mapped_unlikeness import MappedUnlikeness
from cambrian.learn.unlikeness import Unlikeness
from cambrian.math.point_kernels import PowerKernel
from cambrian.recipes.lj import lj
from cambrian.regressors.sparse_kernel import SparseKernel


def salt(seed: int, spread: float = 0.1):
    atoms = bulk("NaCl", "rocksalt", a=5.0, cubic=True)
    atoms.rattle(spread, seed=seed)
    return atoms


def potential(exponent: float, n_points: int = 6) -> DescriptorPotential:
    regressor = SparseKernel(n_points=n_points, kernel=PowerKernel(exponent=exponent))
    found = DescriptorPotential(SOAP(cutoff=4.0, n_max=3, l_max=2), regressor)
    found.setup(Dataset([Structure(salt(k)) for k in range(3)]))
    return found


def test_is_the_unlikeness_of_the_exponent_one():
    linear, graph = potential(1.0), graph_of(salt(9, 0.4), 4.0)
    mapped, exact = (trigger().measure(linear, Dataset([]))(graph) for trigger in (MappedUnlikeness, Unlikeness))
    assert float(exact.max()) > 1e-3
    assert torch.allclose(mapped, exact, atol=1e-6)


def test_no_larger_than_with_a_higher_exponent():
    square, graph = potential(2.0), graph_of(salt(9, 0.4), 4.0)
    mapped, exact = (trigger().measure(square, Dataset([]))(graph) for trigger in (MappedUnlikeness, Unlikeness))
    assert (mapped <= exact + 1e-6).all()
    known = graph_of(salt(0), 4.0)
    assert float(MappedUnlikeness().measure(square, Dataset([]))(known).min()) < 1e-4


def test_what_cannot_tell_is_refused():
    few = DescriptorPotential(SOAP(cutoff=4.0, n_max=1, l_max=0), SparseKernel(n_points=6))
    few.setup(Dataset([Structure(salt(k)) for k in range(3)]))
    with pytest.raises(UserError, match="as many sparse points"):
        MappedUnlikeness().measure(few, Dataset([]))
    with pytest.raises(UserError, match="only sparse kernels"):
        MappedUnlikeness().measure(lj()[0], Dataset([]))
