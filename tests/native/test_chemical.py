"""The fused bispectrum with a density for each element: against the torch truth, differences, and the scalar loops."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.graph import graph_of
from cambrian.math.bispectrum import bispectrum_orders
from cambrian.native import library
from cambrian.native.bispectrum import BispectrumKernel
from cambrian.native.chemical import ChannelEdges, ChemicalKernel

pytestmark = pytest.mark.skipif(not library.available(), reason="the compiled kernels are not installed")

SIZES = {"radii": {"H": 0.4, "C": 0.5, "O": 0.45}, "weights": {"H": 0.5, "C": 1.0, "O": 0.8}}


def crystal(n=13):
    rng = np.random.default_rng(0)
    cell = np.array([[6.0, 0, 0], [1.8, 5.4, 0], [-1.2, 0.6, 6.6]])
    return Atoms(rng.choice([1, 6, 8], n), scaled_positions=rng.random((n, 3)), cell=cell, pbc=True)


def descriptor(two_j_max=3, **options):
    return SO4Bispectrum(cutoff=3.6, two_j_max=two_j_max, chem=True, **{**SIZES, **options})


def close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max().clamp(min=1.0)))


@pytest.mark.parametrize("two_j_max", range(5))
@pytest.mark.parametrize("options", [{}, {"wselfall": True}, {"bnorm": True, "bzero": False, "rmin0": 0.4}])
def test_every_route_equals_the_truth(two_j_max, options):
    made = descriptor(two_j_max, **options)
    graph = graph_of(crystal(), made.cutoff + 0.3)
    kernel, (features, jacobian) = made.kernel(), made.jacobian(graph)
    slopes = torch.from_numpy(np.random.default_rng(1).normal(size=features.shape))
    close(kernel.features(graph), features)
    close(kernel.pull(graph, slopes), torch.einsum("exk,ek->ex", jacobian, slopes[graph.center]))
    for found, expected in zip(kernel.jacobian(graph), (features, jacobian), strict=True):
        close(found, expected)
    species = torch.searchsorted(made.channel_elements, graph.numbers)
    energies, pull = kernel.energies_and_pull(graph, slopes[:3], species)
    close(energies, (slopes[:3][species] * features).sum(dim=1))
    close(pull, torch.einsum("exk,ek->ex", jacobian, slopes[:3][species][graph.center]))


def neighborhood(rng, counts, n_channels):
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n, r_ij = first[-1], rng.normal(size=(first[-1], 3)) * 2
    channels = [rng.integers(n_channels, size=size).astype(np.int64) for size in (len(counts), n)]
    return ChannelEdges(first, r_ij, np.full(n, 4.5), rng.uniform(0.5, 1.5, n), *channels)


@pytest.mark.parametrize("two_j_max", [1, 6, 8])
def test_one_channel_is_the_scalar_bispectrum(two_j_max):
    """The scalar loops are another program: tables of their own, and no Z."""
    rng = np.random.default_rng(4)
    edges = neighborhood(rng, [7, 0, 19, 4, 8, 12, 1, 3, 11], 1)
    ours, theirs = ChemicalKernel(two_j_max=two_j_max, n_channels=1), BispectrumKernel(two_j_max=two_j_max)
    features, jacobian = theirs.jacobian(*edges[:4])
    np.testing.assert_allclose(ours.features(edges), features, rtol=0, atol=1e-12 * abs(features).max())
    found = ours.jacobian(edges)[1]
    np.testing.assert_allclose(found, jacobian, rtol=0, atol=1e-12 * abs(jacobian).max())
    coefficients, row = rng.normal(size=(1, ours.n_features)), np.zeros(9, np.int64)
    energies, pull = ours.energies_and_pull(edges, coefficients, row)
    expected = theirs.energies_and_pull(*edges[:4], coefficients, row)
    np.testing.assert_allclose(energies, expected[0], rtol=0, atol=1e-12 * abs(expected[0]).max())
    np.testing.assert_allclose(pull, expected[1], rtol=0, atol=1e-12 * abs(expected[1]).max())


def test_forces_are_differences_of_the_energy():
    rng = np.random.default_rng(3)
    edges, kernel = neighborhood(rng, [9, 5], 2), ChemicalKernel(two_j_max=5, n_channels=2, rmin0=0.3)
    slopes, row = rng.normal(size=(2, kernel.n_features)), np.array([0, 1])
    pull = kernel.energies_and_pull(edges, slopes, row)[1]
    for edge, axis in ((0, 0), (4, 1), (11, 2)):
        energies = []
        for step in (1e-5, -1e-5):
            moved = edges.r_ij.copy()
            moved[edge, axis] += step
            energies.append(kernel.energies_and_pull(edges._replace(r_ij=moved), slopes, row)[0].sum())
        assert pull[edge, axis] == pytest.approx((energies[0] - energies[1]) / 2e-5, abs=1e-6 * abs(pull).max())


def test_threads_give_identical_results():
    edges, kernel = neighborhood(np.random.default_rng(5), [9, 5] * 12, 2), ChemicalKernel(two_j_max=4, n_channels=2)
    results = []
    try:
        for n_threads in (1, 3):
            library.set_threads(n_threads)
            results.append(kernel.jacobian(edges))
    finally:
        library.set_threads(0)
    for x, y in zip(*results, strict=True):
        np.testing.assert_array_equal(x, y)


OTHER_INSTRUCTION_SET = """
import pickle, sys
from cambrian.native import library
kernel, edges, slopes, row = pickle.load(sys.stdin.buffer)
result = *kernel.energies_and_pull(edges, slopes, row), *kernel.jacobian(edges)
sys.stdout.buffer.write(pickle.dumps((library.instruction_set(), result)))
"""


def test_instruction_sets_agree():
    rng = np.random.default_rng(6)
    edges, kernel = neighborhood(rng, [9, 5, 0, 13, 2, 8, 7, 6, 4, 11], 2), ChemicalKernel(two_j_max=5, n_channels=2)
    slopes = rng.normal(size=(2, kernel.n_features))
    stdin = pickle.dumps((kernel, edges, slopes, rng.integers(2, size=10)))
    results = {}
    for name in ("baseline", "v3", "v4"):
        done = subprocess.run(
            [sys.executable, "-c", OTHER_INSTRUCTION_SET],
            input=stdin,
            capture_output=True,
            env=os.environ | {"CAMBRIAN_NATIVE_ISA": name},
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        found, result = pickle.loads(done.stdout)
        results[found] = result  # a machine that lacks one runs the baseline
    assert "baseline" in results
    for result in results.values():
        for x, y in zip(results["baseline"], result, strict=True):
            np.testing.assert_allclose(y, x, rtol=0, atol=1e-12 * abs(x).max())


def test_no_neighbors_and_no_atoms():
    kernel = ChemicalKernel(two_j_max=2, n_channels=2)
    rng = np.random.default_rng(0)
    assert kernel.features(neighborhood(rng, [], 2)).shape == (0, kernel.n_features)
    alone = neighborhood(rng, [0, 0], 2)._replace(center=np.array([0, 1]))
    features = kernel.features(alone).reshape(2, 2, 2, 2, -1)
    top = [j + 1.0 for _, _, j in bispectrum_orders(2)]
    for channel in range(2):
        np.testing.assert_allclose(features[channel, channel, channel, channel], top, rtol=1e-13)
        assert abs(features[channel]).sum() == pytest.approx(sum(top))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_edges_that_are_not_finite_are_refused(wrong):
    edges = neighborhood(np.random.default_rng(0), [3], 2)
    edges.r_ij[1, 1] = wrong
    with pytest.raises(ValueError, match="finite"):
        ChemicalKernel(two_j_max=2, n_channels=2).features(edges)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"center": np.array([2])}, "channels of center"),
        ({"neighbor": np.array([0, -1])}, "channels of neighbor"),
        ({"first": np.array([0, 3])}, "number of edges"),
        ({"cutoff": np.array([4.0, 0.1])}, "twice rmin0"),
        ({"weight": np.ones(3)}, "shape"),
    ],
)
def test_wrong_arrays_are_refused(change, message):
    right = neighborhood(np.random.default_rng(0), [2], 2)
    kernel = ChemicalKernel(two_j_max=2, n_channels=2, rmin0=0.5)
    kernel.features(right)
    with pytest.raises(ValueError, match=message):
        kernel.features(right._replace(**change))


@pytest.mark.parametrize("wrong", [{"two_j_max": 17}, {"n_channels": 0}, {"n_channels": 17}, {"rfac0": 0.0}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        ChemicalKernel(**({"two_j_max": 2, "n_channels": 2} | wrong))


def test_what_the_kernel_does_not_know_goes_on_in_torch():
    assert descriptor(switch=False).kernel() is None
    assert SO4Bispectrum(cutoff=3.0, chem=True).kernel() is None  # not set up: no element, no density
