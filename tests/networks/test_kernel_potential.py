"""The full kernel on any descriptor: the textbook regression, covariances against derivatives, labels of both kinds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from contracts.subjects import OWN

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import evaluate, load, save
from cambrian.data import Dataset, Structure
from cambrian.descriptors.coulomb_matrix import CoulombMatrix, SortedRows
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.kernel_ridge import KernelRidge
from cambrian.graph import graph_of
from cambrian.math.kernels import GaussianKernel, LaplacianKernel
from cambrian.networks.kernel_potential import KernelPotential


def springs(atoms: Atoms, rest: np.ndarray) -> Structure:
    """A molecule of springs between all atoms, energy and forces in closed form."""
    r = atoms.positions[None] - atoms.positions[:, None]
    distance = np.linalg.norm(r, axis=-1) + np.eye(len(atoms))
    stretch = distance - rest
    forces = 2 * (stretch / distance)[..., None] * r
    return Structure(atoms, energy=0.5 * float((stretch**2).sum()) - 5.0, forces=forces.sum(axis=1))


def rattled(names: tuple[str, ...], n: int, seed: int = 0) -> Dataset:
    rng, found = np.random.default_rng(seed), []
    for k in range(n):
        atoms = molecule(names[k % len(names)])
        x = atoms.positions
        rest = np.linalg.norm(x[None] - x[:, None], axis=-1) + np.eye(len(atoms))
        atoms.positions += rng.normal(0, 0.05, x.shape)
        found.append(springs(atoms, rest))
    return Dataset(found)


DESCRIPTORS = {"atoms": OWN["RaggedHistogram"].example, "molecules": CoulombMatrix}


def kernel_on(name: str, **how) -> KernelPotential:
    return KernelPotential(DESCRIPTORS[name](), length={"atoms": 1.0, "molecules": 40.0}[name], **how)


@pytest.mark.parametrize("labels", [("energy",), ("forces",), ("energy", "forces")])
@pytest.mark.parametrize("name", DESCRIPTORS)
def test_covariances_are_the_rows_of_the_training_set(name, labels):
    """Closed form against differentiation, for molecules of different size and composition."""
    data, potential = rattled(("H2O", "CO2", "HCN", "CH4"), 6), kernel_on(name, labels=labels)
    potential.setup(data)
    view = potential.linear()
    chosen = [5, 0, 3]
    K = view.covariance(chosen)
    K = np.tril(K) + np.tril(K, -1).T
    starts = np.concatenate([[0], np.cumsum(view.labels_of(range(len(data))))])
    columns = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in chosen])
    expected = []
    for k in chosen:
        rows = view.rows(graph_of(data[k].atoms, potential.cutoff))
        expected += [rows.energy.numpy()] * ("energy" in labels)
        expected += [rows.forces.flatten(0, 1).numpy()] * ("forces" in labels)
    expected = np.concatenate(expected)[:, columns]
    np.testing.assert_allclose(K, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert np.linalg.eigvalsh(K)[0] > -1e-10 * np.abs(K).max()


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_learns_energies_and_forces(name, tmp_path):
    train, test = rattled(("H2O",), 60), rattled(("H2O",), 20, seed=1)
    errors = {}
    for labels in (("energy",), ("energy", "forces")):
        lengths = (0.3, 1.0, 3.0, 10.0)
        potential = IsolatedAtoms() + kernel_on(name, labels=labels)
        result = fit(potential, train, KernelRidge(regularization=1e-8, lengths=lengths), test=test)
        errors[labels] = result.parts["test"].errors.figures()
    with_forces, without = (errors[labels]["force_rmse"] for labels in (("energy", "forces"), ("energy",)))
    assert with_forces < {"atoms": 0.5, "molecules": 1.0}[name] * without
    again = load(save(potential, tmp_path / "kernel.safetensors"))
    graph = graph_of(test[0].atoms, potential.cutoff)
    assert torch.equal(evaluate(again, graph).forces, evaluate(potential, graph).forces)


@pytest.mark.parametrize("kernel", [GaussianKernel(), LaplacianKernel()])
def test_energies_of_molecules_are_kernel_ridge_regression(kernel):
    """The mean of the textbook, k*ᵀ(K + λ)⁻¹(y - c) + c, written out in numpy."""
    train, new = rattled(("H2O", "CO2", "CH4"), 12), rattled(("H2O", "CO2", "CH4"), 3, seed=2)
    potential = KernelPotential(CoulombMatrix(arrangement=SortedRows()), kernel, length=30.0)
    fit(potential, train, KernelRidge(regularization=1e-3))
    energies = np.array([s.energy for s in train])

    def features(data):
        return np.array([potential.descriptor.features(graph_of(s.atoms, 0.0))[0].numpy() for s in data])

    def similarity(first, second):
        apart = first[:, None] - second[None]
        if isinstance(kernel, LaplacianKernel):
            return np.exp(-np.abs(apart).sum(axis=-1) / 30.0)
        return np.exp(-np.square(apart).sum(axis=-1) / (2 * 30.0**2))

    alpha = np.linalg.solve(
        similarity(features(train), features(train)) + 1e-3 * np.eye(12), energies - energies.mean()
    )
    expected = similarity(features(new), features(train)) @ alpha + energies.mean()
    found = [float(evaluate(potential, graph_of(s.atoms, 0.0)).energy[0]) for s in new]
    np.testing.assert_allclose(found, expected, atol=1e-8)
    assert evaluate(potential, graph_of(new[0].atoms, 0.0)).forces is None


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="no forces to fit"):
        KernelPotential(CoulombMatrix(arrangement=SortedRows()), labels=("forces",))
    with pytest.raises(UserError, match="no forces to fit"):
        KernelPotential(CoulombMatrix(), LaplacianKernel(), labels=("forces",))
    with pytest.raises(UserError, match="energy, forces or both, not stress"):
        KernelPotential(CoulombMatrix(), labels=("stress",))
    crystal = molecule("H2O", vacuum=3.0)
    crystal.pbc = True
    with pytest.raises(UserError, match="free molecules"):
        KernelPotential(CoulombMatrix()).setup(Dataset([Structure(crystal)]))
    data = rattled(("H2O",), 4)
    some = Dataset(replace(s, energy=float("nan")) if k == 2 else s for k, s in enumerate(data))
    with pytest.raises(UserError, match="needs energy of every structure"):
        fit(KernelPotential(CoulombMatrix()), some, KernelRidge())


@pytest.mark.parametrize(("name", "expected"), [("atoms", 4), ("molecules", 5)])
def test_coefficients_count_as_parameters(name, expected):
    """One for each energy; whole molecules have the constant too."""
    found = fit(kernel_on(name), rattled(("H2O", "HCN"), 4), KernelRidge(regularization=1e-3))
    assert found.n_parameters == expected
    assert found.metrics()["n_parameters"] == expected
