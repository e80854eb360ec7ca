"""The posterior of linear fits: the textbook formula, calibration on known noise, units, files, and its limits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_linear import known_truth, noisy, powers, rows_of, structures
from small_data import argon

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import DescriptorPotential, Frozen, load, save, uncertainty
from cambrian.contracts.potential import Sum
from cambrian.data import Dataset, Structure
from cambrian.descriptors.coulomb_matrix import CoulombMatrix
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.bayesian_ridge import BayesianRidge
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.linear_system import LinearSystem, Triangle
from cambrian.fit.problem import Problem
from cambrian.fit.warm_start import WarmStart
from cambrian.graph import graph_of
from cambrian.regressors.linear import LinearRegressor


def test_it_is_the_formula_of_the_textbook():
    data = noisy(structures(6), 0.02, seed=1)
    data = data.map(lambda s: replace(s, stress=structures(6)[s.frame].stress + 0.001 * np.eye(3)))
    potential, ridge = powers(), 1e-3
    fit(potential, data, LeastSquares(energy_weight=3.0, force_weight=1.0, stress_weight=0.5, ridge=ridge))
    X, y = rows_of(potential, data)
    penalty = ridge * np.diag(np.square(X).sum(axis=0))
    inverse = np.linalg.inv(X.T @ X + penalty)
    mean = inverse @ X.T @ y
    decided = np.trace(inverse @ X.T @ X)
    covariance = inverse * np.square(X @ mean - y).sum() / (len(y) - decided)
    assert np.allclose(potential.linear().coefficients.numpy(), mean, rtol=1e-7)
    assert np.allclose((potential.posterior @ potential.posterior.T).numpy(), covariance, rtol=1e-6)

    new = graph_of(structures(1, seed=9)[0].atoms, 5.0)
    rows, spread = potential.linear().rows(new), uncertainty(potential, new)
    energy, forces = rows.energy.numpy(), rows.forces.numpy()
    assert spread.energy.numpy() == pytest.approx(np.sqrt(energy @ covariance @ energy.T)[0], rel=1e-6)
    variance = np.einsum("ixk,kl,ixl->i", forces, covariance, forces)
    assert np.allclose(spread.forces.numpy(), np.sqrt(variance), rtol=1e-6)
    stress = np.einsum("xyk,kl,xyl->xy", rows.stress[0].numpy(), covariance, rows.stress[0].numpy())
    assert np.allclose(spread.stress[0].numpy(), np.sqrt(stress), rtol=1e-6)


def test_it_is_calibrated_where_the_noise_is_known():
    """(truth - prediction) / σ has variance one over many draws of the noise, near the data and far from them."""
    data, truth = structures(4), np.array([0.02, -0.2, 0.05, 0.1])
    potential = known_truth(data)
    X = rows_of(potential, data.map(lambda s: replace(s, stress=None)), weights=(0.0, 1.0, 0.0))[0][:, 1:]
    other = potential.linear().rows(graph_of(structures(1, seed=9)[0].atoms, 5.0))
    near, far = other.forces[0, 0, 1:].numpy(), other.energy[0, 1:].numpy()
    rng, scores = np.random.default_rng(0), []
    for _ in range(400):
        triangle = Triangle(4)
        triangle.add(X, X @ truth + rng.normal(0, 0.02, len(X)))
        system = LinearSystem(Dataset([]), [], [], triangle, np.zeros((0, 4)), np.zeros(4), np.ones(4))
        found, _ = LeastSquares(ridge=1e-14).coefficients(system)
        root = LeastSquares(ridge=1e-14).covariance_root(system, found)
        scores.append([(row @ (found - truth) / np.linalg.norm(row @ root)) ** 2 for row in (near, far)])
    freedom = len(X) - 4  # the scores follow Student's t, whose variance is a little above one
    assert np.mean(scores, axis=0) == pytest.approx(freedom / (freedom - 2), abs=0.25)  # 3.5 standard errors


def test_units_of_labels_and_weights_drop_out():
    data, new = noisy(structures(5), 0.02, seed=3), graph_of(structures(1, seed=9)[0].atoms, 5.0)
    plain, scaled, weighted = powers(), powers(), powers()
    fit(plain, data, LeastSquares(energy_weight=10.0, ridge=1e-10))
    fit(scaled, data.map(lambda s: replace(s, energy=7 * s.energy, forces=7 * s.forces)),
        LeastSquares(energy_weight=10.0, ridge=1e-10))  # fmt: skip
    fit(weighted, data, LeastSquares(energy_weight=50.0, force_weight=5.0, ridge=1e-10))
    one, seven, five = (uncertainty(p, new) for p in (plain, scaled, weighted))
    assert torch.allclose(seven.forces, 7 * one.forces, rtol=1e-6)
    assert torch.allclose(seven.energy, 7 * one.energy, rtol=1e-6)
    assert torch.allclose(five.forces, one.forces, rtol=1e-6)


def test_more_data_are_surer_and_far_away_is_unsure():
    few, many = powers(), powers()
    fit(few, noisy(structures(2), 0.02, seed=0), LeastSquares())
    fit(many, noisy(structures(20), 0.02, seed=0), LeastSquares())
    inside = structures(1, seed=9)[0].atoms
    squeezed = inside.copy()
    squeezed.set_cell(0.8 * squeezed.cell, scale_atoms=True)
    near, far = graph_of(inside, 5.0), graph_of(squeezed, 5.0)
    assert uncertainty(many, near).forces.mean() < 0.5 * uncertainty(few, near).forces.mean()
    assert uncertainty(many, near).forces.max() < 0.02  # below the noise of one label
    assert uncertainty(many, far).forces.mean() > 5 * uncertainty(many, near).forces.mean()


def test_terms_of_one_fit_vary_together():
    """Two terms that share the powers of one: the same model, so the same variances, which no separate sum gives."""
    data, new = noisy(structures(6), 0.02, seed=2), graph_of(structures(1, seed=9)[0].atoms, 5.0)
    whole, parts = powers(), powers(4, 6) + powers(9, 12) + Frozen(IsolatedAtoms({"Ar": 0.0}))
    for potential in (whole, parts):
        fit(potential, data, LeastSquares(energy_weight=10.0, ridge=1e-11))
    one, joined = uncertainty(whole, new), uncertainty(parts, new)
    assert torch.allclose(joined.forces, one.forces, rtol=1e-4)
    separate = [uncertainty(Sum([term]), new).forces.square() for term in parts.parts[:2]]
    assert not torch.allclose(sum(separate).sqrt(), one.forces, rtol=0.1)
    other = powers()
    fit(other, noisy(structures(6), 0.02, seed=5), LeastSquares(energy_weight=10.0, ridge=1e-11))
    both = uncertainty(whole + other, new).forces  # two fits know nothing of each other
    assert torch.allclose(both.square(), one.forces.square() + uncertainty(other, new).forces.square(), rtol=1e-9)


def test_it_is_kept_in_files_and_old_files_load(tmp_path):
    data, new = structures(6), graph_of(structures(1, seed=9)[0].atoms, 4.0)
    potential = IsolatedAtoms() + DescriptorPotential(SO4Bispectrum(cutoff=4.0, two_j_max=2), LinearRegressor())
    fit(potential, data, LeastSquares())
    again = load(save(potential, tmp_path / "with.safetensors"))
    assert torch.equal(uncertainty(again, new).forces, uncertainty(potential, new).forces)
    for term in potential.terms():
        term.posterior = None
    old = save(potential, tmp_path / "old.safetensors")
    assert "posterior" not in old.read_bytes().decode("latin-1")
    with pytest.raises(UserError, match="kept its posterior"):
        uncertainty(load(old), new)


def test_too_many_coefficients_keep_none_and_a_new_start_forgets():
    data = structures(6)
    potential = powers()
    fit(potential, data, LeastSquares(posterior_up_to=4))
    assert potential.posterior is None
    fit(potential, data, LeastSquares(posterior_up_to=5))
    assert potential.posterior.shape == (5, 5)
    potential.setup(data)
    assert potential.posterior is None


def test_whatever_is_linear_has_one():
    """A whole-molecule descriptor too, whose rows come by differentiation."""
    descriptor = CoulombMatrix.example()
    potential = DescriptorPotential(descriptor, LinearRegressor())
    atoms = [a.copy() for a in CoulombMatrix.example_atoms()[:1] for _ in range(8)]
    rng = np.random.default_rng(0)
    for a in atoms:
        a.positions += rng.normal(0, 0.05, a.positions.shape)
    data = Dataset(Structure(a, energy=rng.normal(), forces=rng.normal(size=a.positions.shape)) for a in atoms)
    fit(potential, data, LeastSquares())
    spread = uncertainty(potential, graph_of(atoms[0], potential.cutoff))
    assert spread.forces.shape == (len(atoms[0]),)
    assert (spread.forces > 0).all()


def test_the_posterior_of_a_start_does_not_outlive_it():
    data, potential = structures(4), powers()
    fit(potential, data, LeastSquares())
    assert potential.posterior is not None
    fit(potential, data, GradientDescent(epochs=1), warm=WarmStart())
    assert potential.posterior is None


@pytest.mark.parametrize("solver", [LeastSquares(ridge=1e-6), BayesianRidge()])
def test_the_share_that_each_group_decides_is_its_sum_of_leverages(solver):
    potential = DescriptorPotential(SO4Bispectrum(cutoff=4.5, two_j_max=2), LinearRegressor())
    data = Dataset(
        Structure(a, energy=a.get_potential_energy(), forces=a.get_forces(), group=a.info["config_type"])
        for a in argon(6)
    )
    potential.setup(data)
    problem = Problem(potential, data)
    solution = solver.solve(problem)
    blocks = list(problem.blocks(solver.weights))
    X = np.concatenate([rows for rows, _ in blocks])
    ridge = solution.figures.get("ridge", 1e-6)
    A = X.T @ X + ridge * np.diag((X**2).sum(axis=0))
    expected = {}
    for s, (rows, _) in zip(data, blocks, strict=True):
        expected[s.group] = expected.get(s.group, 0.0) + np.trace(rows @ np.linalg.solve(A, rows.T))
    said = next(note for note in solution.notes if "by group" in note)
    for name, share in expected.items():
        assert f"{name} {share:.0f}" in said
    assert abs(solution.figures["n_decided"] - sum(expected.values())) < 1e-6
