"""sGDML: the kernel written out, the package of its authors, symmetry, the integral of forces, and what it refuses.

data/sgdml_ethanol.npz was made with the PyPI package sgdml 1.0.3 (float64, closed form): 30 geometries of ethanol at
CCSD(T)/cc-pVTZ (the data of Chmiela et al. 2018) in eV and Å, `perm.find_perms`, `GDMLTrain.train` with sig 20 and lam
1e-10 without energy constraints, `GDMLPredict` on 10 others.
"""

import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from cambrian.contracts import evaluate, predictor, uncertainty
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.kernel_ridge import KernelRidge
from cambrian.fit.least_squares import LeastSquares
from cambrian.graph import graph_of
from cambrian.networks.sgdml import SGDML, waters
from cambrian.recipes.sgdml import sgdml


@pytest.fixture(scope="module")
def theirs():
    with np.load(Path(__file__).parent / "data" / "sgdml_ethanol.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def ethanol(theirs):
    labels = zip(theirs["positions"], theirs["energies"], theirs["forces"], strict=True)
    return Dataset(Structure(Atoms(theirs["numbers"], p), energy=float(e), forces=f) for p, e, f in labels)


@pytest.fixture(scope="module")
def fitted(theirs, ethanol):
    return fit(SGDML(length=float(theirs["sigma"])), ethanol, KernelRidge(regularization=float(theirs["lam"])))


def labelled(potential, frames) -> Dataset:
    found = []
    for atoms in frames:
        p = evaluate(potential, graph_of(atoms, 0.0))
        found.append(Structure(atoms, energy=float(p.energy[0]), forces=p.forces.numpy()))
    return Dataset(found)


def test_equals_the_package_of_its_authors(theirs, fitted):
    potential = fitted.potential
    assert {tuple(o) for o in potential.orders.tolist()} == {tuple(o) for o in theirs["permutations"].tolist()}
    graphs = [graph_of(Atoms(theirs["numbers"], p), 0.0) for p in theirs["new_positions"]]
    for run in (predictor(potential), lambda g: evaluate(potential, g)):
        found = [run(g) for g in graphs]
        np.testing.assert_allclose([p.forces.numpy() for p in found], theirs["new_forces"], rtol=0, atol=2e-7)
        np.testing.assert_allclose([float(p.energy[0]) for p in found], theirs["new_energies"], rtol=0, atol=2e-7)


def test_what_is_left_of_the_training_forces_is_lambda_times_alpha(theirs, fitted, ethanol):
    """(K + λ) α = F, with K α predicted by the potential itself; energies are right on average."""
    predicted = fitted.parts["train"].predicted
    left = np.array([s.forces - p.forces for s, p in zip(ethanol, predicted, strict=True)])
    np.testing.assert_allclose(left, theirs["lam"] * fitted.potential.alpha.detach().numpy(), rtol=0, atol=1e-7)
    assert abs(np.mean([s.energy - p.energy for s, p in zip(ethanol, predicted, strict=True)])) < 1e-7


def test_force_kernel_written_out():
    """METHODS: F = Σ_j J^T (5/3σ²) e^{-qd} [(1 + qd) - (5/σ²) ΔΔᵀ] J_j α_j, J by finite differences."""
    potential = SGDML(length=2.0, orders=[[0, 1, 2]])
    potential.setup(Dataset(Structure(a) for a in waters(4, seed=0)))
    potential.alpha.data = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def inverse(x):
        x = x.reshape(3, 3)
        return np.array([1 / np.linalg.norm(x[i] - x[j]) for i, j in ((1, 0), (2, 0), (2, 1))])

    def slopes(x, h=1e-6):
        return np.column_stack([(inverse(x + h * e) - inverse(x - h * e)) / (2 * h) for e in np.eye(9)])

    x, sigma = waters(1, seed=5)[0].positions.ravel(), 2.0
    force = np.zeros(9)
    for y, a in zip(potential.geometries.numpy(), potential.alpha.detach().numpy(), strict=True):
        delta = inverse(x) - inverse(y.ravel())
        qd = math.sqrt(5) / sigma * np.linalg.norm(delta)
        block = 5 / (3 * sigma**2) * math.exp(-qd) * ((1 + qd) * np.eye(3) - 5 / sigma**2 * np.outer(delta, delta))
        force += slopes(x).T @ block @ slopes(y.ravel()) @ a.ravel()
    found = evaluate(potential, graph_of(waters(1, seed=5)[0], 0.0))
    assert found.atomic_energies is None
    np.testing.assert_allclose(found.forces.numpy().ravel(), force, atol=1e-8)


def test_learns_a_planted_potential_by_both_solvers():
    """The closed form and least squares on the rows find forces and energies of a potential of the same form."""
    truth = SGDML.example()
    data = labelled(truth, waters(5, seed=0))
    only_forces = Dataset(replace(s, energy=float("nan")) if k else s for k, s in enumerate(data))
    new = labelled(truth, waters(4, seed=7))
    for solver in (KernelRidge(regularization=1e-12), LeastSquares(ridge=1e-12)):
        potential = SGDML(length=2.0, orders=[[0, 1, 2], [0, 2, 1]])
        fit(potential, only_forces, solver)
        for s in new:
            found = evaluate(potential, graph_of(s.atoms, 0.0))
            np.testing.assert_allclose(found.forces.numpy(), s.forces, atol=1e-3)
            np.testing.assert_allclose(found.energy.numpy(), s.energy, atol=1e-3)


def test_length_of_the_recipe_is_chosen_on_held_out_forces(ethanol):
    potential, solver = sgdml(solver=KernelRidge(lengths=(0.3, 20.0, 3000.0), probe=20))
    result = fit(potential, ethanol, solver)
    assert float(potential.length) == 20.0
    errors = {row["length"]: row["held_out_rmse"] for row in result.solution.history}
    assert min(errors, key=errors.get) == 20.0
    few = np.unique(np.linspace(0, len(ethanol) - 1, 20).round().astype(int))
    shuffled = np.random.default_rng(0).permutation(few)
    part = SGDML(length=20.0, orders=potential.orders.tolist())
    held = fit(part, ethanol[shuffled[:15]], KernelRidge(), test=ethanol[shuffled[15:]]).parts["test"].errors
    assert held.figures()["force_rmse"] == pytest.approx(errors[20.0], rel=1e-6)


def test_weights_of_labels_are_variances(ethanol):
    """Labels of weight w with λ are labels of weight one with λ/w²."""
    heavy = ethanol.map(lambda s: replace(s, weights={"force": 10.0}))
    first, second = SGDML(), SGDML()
    fit(first, heavy, KernelRidge(regularization=1e-4))
    fit(second, ethanol, KernelRidge(regularization=1e-6))
    torch.testing.assert_close(first.alpha, second.alpha, rtol=1e-7, atol=1e-7)


def test_least_squares_keeps_a_posterior():
    data = labelled(SGDML.example(), waters(5, seed=0))
    potential = SGDML(length=2.0)
    fit(potential, data, LeastSquares(ridge=1e-6))
    assert torch.isfinite(uncertainty(potential, graph_of(waters(1, seed=3)[0], 0.0)).forces).all()


def test_other_molecules_are_refused(fitted, ethanol):
    atoms = ethanol[0].atoms
    for other in (atoms[[0, 1, 2]], atoms[::-1]):
        with pytest.raises(UserError, match="one molecule"):
            predictor(fitted.potential)(graph_of(other, 0.0))
    periodic = atoms.copy()
    periodic.cell, periodic.pbc = [9.0] * 3, True
    with pytest.raises(UserError, match="free molecule"):
        evaluate(fitted.potential, graph_of(periodic, 0.0))
    with pytest.raises(UserError, match=r"frame 3.*in the same order"):
        SGDML().setup(ethanol[:2] + Dataset([Structure(atoms[::-1], frame=3)]))


def test_what_cannot_be_fitted_is_refused(ethanol, monkeypatch):
    unlabelled = ethanol[:3] + Dataset([replace(ethanol[4], forces=None)])
    with pytest.raises(UserError, match="needs forces of every structure"):
        fit(SGDML(), unlabelled, KernelRidge())
    with pytest.raises(UserError, match="stand in the training set twice"):
        fit(SGDML(), ethanol[[0, 0]], KernelRidge(regularization=1e-300))
    with pytest.raises(UserError, match="different elements"):
        SGDML(orders=[[1, 2, 3, 4, 5, 6, 7, 8, 0]]).setup(ethanol)
    with pytest.raises(UserError, match="once"):
        SGDML(orders=[[0, 0, 2, 3, 4, 5, 6, 7, 8]]).setup(ethanol)
    monkeypatch.setattr(import_module("cambrian.fit.kernel_ridge"), "available_memory", lambda: 1e6)
    with pytest.raises(UserError, match=r"takes 0\.0 GB.*at most 11 of the 30"):
        fit(SGDML(), ethanol, KernelRidge())


def test_the_compiled_route_follows_another_fit(ethanol):
    potential, graph = SGDML(length=10.0), graph_of(ethanol[20].atoms, 0.0)
    fit(potential, ethanol[:3], KernelRidge(regularization=1e-10))
    route = predictor(potential)
    route(graph)
    fit(potential, ethanol[:5], KernelRidge(regularization=1e-10))
    torch.testing.assert_close(route(graph).forces, evaluate(potential, graph).forces, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(route(graph).energy, evaluate(potential, graph).energy)
    view = potential.linear()
    view.coefficients = 2 * view.coefficients
    torch.testing.assert_close(route(graph).forces, evaluate(potential, graph).forces, rtol=1e-9, atol=1e-9)
