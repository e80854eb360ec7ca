"""The atomic cluster expansion against pair sums, power spectra, symmetries and what lower orders confuse."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from numpy.polynomial import legendre

from cambrian.contracts import DescriptorPotential, evaluate
from cambrian.contracts.descriptor import Descriptor
from cambrian.data import Dataset, Structure
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.errors import UserError
from cambrian.graph import batch, graph_of
from cambrian.math.radial_bases import ChebExpCos, SBessel
from cambrian.native.library import available
from cambrian.regressors.linear import LinearRegressor

WIDE = {"n_max": [6, 4, 2, 2], "l_max": [0, 4, 4, 3], "degree": [6, 8, 9, 10]}


def described(atoms: Atoms, **arguments) -> tuple[AtomicClusterExpansion, np.ndarray]:
    descriptor = AtomicClusterExpansion(**arguments)
    descriptor.setup(Dataset([Structure(atoms)]))
    return descriptor, descriptor.features(graph_of(atoms, descriptor.cutoff)).numpy()


def alloy(seed: int = 0) -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.numbers[::2] = 6
    atoms.set_cell(atoms.cell * 0.85, scale_atoms=True)
    atoms.rattle(0.15, seed=seed)
    return atoms


def neighborhood(points) -> Atoms:
    return Atoms("Si" * (len(points) + 1), np.vstack([np.zeros(3), points]))


def orders(descriptor: AtomicClusterExpansion) -> np.ndarray:
    return np.array([len(f) for f in descriptor.basis.functions])


def test_one_factor_is_a_pair_function():
    atoms = alloy()
    radial = ChebExpCos(lam=3.0)
    descriptor, found = described(atoms, cutoff=4.2, n_max=[5], l_max=[0], radial=radial)
    graph = graph_of(atoms, 4.2)
    g = radial(graph.r_ij.norm(dim=1), 4.2, 5).numpy()
    for k, ((degree, n, species),) in enumerate(descriptor.basis.functions):
        of_element = atoms.numbers[graph.neighbor.numpy()] == [6, 14][species]
        expected = np.bincount(graph.center.numpy(), g[:, n - 1] * of_element, len(atoms))
        assert degree == 0
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-12)


def test_two_factors_are_the_power_spectrum():
    """B_nn'l = ± Σ_jk g_n(r_j) g_n'(r_k) P_l(cos θ_jk) / √(2l + 1): all columns of SOAP, and no others."""
    atoms = alloy()
    descriptor, found = described(atoms, cutoff=3.6, n_max=[1, 3], l_max=[0, 3], radial=SBessel())
    graph = graph_of(atoms, 3.6)
    r_ij, center = graph.r_ij.numpy(), graph.center.numpy()
    elements = atoms.numbers[graph.neighbor.numpy()]
    seen = set()
    for k, slots in enumerate(descriptor.basis.functions):
        if len(slots) == 1:
            continue
        (degree, n, s), (_, m, t) = slots
        seen.add((degree, *sorted([(n, s), (m, t)])))
        expected = np.zeros(len(atoms))
        for i in range(len(atoms)):
            own = center == i
            r = np.linalg.norm(r_ij[own], axis=1)
            g = descriptor.radial(torch.from_numpy(r), 3.6, 3).numpy()
            cosines = (r_ij[own] / r[:, None]) @ (r_ij[own] / r[:, None]).T
            first, second = (g[:, a - 1] * (elements[own] == [6, 14][b]) for a, b in ((n, s), (m, t)))
            expected[i] = first @ legendre.legval(cosines, np.eye(degree + 1)[degree]) @ second
        scale = found[:, k] @ expected / (expected @ expected)
        assert abs(scale) > 0.1
        np.testing.assert_allclose(found[:, k], scale * expected, rtol=1e-10, atol=1e-11)
    assert len(seen) == 4 * 6 * 7 // 2  # l = 0 ... 3, pairs of 3 radial functions of 2 elements


def test_rotation_inversion_and_permutation():
    atoms = alloy()
    atoms.pbc = False
    atoms = atoms[:7]
    _, straight = described(atoms, cutoff=4.0, **WIDE)
    rng = np.random.default_rng(4)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    for turn in (q, -q, -np.eye(3)):
        turned = Atoms(atoms.numbers, atoms.positions @ turn.T)
        _, found = described(turned, cutoff=4.0, **WIDE)
        np.testing.assert_allclose(found, straight, rtol=1e-12, atol=1e-12 * np.abs(straight).max())
    order = rng.permutation(len(atoms))
    _, found = described(atoms[order], cutoff=4.0, **WIDE)
    np.testing.assert_allclose(found, straight[order], rtol=1e-12, atol=1e-12 * np.abs(straight).max())


def test_columns_are_independent():
    """The rank of the features of random neighborhoods is their number."""
    rng = np.random.default_rng(1)
    descriptor = AtomicClusterExpansion(cutoff=4.0, n_max=[4, 2, 2, 2], l_max=[0, 2, 2, 1], degree=[4, 6, 7, 7])
    descriptor.elements = torch.tensor([6, 14])
    structures = []
    for _ in range(descriptor.n_features + 60):
        points = rng.normal(size=(12, 3))
        points *= (rng.uniform(0.8, 3.8, 12) / np.linalg.norm(points, axis=1))[:, None]
        structures.append(Atoms([6, *rng.choice([6, 14], 12)], np.vstack([np.zeros(3), points])))
    graph = batch([graph_of(a, 4.0) for a in structures])
    table = descriptor.features(graph).numpy()[::13]
    table = table / np.linalg.norm(table, axis=0)
    singular = np.linalg.svd(table, compute_uv=False)
    assert len(singular) == descriptor.n_features > 100
    assert singular[-1] > 1e-10 * singular[0]


def relative_difference(first: Atoms, second: Atoms, factors: int) -> float:
    """Largest difference of a feature of so many factors of the center, beside its size; minute ones left out."""
    tables = []
    for atoms in (first, second):
        limits = {"n_max": [6, 3, 2, 2], "l_max": [0, 4, 4, 3], "degree": [6, 7, 8, 10]}
        descriptor, found = described(atoms, cutoff=5.0, radial=SBessel(), **limits)
        tables.append(found[0, orders(descriptor) == factors])
    size = np.maximum(*np.abs(tables))
    return float((np.abs(tables[0] - tables[1]) / size)[size > 1e-6 * size.max()].max())


def test_three_factors_tell_apart_what_angles_confuse():
    """S. N. Pozdnyakov et al., Phys. Rev. Lett. 125, 166001 (2020)."""
    common = [(5, 0, 5), (5, 5, 5), (-5, -5, 5)]
    first, second = (neighborhood(0.4 * np.array([*common, last])) for last in ((0, 5, 5), (0, -5, 5)))
    assert max(relative_difference(first, second, k) for k in (1, 2)) < 1e-10
    assert relative_difference(first, second, 3) > 0.1


def test_four_factors_tell_apart_what_dihedral_angles_confuse():
    angles = np.radians([0, 80, 200])
    ring = np.stack([np.cos(angles), np.sin(angles), np.full(3, 0.5)], axis=1)
    turned = np.radians([0, 80, 200]) + np.radians(37)
    below = np.stack([np.cos(turned), np.sin(turned), np.full(3, -0.5)], axis=1)
    first, second = (neighborhood(2 * np.vstack([ring, below, [(0, 0, z)]])) for z in (1.2, -1.2))
    assert max(relative_difference(first, second, k) for k in (1, 2, 3)) < 1e-10
    assert relative_difference(first, second, 4) > 0.1


@pytest.mark.parametrize("elements", [1, 2])
def test_jacobian_is_the_derivative(elements):
    atoms = alloy() if elements == 2 else bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=3)
    descriptor, _ = described(atoms, cutoff=3.5, n_max=[4, 3, 2, 1], l_max=[0, 2, 2, 1], degree=[4, 6, 6, 6])
    graph = graph_of(atoms, 3.5)
    features, jacobian = descriptor.jacobian(graph)
    true_features, true_jacobian = Descriptor.jacobian(descriptor, graph)
    torch.testing.assert_close(features, true_features, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(jacobian, true_jacobian, rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(not available(), reason="no compiled library")
def test_fused_loops_give_the_same():
    atoms = alloy()
    descriptor, _ = described(atoms, cutoff=3.8, **WIDE)
    graph = graph_of(atoms, 3.8)
    features, jacobian = descriptor.jacobian(graph)
    fast_features, fast_jacobian = descriptor.kernel().jacobian(graph)
    scale = features.abs().amax(dim=0)
    assert ((fast_features - features).abs() <= 1e-11 * scale).all()
    assert (fast_jacobian - jacobian).abs().max() < 1e-10 * jacobian.abs().max()


def test_forces_are_differences_of_energies():
    atoms = alloy()
    potential = DescriptorPotential(AtomicClusterExpansion(cutoff=3.8, **WIDE), LinearRegressor())
    potential.setup(Dataset([Structure(atoms)]))
    with torch.no_grad():
        size = potential.regressor.coefficients.shape
        potential.regressor.coefficients.copy_(torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, size)))

    def energy(positions) -> float:
        moved = atoms.copy()
        moved.positions = positions
        return float(evaluate(potential, graph_of(moved, 3.8)).energy)

    forces = evaluate(potential, graph_of(atoms, 3.8)).forces.detach().numpy()
    for atom, axis in [(0, 0), (3, 1), (6, 2)]:
        step = np.zeros_like(atoms.positions)
        step[atom, axis] = 1e-4
        numeric = -(energy(atoms.positions + step) - energy(atoms.positions - step)) / 2e-4
        assert abs(numeric - forces[atom, axis]) < 1e-7 * max(1.0, np.abs(forces).max())


def test_a_supercell_has_the_same_atoms():
    _, once = described(alloy(), cutoff=4.0, **WIDE)
    _, twice = described(alloy().repeat((2, 1, 1)), cutoff=4.0, **WIDE)
    np.testing.assert_allclose(twice, np.vstack([once, once]), rtol=1e-11, atol=1e-12)


def test_roughness_grows_with_the_degrees():
    descriptor, _ = described(alloy(), cutoff=4.0, **WIDE, roughness_power=2.0, roughness_l=0.5)
    (rows,) = descriptor.roughness().tolist()
    for slots, value in zip(descriptor.basis.functions, rows, strict=True):
        assert value == sum(n**2 + 0.5 * degree**2 for degree, n, _ in slots)


def test_columns_have_names():
    descriptor, _ = described(alloy(), cutoff=4.0, n_max=[2, 1], l_max=[0, 1])
    assert descriptor.name_of(6, 0) == "C(n=1, l=0)"
    assert descriptor.name_of(6, descriptor.n_features - 1).count("l=1") == 2


def test_what_makes_no_basis_is_refused():
    with pytest.raises(UserError, match="one number for each number of factors"):
        AtomicClusterExpansion(n_max=[3, 2], l_max=[0])
    with pytest.raises(UserError, match="n_max must be 1 or more"):
        AtomicClusterExpansion(n_max=[0], l_max=[0])
    with pytest.raises(UserError, match="cutoff must be positive"):
        AtomicClusterExpansion(cutoff=0.0)
    with pytest.raises(UserError, match="l_weight must not be negative"):
        AtomicClusterExpansion(l_weight=-1.0)
    descriptor = AtomicClusterExpansion(n_max=[6, 6, 6], l_max=[0, 4, 4])
    descriptor.elements = torch.tensor([1, 6, 8])
    with pytest.raises(UserError, match="more than 20000 features"):
        _ = descriptor.n_features
    with pytest.raises(UserError, match="knows H, C, O, not Si"):
        AtomicClusterExpansion.example().features(graph_of(bulk("Si"), 3.5))
