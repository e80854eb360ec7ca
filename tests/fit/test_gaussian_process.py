"""The sparse Gaussian process against dense ones: written out from features, and from scipy's normal distribution."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal
from small_data import argon

from cambrian.contracts import DescriptorPotential, Potential, evaluate, load, save
from cambrian.contracts.local_variance import local_deviations
from cambrian.data import Dataset, Structure
from cambrian.descriptors.soap import SOAP
from cambrian.descriptors.spherical_bessel import SphericalBessel
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.graph import graph_of
from cambrian.math.point_kernels import PowerKernel, SquaredExponential
from cambrian.math.sparse_points import Leverage
from cambrian.math.voigt import voigt
from cambrian.networks.two_body_kernel import TwoBodyKernel
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.sparse_kernel import SparseKernel

NOISE = {"energy_sigma": 0.002, "force_sigma": 0.01, "virial_sigma": 0.005}
CUTOFF = 5.0


def structures(n: int, *, seed: int = 0, spread: float = 0.2) -> Dataset:
    """Rattled argon."""
    found = []
    for k, atoms in enumerate(argon(n, seed=seed, size=1, spread=spread)):
        labels = atoms.calc.results
        stress = np.array(labels["stress"])[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
        energy, forces = float(labels["energy"]), np.array(labels["forces"])
        group = "odd" if k % 2 else "even"
        atoms.calc = None
        found.append(Structure(atoms, energy=energy, forces=forces, stress=stress, group=group, frame=k))
    return Dataset(found)


def process(n_points: int = 200, *, exponent: float = 2, delta: float = 0.5, jitter: float = 1e-10, **how) -> Potential:
    kernel = PowerKernel(exponent=exponent)
    regressor = SparseKernel(n_points=n_points, kernel=kernel, delta=delta, jitter=jitter, **how)
    return DescriptorPotential(SOAP(cutoff=CUTOFF, n_max=2, l_max=1, width=0.8), regressor)


def products(potential: Potential, graph) -> tuple[np.ndarray, np.ndarray]:
    """φ = x̂ ⊗ x̂ of each atom, whose scalar product is the kernel of exponent 2, and all rows: E, F, and stress."""

    def of(r_ij):
        x = potential.descriptor.features(replace(graph, r_ij=r_ij))
        x = x / x.norm(dim=1, keepdim=True)
        return (x[:, :, None] * x[:, None]).flatten(1)

    phi = of(graph.r_ij)
    slope = torch.autograd.functional.jacobian(lambda r: of(r).sum(dim=0), graph.r_ij)  # (products, edges, 3)
    forces = np.zeros((len(slope), graph.n_atoms, 3))
    for k in range(graph.n_edges):
        forces[:, graph.center[k]] += slope[:, k].numpy()
        forces[:, graph.neighbor[k]] -= slope[:, k].numpy()
    strain = torch.einsum("ex,key->xyk", graph.r_ij, slope) / float(graph.volume[0])
    stress = voigt((0.5 * (strain + strain.transpose(0, 1))).movedim(-1, 0)).numpy()
    rows = np.concatenate([phi.sum(dim=0)[None].numpy(), forces.reshape(len(slope), -1).T, stress.T])
    return phi.numpy(), rows


def labels_and_noise(data: Dataset, graphs, *, noise=NOISE) -> tuple[np.ndarray, np.ndarray]:
    y, sigma = [], []
    for s, graph in zip(data, graphs, strict=True):
        stress = voigt(torch.from_numpy(s.stress)[None])[0].numpy()
        y.append(np.concatenate([[s.energy], s.forces.ravel(), stress]))
        root, volume = np.sqrt(len(s)), float(graph.volume[0])
        of_stress = np.full(6, noise["virial_sigma"] * root / volume)
        of_forces = np.full(3 * len(s), noise["force_sigma"])
        sigma.append(np.concatenate([[noise["energy_sigma"] * root], of_forces, of_stress]))
    return np.concatenate(y), np.concatenate(sigma)


def test_with_enough_points_it_is_the_full_process():
    """Mean and variance of energies, forces and stresses, from a dense covariance matrix of all labels.

    Three features have six products, so that six points span all that the kernel of exponent 2 can tell apart.
    """
    data, delta = structures(8, spread=0.5), 0.5
    descriptor = SphericalBessel(cutoff=CUTOFF, n_max=1)
    potential = DescriptorPotential(descriptor, SparseKernel(n_points=6, kernel=PowerKernel(exponent=2), delta=delta))
    fit(potential, data, GaussianProcess(**NOISE))
    graphs = list(data.graphs(CUTOFF))
    Phi = np.concatenate([products(potential, g)[1] for g in graphs])
    y, sigma = labels_and_noise(data, graphs)
    covariance = delta**2 * Phi @ Phi.T + np.diag(sigma**2)

    new = graph_of(structures(1, seed=7, spread=0.5)[0].atoms, CUTOFF)
    of_atoms, rows = products(potential, new)
    mean = delta**2 * rows @ Phi.T @ np.linalg.solve(covariance, y)
    found = evaluate(potential, new)
    stress = voigt(found.stress)[0].numpy()
    found = np.concatenate([found.energy.numpy(), found.forces.numpy().ravel(), stress])
    np.testing.assert_allclose(found, mean, atol=1e-8)

    cross = delta**2 * of_atoms @ Phi.T
    variance = delta**2 * np.square(of_atoms).sum(axis=1) - np.einsum(
        "ik,ki->i", cross, np.linalg.solve(covariance, cross.T)
    )
    np.testing.assert_allclose(local_deviations(potential, new).numpy() ** 2, variance, atol=1e-8)


def test_every_environment_as_a_point_is_the_full_process_of_energies():
    """Any kernel: with energies alone the mean is a sum of kernels of the training environments."""
    data = structures(6).map(lambda s: replace(s, forces=None, stress=None))
    potential = process(exponent=4, delta=1.0, jitter=1e-13)
    fit(potential, data, GaussianProcess(**NOISE))
    x = [unit(potential, g) for g in data.graphs(CUTOFF)]
    K = np.array([[((a @ b.T) ** 4).sum() for b in x] for a in x])
    noise = NOISE["energy_sigma"] ** 2 * np.array([len(a) for a in x])
    new = graph_of(structures(1, seed=7)[0].atoms, CUTOFF)
    cross = np.array([((unit(potential, new) @ b.T) ** 4).sum() for b in x])
    expected = cross @ np.linalg.solve(K + np.diag(noise), [s.energy for s in data])
    assert float(evaluate(potential, new).energy[0]) == pytest.approx(expected, abs=1e-8)


def unit(potential, graph) -> np.ndarray:
    x = potential.descriptor.features(graph).numpy()
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def dense(potential: Potential, data: Dataset):
    """Rows of the fitted basis, labels, their noise, and K_MM with its jitter over δ²."""
    graphs = list(data.graphs(potential.cutoff))
    found = [potential.linear().rows(g) for g in graphs]
    X = [np.concatenate([r.energy, r.forces.flatten(0, 1), voigt(r.stress.movedim(-1, 1))[0].T]) for r in found]
    U = potential.linear().prior().numpy()
    return np.concatenate(X), *labels_and_noise(data, graphs), U.T @ U


def test_few_points_give_the_variance_of_the_formula():
    data = structures(6)
    potential = process(5, exponent=4)
    fit(potential, data, GaussianProcess(**NOISE))
    X, _, sigma, K = dense(potential, data)
    new = graph_of(structures(1, seed=7)[0].atoms, CUTOFF)
    points = potential.regressor.points.numpy()
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    k = (unit(potential, new) @ points.T) ** 4
    A = X.T / sigma @ (X.T / sigma).T + K
    prior = 0.5**2
    expected = (
        prior - np.einsum("ik,ki->i", k, np.linalg.solve(K, k.T)) + np.einsum("ik,ki->i", k, np.linalg.solve(A, k.T))
    )
    found = local_deviations(potential, new).numpy() ** 2
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert expected.min() > 1e-7


def test_a_linear_term_with_a_ridge_stands_beside_the_kernel():
    """Coefficients and variance of atomic energies by the rows of both, the prior and the ridge in one array."""
    data, ridge = structures(6), 1e-3
    kernel = process(5, exponent=4)
    linear = DescriptorPotential(SphericalBessel(cutoff=CUTOFF, n_max=2), LinearRegressor())
    fit(kernel + linear, data, GaussianProcess(**NOISE, ridge=ridge))
    X, y, sigma, _ = dense(kernel, data)
    found = [linear.linear().rows(g) for g in data.graphs(CUTOFF)]
    beside = [np.concatenate([r.energy, r.forces.flatten(0, 1), voigt(r.stress.movedim(-1, 1))[0].T]) for r in found]
    A = np.column_stack([X, np.concatenate(beside)]) / sigma[:, None]
    held = np.sqrt(ridge) * np.diag(np.linalg.norm(A[:, 5:], axis=0))
    rows = np.concatenate([A, block_diag(kernel.linear().prior().numpy(), held)])
    expected = np.linalg.lstsq(rows, np.concatenate([y / sigma, np.zeros(len(rows) - len(A))]), rcond=1e-15)[0]
    together = torch.cat([kernel.linear().coefficients, linear.linear().coefficients]).numpy()
    np.testing.assert_allclose(A @ together, A @ expected, rtol=0, atol=1e-7 * np.abs(A @ expected).max())

    new = graph_of(structures(1, seed=7)[0].atoms, CUTOFF)
    species = torch.zeros(new.n_atoms, dtype=torch.int64)
    parts = [(term.regressor, term.descriptor.features(new)) for term in (kernel, linear)]
    phi = torch.cat([regressor.basis(x, species) for regressor, x in parts], dim=1).detach().numpy()
    left = kernel.regressor.open_variance(parts[0][1], species).numpy()
    spread = np.linalg.solve(np.linalg.qr(rows).R.T, phi.T)
    variance = np.square(spread).sum(axis=0) + left
    np.testing.assert_allclose(local_deviations(kernel + linear, new).numpy() ** 2, variance, rtol=1e-6)


def test_what_does_not_occur_in_the_data_gets_no_coefficient():
    data = structures(6)
    for s in data:
        s.atoms.numbers[0] = 36  # one krypton in a cell wider than the cutoff: no krypton beside krypton
    kernel = process(5, exponent=4)
    linear = DescriptorPotential(SphericalBessel(cutoff=CUTOFF, n_max=2), LinearRegressor())
    fit(kernel + linear, data, GaussianProcess(**NOISE, ridge=1e-3))
    found = [linear.linear().rows(g) for g in data.graphs(CUTOFF)]
    absent = sum(r.energy.square().sum(dim=0) + r.forces.square().sum(dim=(0, 1)) for r in found) == 0
    coefficients = linear.linear().coefficients
    assert 0 < absent.sum() < len(absent)
    assert (coefficients[absent] == 0).all()
    assert (coefficients[~absent] != 0).any()
    with pytest.raises(UserError, match="set a ridge"):
        fit(kernel + linear, data, GaussianProcess(**NOISE, ridge=0.0))


def test_two_fits_of_as_many_coefficients_vary_independently():
    first, second = process(5, exponent=4), process(5, exponent=4)
    fit(first, structures(6), GaussianProcess(**NOISE))
    fit(second, structures(6, seed=3), GaussianProcess(**NOISE))
    new = graph_of(structures(1, seed=7)[0].atoms, CUTOFF)
    apart = [local_deviations(potential, new).square() for potential in (first, second)]
    torch.testing.assert_close(local_deviations(first + second, new).square(), sum(apart), rtol=1e-9, atol=0)


def test_at_the_points_nothing_is_left_open():
    potential = process(5)
    potential.setup(structures(4))
    own = potential.regressor
    left = own.open_variance(own.points, own.point_species)
    assert float(left.max()) < 1e-9
    far = torch.zeros_like(own.points[:1])
    assert float(own.open_variance(far, own.point_species[:1])) == pytest.approx(0.25)


def test_evidence_is_the_density_of_the_labels():
    data = structures(3)
    potential = process(6, exponent=3)
    result = fit(potential, data, GaussianProcess(**NOISE))
    X, y, sigma, K = dense(potential, data)
    volumes = [float(g.volume[0]) for g in data.graphs(CUTOFF)]
    scale = np.concatenate(
        [np.r_[np.ones(1 + 3 * len(data[0])), np.full(6, v)] for v in volumes]
    )  # virials, not stress
    covariance = X @ np.linalg.solve(K, X.T) + np.diag(sigma**2)
    expected = multivariate_normal.logpdf(y * scale, np.zeros(len(y)), covariance * np.outer(scale, scale))
    assert result.solution.figures["log_evidence"] == pytest.approx(expected, rel=1e-9)


def test_evidence_finds_the_noise_that_was_planted():
    data = structures(10)
    truth = process(6, exponent=3, delta=0.3)
    truth.setup(data)
    truth.linear().coefficients = torch.linspace(-0.3, 0.4, 6).double()
    rng = np.random.default_rng(0)

    def relabelled(s: Structure) -> Structure:
        p = evaluate(truth, graph_of(s.atoms, CUTOFF))
        energy = float(p.energy[0]) + rng.normal(0, 0.001 * np.sqrt(len(s)))
        return replace(s, energy=energy, forces=p.forces.numpy() + rng.normal(0, 0.02, (len(s), 3)), stress=None)

    names = ("energy_sigma", "force_sigma", "delta")
    potential = process(6, exponent=3, delta=5.0)
    fixed = fit(process(6, exponent=3, delta=5.0), data.map(relabelled), GaussianProcess(force_sigma=0.2))
    rng = np.random.default_rng(0)
    result = fit(potential, data.map(relabelled), GaussianProcess(force_sigma=0.2, optimize=names))
    figures = result.solution.figures
    assert figures["force_sigma"] == pytest.approx(0.02, rel=0.2)
    assert figures["energy_sigma"] == pytest.approx(0.001, rel=0.8)
    assert figures["log_evidence"] > fixed.solution.figures["log_evidence"]
    assert float(potential.regressor.delta) < 5.0
    rng = np.random.default_rng(0)
    again = {name: value for name, value in figures.items() if name.endswith("_sigma")}
    same = process(6, exponent=3, delta=float(potential.regressor.delta))
    evidence = fit(same, data.map(relabelled), GaussianProcess(**again)).solution.figures["log_evidence"]
    assert evidence == pytest.approx(figures["log_evidence"], rel=1e-9)


@pytest.mark.parametrize(
    "make", [lambda n: TwoBodyKernel(cutoff=CUTOFF, n_points=8, length=n), lambda n: process(6, exponent=n)]
)
def test_evidence_finds_the_shape_of_a_kernel(make, tmp_path):
    """A maximum: lower where the shape is given a tenth away from the one found, which the file keeps."""
    data, start = structures(3), 2.0

    def evidence(potential, *optimize) -> float:
        return fit(potential, data, GaussianProcess(**NOISE, optimize=optimize)).solution.figures["log_evidence"]

    potential = make(start)
    found = evidence(potential, "shape")
    shape = potential.linear().shape
    assert found >= evidence(make(start))
    assert found == pytest.approx(evidence(make(shape)), rel=1e-9)
    if 1.05 * start / 4 < shape < 0.95 * start * 4 and shape > 1.0:
        assert found > max(evidence(make(max(f * shape, 1.0))) for f in (0.9, 1.1))
    save(potential, tmp_path / "kernel.safetensors")
    again = load(tmp_path / "kernel.safetensors")
    graph = graph_of(data[0].atoms, CUTOFF)
    torch.testing.assert_close(evaluate(again, graph).forces, evaluate(potential, graph).forces, rtol=0, atol=0)


def test_groups_have_their_own_noise():
    """A group's noise is that of the formula, and a weight divides it."""
    data = structures(6)
    potential, other = process(5), process(5)
    fit(potential, data, GaussianProcess(**NOISE, groups={"odd": {"force": 0.04}}))
    fit(
        other,
        data.map(lambda s: replace(s, weights={"force": 0.25 if s.group == "odd" else 1.0})),
        GaussianProcess(**NOISE),
    )
    X, y, _, _ = dense(potential, data)
    graphs = list(data.graphs(CUTOFF))
    sigma = np.concatenate(
        [labels_and_noise(Dataset([s]), [g], noise=NOISE | ({"force_sigma": 0.04} if s.group == "odd" else {}))[1]
         for s, g in zip(data, graphs, strict=True)]
    )  # fmt: skip
    stacked = np.vstack([X / sigma[:, None], potential.linear().prior().numpy()])
    expected = np.linalg.lstsq(stacked, np.concatenate([y / sigma, np.zeros(X.shape[1])]), rcond=1e-16)[0]
    found = potential.linear().coefficients.numpy()
    np.testing.assert_allclose(X @ found, X @ expected, atol=1e-8)
    np.testing.assert_allclose(found, other.linear().coefficients.numpy(), rtol=1e-6)


def test_a_sum_of_kernels_is_fitted_together_and_survives_its_file(tmp_path):
    data = structures(8)
    potential = TwoBodyKernel(cutoff=5.0, n_points=8) + process(10, choice=Leverage())
    alone = process(10, choice=Leverage())
    result = fit(potential, data, GaussianProcess(**NOISE, optimize=("delta",)))
    fit(alone, data, GaussianProcess(**NOISE))
    errors = result.parts["train"].errors.figures()
    assert errors["force_rmse"] < 0.02
    save(potential, tmp_path / "gap.safetensors")
    again = load(tmp_path / "gap.safetensors")
    graph = graph_of(data[0].atoms, 5.0)
    torch.testing.assert_close(evaluate(again, graph).forces, evaluate(potential, graph).forces, rtol=0, atol=0)
    torch.testing.assert_close(local_deviations(again, graph), local_deviations(potential, graph), rtol=1e-9, atol=0)


def test_the_exponent_two_folds_into_a_form():
    """The same energies and forces from F² numbers, and anew after the coefficients changed."""
    data = structures(8, spread=0.5)
    descriptor = SphericalBessel(cutoff=CUTOFF, n_max=1)
    potential = DescriptorPotential(descriptor, SparseKernel(n_points=12, kernel=PowerKernel(exponent=2)))
    fit(potential, data, GaussianProcess(**NOISE))
    graph = graph_of(data[0].atoms, CUTOFF)
    for factor in (1.0, -2.0):
        potential.linear().coefficients = factor * potential.linear().coefficients
        folded = evaluate(potential.eval(), graph)
        assert potential.regressor.forms() is not None
        plain = evaluate(potential.train(), graph)
        torch.testing.assert_close(folded.energy, plain.energy, rtol=1e-10, atol=0)
        torch.testing.assert_close(folded.forces, plain.forces, rtol=0, atol=1e-10 * float(plain.forces.abs().max()))


@pytest.mark.parametrize("kernel", [PowerKernel(exponent=2.5), PowerKernel(exponent=1), SquaredExponential(length=3.0)])
def test_slopes_are_derivatives(kernel):
    rng = np.random.default_rng(0)
    x, points = (torch.from_numpy(rng.uniform(0.1, 1, (n, 5))) for n in (3, 4))
    a, b = kernel.slopes(x, points)
    found = a[:, :, None] * points + b[:, :, None] * x[:, None]
    expected = torch.autograd.functional.jacobian(lambda x: kernel.values(x, points), x)
    torch.testing.assert_close(found, torch.einsum("isif->isf", expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [
    {"force_sigma": 0.0}, {"optimize": ("theta",)}, {"groups": {"odd": {"stress": 0.1}}},
    {"groups": {"odd": {"force": -1.0}}},
])  # fmt: skip
def test_settings_without_meaning_are_refused(settings):
    with pytest.raises(UserError):
        GaussianProcess(**settings)


def test_a_group_that_does_not_occur_is_named():
    with pytest.raises(UserError, match="'hot'"):
        fit(process(5), structures(3), GaussianProcess(groups={"hot": {"force": 1.0}}))
