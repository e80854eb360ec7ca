"""The compiled polynomials of moments against their truth in torch, on every instruction set this machine has."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from moment_polynomials import random_polynomial, structures

from cambrian.contracts.moment_route import MomentRoute
from cambrian.graph import sum_over_structures
from cambrian.native import library

pytestmark = pytest.mark.skipif(not library.available(), reason="the compiled kernels are not installed")
FAMILIES = ["spherical harmonics", "monomials"]


def coefficients(p):
    return torch.randn(3, p.n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def near(found, expected, relative=1e-11):
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=relative * scale + 1e-300)


def truth(p, graph, weights):
    """Energies and dE/dr_ij by autograd."""
    r_ij = graph.r_ij.clone().requires_grad_()
    leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
    energies = (p.features(leaves) * weights).sum(dim=1)
    return energies.detach(), torch.autograd.grad(energies.sum(), r_ij)[0]


@pytest.mark.parametrize("angular", FAMILIES)
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
def test_all_entries_equal_the_truth(angular, degree):
    p, graph = random_polynomial(angular, degree=max(degree, 1), n_products=20, seed=degree), structures()
    if degree == 0:
        p = replace(p, moments=p.moments * torch.tensor([1, 1, 0]), degree=0)
    route, c = MomentRoute.of(p), coefficients(p)
    species = p.species(graph)
    near(route.features(graph), p.features(graph))
    energies, pull = truth(p, graph, c[species])
    for found in (route.energies_and_pull(graph, c, species), (energies, route.pull(graph, c[species]))):
        near(found[0], energies)
        near(found[1], pull)
    features, jacobian = p.jacobian(graph)
    found_features, found_jacobian = route.jacobian(graph)
    near(found_features, features)
    for f in range(p.n_features):
        near(found_jacobian[:, :, f], jacobian[:, :, f])


def test_forces_are_the_slope_of_the_energy():
    p, graph = random_polynomial("spherical harmonics"), structures()
    route, c, species = MomentRoute.of(p), coefficients(p), p.species(graph)
    pull = route.energies_and_pull(graph, c, species)[1]
    step = 1e-5
    for edge, axis in [(0, 0), (30, 1), (61, 2), (85, 0)]:
        ends = []
        for sign in (1, -1):
            r_ij = graph.r_ij.clone()
            r_ij[edge, axis] += sign * step
            moved = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
            ends.append(sum_over_structures(route.energies_and_pull(moved, c, species)[0], moved).sum())
        slope = float(ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(float(pull[edge, axis]), abs=1e-7 * float(pull.abs().max()))


def test_edges_beyond_their_cutoff_and_atoms_alone_give_nothing():
    p, graph = random_polynomial("monomials"), structures()
    route, c, species = MomentRoute.of(p), coefficients(p), p.species(graph)
    limit = p.radial.cutoffs[species[graph.center], species[graph.neighbor]]
    beyond = graph.r_ij.norm(dim=1) >= limit
    assert beyond.any()
    energies, pull = route.energies_and_pull(graph, c, species)
    assert not pull[beyond].any()
    assert not route.pull(graph, c[species])[beyond].any()
    assert not route.jacobian(graph)[1][beyond].any()
    assert energies[-1] == 0
    assert not route.features(graph)[-1].any()


def test_no_atoms_and_no_edges():
    p = random_polynomial("monomials")
    loops = MomentRoute.of(p).loops
    nothing = np.zeros((0, 3)), np.zeros(0, np.int64)
    for n in (0, 3):
        stars = np.zeros(n + 1, np.int64), *nothing, np.zeros(n, np.int64)
        energies, pull = loops.energies_and_pull(*stars, coefficients(p).numpy())
        assert energies.shape == (n,)
        assert pull.shape == (0, 3)
        assert loops.jacobian(*stars)[1].shape == (0, 3, p.n_features)


def test_coefficients_may_change_in_place():
    p, graph = random_polynomial("monomials"), structures()
    route, c, species = MomentRoute.of(p), coefficients(p), p.species(graph)
    before = route.energies_and_pull(graph, c, species)[0]
    c *= 2
    near(route.energies_and_pull(graph, c, species)[0], 2 * before)


def test_what_no_feature_needs_is_left_out_and_unused_coefficients_are_no_matter():
    p, graph = random_polynomial("spherical harmonics", n_features=3), structures()
    route, c = MomentRoute.of(p), torch.zeros(3, 3, dtype=torch.float64)
    assert not route.energies_and_pull(graph, c, p.species(graph))[1].any()
    near(route.features(graph), p.features(graph))


def test_threads_give_identical_results():
    p, graph = random_polynomial("spherical harmonics"), structures()
    route, c, species = MomentRoute.of(p), coefficients(p), p.species(graph)
    results = []
    try:
        for n_threads in (1, 2, 5):
            library.set_threads(n_threads)
            results.append((*route.energies_and_pull(graph, c, species), *route.jacobian(graph)))
    finally:
        library.set_threads(0)
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            assert torch.equal(x, y)


def test_kernel_survives_pickling():
    p, graph = random_polynomial("monomials"), structures()
    route = MomentRoute.of(p)
    copy = pickle.loads(pickle.dumps(route.loops))
    np.testing.assert_array_equal(copy.features(*route._stars(graph)), route.features(graph).numpy())


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_edges_that_are_not_finite_are_refused(wrong):
    p, graph = random_polynomial("monomials"), structures()
    graph.r_ij[3, 1] = wrong
    with pytest.raises(ValueError, match="finite"):
        MomentRoute.of(p).features(graph)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("moments", (0, 2), 99), ("terms", (0, 1), 400), ("feature_node", 0, -1), ("feature_first", 1, 99)],
)
def test_arrays_that_would_be_read_beyond_are_refused(name, place, value):
    loops = MomentRoute.of(random_polynomial("monomials")).loops
    wrong = getattr(loops._arrays, name).copy()
    wrong[place] = value
    with pytest.raises(ValueError, match="moment|terms|feature"):
        type(loops)(replace(loops._arrays, **{name: wrong}))
