"""The sweep of sparse kernels against numpy on features and Jacobian, for every instruction set of this machine."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.engine import predictor
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.graph import graph_of
from cambrian.math.point_kernels import PowerKernel
from cambrian.native.library import set_threads
from cambrian.native.soap import available
from cambrian.native.sparse_kernel import PowerSums, SparseSums
from cambrian.regressors.sparse_kernel import SparseKernel

pytestmark = pytest.mark.skipif(not available(), reason="no compiled kernels here")


def molecules(n: int = 30) -> Atoms:
    rng = np.random.default_rng(n)
    atoms = Atoms(["HCO"[k % 3] for k in range(n)], positions=rng.uniform(0, 5.0, (n, 3)))
    return atoms + Atoms("H", positions=[[40.0, 0.0, 0.0]])


def silicon() -> Atoms:
    atoms = bulk("Si", cubic=True).repeat((2, 2, 1))
    atoms.rattle(0.1, seed=1)
    return atoms


def ready(atoms: Atoms, n_max: int, l_max: int):
    descriptor = SOAP(cutoff=4.0, n_max=n_max, l_max=l_max)
    descriptor.setup(Dataset([Structure(atoms)]))
    return descriptor, graph_of(atoms, 4.3)


def points(descriptor: SOAP, counts: list[int], exponent: float) -> PowerSums:
    rng = np.random.default_rng(7)
    rows = np.abs(rng.normal(size=(sum(counts), descriptor.n_features)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return PowerSums(exponent, first, rows, rng.normal(size=sum(counts)))


def by_hand(descriptor: SOAP, graph, sums: PowerSums):
    """E and dE/dr_ij from the definition."""
    features, jacobian = (x.numpy() for x in descriptor.jacobian(graph))
    energies, slopes = np.zeros(len(features)), np.zeros_like(features)
    for i, (p, s) in enumerate(zip(features, descriptor.species(graph).tolist(), strict=True)):
        own = slice(sums.first[s], sums.first[s + 1])
        length = np.linalg.norm(p)
        if length == 0:
            continue
        u = sums.points[own] @ p / length
        c, z = sums.coefficients[own], sums.exponent
        energies[i] = c @ u**z
        by_unit = (z * c * u ** (z - 1)) @ sums.points[own]
        slopes[i] = (by_unit - p * (by_unit @ p) / length**2) / length
    return energies, np.einsum("exk,ek->ex", jacobian, slopes[graph.center.numpy()])


CASES = [
    (molecules(), 3, 2, [5, 20, 9], 4.0),
    (molecules(), 3, 2, [5, 20, 9], 2.5),
    (molecules(9), 2, 1, [60, 0, 1], 2.0),  # more points than features, none, and one
    (silicon(), 5, 4, [140], 3.0),
    (silicon(), 3, 2, [70], 1.0),
    (silicon(), 2, 3, [70], 2.0),
]


@pytest.mark.parametrize(("atoms", "n_max", "l_max", "counts", "exponent"), CASES)
def test_same_as_by_hand(atoms, n_max, l_max, counts, exponent):
    descriptor, graph = ready(atoms, n_max, l_max)
    sums = points(descriptor, counts, exponent)
    near = graph.within(4.0)
    energies, pull = by_hand(descriptor, near, sums)
    route = descriptor.kernel()
    found = SparseSums(route.loops, sums)(*route._stars(near), with_features=True)
    np.testing.assert_allclose(found[0], energies, rtol=1e-11, atol=1e-11 * np.abs(energies).max())
    np.testing.assert_allclose(found[1], pull, rtol=0, atol=1e-11 * np.abs(pull).max())
    np.testing.assert_allclose(found[2], descriptor.features(near).numpy(), rtol=0, atol=1e-11 * found[2].max())


def test_edges_beyond_the_cutoff_count_for_nothing():
    descriptor, graph = ready(molecules(), 3, 2)
    sweep = SparseSums(descriptor.kernel().loops, points(descriptor, [5, 6, 7], 4.0))
    near = graph.within(4.0)
    wide, narrow = (sweep(*descriptor.kernel()._stars(g)) for g in (graph, near))
    np.testing.assert_allclose(wide[0], narrow[0], rtol=1e-13)
    inside = (graph.r_ij.norm(dim=1) < 4.0).numpy()
    np.testing.assert_allclose(wide[1][inside], narrow[1], atol=1e-13)
    assert not wide[1][~inside].any()


def test_threads_change_nothing():
    descriptor, graph = ready(silicon(), 3, 3)
    sweep, stars = (
        SparseSums(descriptor.kernel().loops, points(descriptor, [33], 4.0)),
        descriptor.kernel()._stars(graph),
    )
    one = sweep(*stars)
    try:
        set_threads(3)
        three = sweep(*stars)
    finally:
        set_threads(0)
    np.testing.assert_array_equal(one[0], three[0])
    np.testing.assert_array_equal(one[1], three[1])


@pytest.mark.parametrize("exponent", [2.0, 4.0])
def test_a_potential_takes_this_route(exponent):
    atoms = molecules(20)
    kernel = PowerKernel(exponent=exponent)
    potential = DescriptorPotential(SOAP(cutoff=4.0, n_max=2, l_max=2), SparseKernel(n_points=25, kernel=kernel))
    potential.setup(Dataset([Structure(molecules(n)) for n in (20, 21, 22, 23)]))
    potential.regressor.coefficients.data = torch.randn(len(potential.regressor.points), dtype=torch.float64)
    graph, truth = graph_of(atoms, 4.0), None
    seen = []
    potential.observer = lambda graph, features: seen.append(features)
    run = predictor(potential)
    for _ in range(2):
        found, truth = run(graph), evaluate(potential, graph)
        assert float((found.energy - truth.energy).abs().max()) < 1e-10
        assert float((found.forces - truth.forces).abs().max()) < 1e-10
        potential.regressor.coefficients.data = 2 * potential.regressor.coefficients.data
    assert float((seen[0] - potential.descriptor.features(graph)).abs().max()) < 1e-11


@pytest.mark.parametrize("name", ["v3", "baseline"])
def test_every_instruction_set(name):
    """In a process of its own, since the choice is made at load."""
    code = "import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'no:xdist', '-k', 'same_as_by_hand', sys.argv[1]]))"
    settings = os.environ | {"CAMBRIAN_NATIVE_ISA": name}
    result = subprocess.run([sys.executable, "-c", code, __file__], env=settings, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_what_does_not_fit_is_refused():
    descriptor, graph = ready(silicon(), 2, 1)
    loops, sums = descriptor.kernel().loops, points(descriptor, [4], 4.0)
    with pytest.raises(ValueError, match="points must have the shape"):
        SparseSums(loops, PowerSums(4.0, sums.first, sums.points[:, :-1].copy(), sums.coefficients))
    with pytest.raises(ValueError, match="first must rise"):
        SparseSums(loops, PowerSums(4.0, np.array([1, 4]), sums.points, sums.coefficients))
    with pytest.raises(ValueError, match="exponent"):
        SparseSums(loops, PowerSums(0.5, sums.first, sums.points, sums.coefficients))
    stars = list(descriptor.kernel()._stars(graph))
    stars[1] = stars[1] * np.nan
    with pytest.raises(ValueError, match="finite"):
        SparseSums(loops, sums)(*stars)
