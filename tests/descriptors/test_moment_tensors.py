"""Moment tensors against sums over pairs written out, full tensors, their symmetries and their limits."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from cambrian.data import Dataset, Structure
from cambrian.descriptors.moment_tensors import MomentTensors
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.moment_radial import chebyshev_functions, orthonormal_combinations

CUTOFF, CLOSEST = 4.5, 1.1


def cluster(seed: int = 0, n: int = 9, numbers=(14, 8)) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = Atoms()
    while len(atoms) < n:
        tried = atoms + Atoms([numbers[len(atoms) % len(numbers)]], positions=[rng.uniform(0, 4.5, 3)])
        if tried.get_all_distances()[-1, :-1].min(initial=9.0) > 1.2:
            atoms = tried
    return atoms


def descriptor(atoms=None, *, random: bool = True, **settings) -> MomentTensors:
    found = MomentTensors(**{"cutoff": CUTOFF, "closest": CLOSEST, "level": 14, **settings})
    found.setup(Dataset([Structure(atoms or cluster())]))
    if random:
        noise = torch.randn(found.radial.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        with torch.no_grad():
            found.radial.copy_(found.radial + 0.3 * found.radial.abs().mean() * noise)
    return found


def of(found: MomentTensors, atoms: Atoms) -> np.ndarray:
    return found.features(graph_of(atoms, CUTOFF)).detach().numpy()


def chebyshev(r: float, n: int) -> np.ndarray:
    """Q_β by cosines."""
    x = (2 * r - CLOSEST - CUTOFF) / (CUTOFF - CLOSEST)
    return np.array([math.cos(k * math.acos(x)) for k in range(n)]) * (CUTOFF - r) ** 2 if r < CUTOFF else np.zeros(n)


def moment(found: MomentTensors, atoms: Atoms, i: int, mu: int, nu: int) -> np.ndarray:
    """M_μν of atom i of a cluster as a full tensor."""
    species = np.searchsorted(found.elements.numpy(), atoms.numbers)
    total = np.zeros((3,) * nu)
    for j in range(len(atoms)):
        r = atoms.positions[j] - atoms.positions[i]
        d = np.linalg.norm(r)
        if j == i or d >= CUTOFF:
            continue
        outer = found.radial[species[i], species[j], mu].detach().numpy() @ chebyshev(d, found.n_radial)
        for _ in range(nu):
            outer = np.multiply.outer(outer, r / d)
        total = total + outer
    return total


def test_features_equal_einsum_of_full_tensors():
    atoms = cluster()
    found = descriptor(atoms)
    features = of(found, atoms)
    for f, c in enumerate(found.contractions):
        words, letters = [""] * len(c.moments), iter("abcdefghijkl")
        for a, b, m in c.bonds:
            for _ in range(m):
                name = next(letters)
                words[a], words[b] = words[a] + name, words[b] + name
        for i in range(len(atoms)):
            tensors = [moment(found, atoms, i, *m) for m in c.moments]
            scale = np.prod([np.linalg.norm(t) for t in tensors])
            expected = np.einsum(",".join(words) + "->", *tensors, optimize=True)
            assert features[i, f] == pytest.approx(float(expected), abs=1e-12 * float(scale) + 1e-15)


def test_pairs_alone_are_a_chebyshev_pair_potential():
    """Scalars of one moment M_μ0 are sums over pairs of f_μ."""
    atoms = cluster()
    found = descriptor(atoms, scalars=[[[[0, 0]], []], [[[1, 0]], []], [[[2, 0]], []]])
    features = of(found, atoms)
    species = np.searchsorted([8, 14], atoms.numbers)
    distances = atoms.get_all_distances()
    for i in range(len(atoms)):
        pairs = [(j, distances[i, j]) for j in range(len(atoms)) if j != i]
        expected = sum(found.radial[species[i], species[j]].detach().numpy() @ chebyshev(r, 8) for j, r in pairs)
        np.testing.assert_allclose(features[i], expected, rtol=1e-12, atol=1e-14)


def test_rotation_reflection_permutation_and_translation():
    atoms = cluster(n=12)
    found = descriptor(atoms, level=16)
    features = of(found, atoms)
    scale = np.abs(features).max(axis=0)
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    order = np.random.default_rng(4).permutation(len(atoms))
    for matrix in (rotation, -rotation, -np.eye(3)):
        moved = atoms[order]
        moved.positions = moved.positions @ matrix.T + [1.0, -2.0, 0.5]
        assert (np.abs(of(found, moved) - features[order]) <= 1e-12 * scale).all()


def test_a_repeated_cell_has_the_same_features():
    atoms = bulk("Si", "diamond", 5.4)
    atoms.rattle(0.1, seed=1)
    found = descriptor(atoms, closest=None)
    once, often = of(found, atoms), of(found, atoms.repeat((2, 1, 3)))
    np.testing.assert_allclose(often, np.tile(once, (6, 1)), rtol=1e-11, atol=1e-11 * np.abs(once).max())


@pytest.mark.parametrize(
    "settings", [{"level": 14}, {"level": 12, "radial_level": 2}, {"level": 12, "angular_level": 2}]
)
def test_jacobian_is_the_derivative_of_the_features(settings):
    atoms = cluster()
    found = descriptor(atoms, **settings)
    graph = graph_of(atoms, CUTOFF)
    features, jacobian = found.jacobian(graph)
    np.testing.assert_allclose(features, of(found, atoms), rtol=1e-12, atol=1e-12)
    r_ij = graph.r_ij.clone().requires_grad_()
    leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
    columns = found.features(leaves).sum(dim=0)
    for f in range(0, found.n_features, 5):
        slope = torch.autograd.grad(columns[f], r_ij, retain_graph=True, materialize_grads=True)[0]
        scale = float(slope.abs().max()) + 1e-12
        torch.testing.assert_close(jacobian[:, :, f], slope, rtol=0, atol=1e-11 * scale)


def test_jacobian_by_finite_differences():
    atoms = cluster(n=6)
    found = descriptor(atoms, level=10)
    graph = graph_of(atoms, CUTOFF)
    _, jacobian = found.jacobian(graph)
    step, chosen = 1e-5, 3
    for axis in range(3):
        shifted = []
        for sign in (1, -1):
            r_ij = graph.r_ij.clone()
            r_ij[chosen, axis] += sign * step
            moved = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
            shifted.append(found.features(moved)[graph.center[chosen]].detach())
        expected = (shifted[0] - shifted[1]) / (2 * step)
        torch.testing.assert_close(jacobian[chosen, axis], expected, rtol=1e-6, atol=1e-7 * float(expected.abs().max()))


def test_a_neighbor_leaves_smoothly():
    """Value and slope of every feature go to zero where a neighbor reaches the cutoff."""
    near = Atoms("Si3", positions=[[0, 0, 0], [2.2, 0, 0], [0, CUTOFF, 0]])
    found = descriptor(near, random=False)
    steps = (1e-3, 1e-4)
    changes = []
    for h in steps:
        near.positions[2, 1] = CUTOFF - h
        inside = of(found, near)[0]
        near.positions[2, 1] = CUTOFF + h
        changes.append(np.abs(inside - of(found, near)[0]).max())
    assert changes[1] < 1.5e-2 * changes[0]  # like h², so that the slope is zero too
    assert changes[0] < 1e-4


def test_radial_functions_are_orthonormal_and_level_off():
    rows = orthonormal_combinations(CLOSEST, CUTOFF, 6)
    r = torch.linspace(CLOSEST, CUTOFF, 20001, dtype=torch.float64)
    values = chebyshev_functions(r, torch.tensor(CLOSEST, dtype=torch.float64), CUTOFF, 6) @ rows.mT
    overlap = torch.trapezoid(values[:, :, None] * values[:, None, :], r, dim=0)
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-6)
    low = torch.tensor([0.1, 0.5], dtype=torch.float64)
    first, second = chebyshev_functions(low, torch.tensor(CLOSEST, dtype=torch.float64), CUTOFF, 6)
    assert float((first - second).abs().max()) < 0.02 * float(second.abs().max())


def test_shortest_distance_of_the_data_is_taken():
    atoms = Atoms("Si2", positions=[[0, 0, 0], [2.0, 0, 0]])
    found = MomentTensors(cutoff=CUTOFF, level=8)
    found.setup(Dataset([Structure(atoms)]))
    assert float(found.closest) == pytest.approx(1.9)


def test_elements_are_told_apart():
    atoms = cluster(numbers=(14, 8, 1))
    found = descriptor(atoms, level=8, random=False)
    swapped = atoms.copy()
    swapped.numbers[[1, 2]] = swapped.numbers[[2, 1]]
    assert np.abs(of(found, atoms)[0] - of(found, swapped)[0]).max() > 1e-3
    with pytest.raises(UserError, match="not Ne"):
        of(found, Atoms("Ne2", positions=[[0, 0, 0], [2, 0, 0]]))


def test_a_list_of_ones_own():
    atoms = cluster()
    listed = descriptor(
        atoms, random=False, scalars=[[[[0, 1], [0, 1]], [[0, 1]]], [[[0, 2], [0, 2]], [[0, 1], [1, 0]]]]
    )
    whole = descriptor(atoms, random=False, level=8)
    names = {whole.name_of(14, k): k for k in range(whole.n_features)}
    chosen = [names[listed.name_of(14, k)] for k in range(2)]
    scale = torch.einsum("stmb,stmb->m", listed.radial, whole.radial) / listed.radial.square().sum(dim=(0, 1, 3))
    with torch.no_grad():
        whole.radial.copy_(whole.radial / scale[0])  # both scale moments by the data, with other moments at hand
    np.testing.assert_allclose(of(listed, atoms), of(whole, atoms)[:, chosen], rtol=1e-10)


@pytest.mark.parametrize(
    "settings",
    [
        {"cutoff": 0.0},
        {"level": 1},
        {"level": 99},
        {"n_radial": 0},
        {"n_radial": 2, "level": 10},
        {"closest": 9.0},
        {"radial_level": 0},
        {"scalars": []},
        {"scalars": [[[[0, 1]], []]]},
        {"scalars": ["M_00"]},
    ],
)
def test_settings_without_meaning_are_refused(settings):
    with pytest.raises(UserError, match="MomentTensors"):
        MomentTensors(**settings)
