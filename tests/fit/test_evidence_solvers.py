"""Solvers by evidence: stationary on the rows of a problem, planted noise and relevance, posterior, refusals."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from planted_linear import known_truth, noisy, powers, rows_of, structures

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import DescriptorPotential, Frozen, evaluate, uncertainty
from cambrian.data import Dataset
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.automatic_relevance import AutomaticRelevance
from cambrian.fit.bayesian_ridge import BayesianRidge
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.linear_system import LinearSystem, Triangle
from cambrian.fit.warm_start import WarmStart
from cambrian.graph import graph_of
from cambrian.math.evidence import one_each, one_for_all

SOLVERS = (BayesianRidge, AutomaticRelevance)


def data_with_noise(n: int = 8, deviation: float = 0.02) -> Dataset:
    """Noise of one size on all weighted rows: energies per atom have a tenth of that of forces, stress none."""
    rng = np.random.default_rng(4)

    def energies(s):
        return replace(s, energy=s.energy + 0.1 * deviation * len(s) * rng.normal())

    return noisy(structures(n), deviation, seed=1).map(energies)


def noise_drawn(data: Dataset) -> float:
    """Root mean square of the noise that weighted rows have."""
    X, y = rows_of(known_truth(data), data, weights=(10.0, 1.0, 1.0))
    residual = y - X @ known_truth(data).linear().coefficients.numpy()
    return float(np.sqrt(np.mean(residual**2)))


def test_bayesian_ridge_is_least_squares_with_the_ridge_it_found():
    data, one, other = data_with_noise(), powers(), powers()
    result = fit(one, data, BayesianRidge(energy_weight=10.0))
    ridge = result.solution.figures["ridge"]
    fit(other, data, LeastSquares(energy_weight=10.0, ridge=ridge))
    assert torch.allclose(one.linear().coefficients, other.linear().coefficients, rtol=1e-6)
    new = graph_of(structures(1, seed=9)[0].atoms, 5.0)
    assert torch.allclose(uncertainty(one, new).forces, uncertainty(other, new).forces, rtol=1e-6)


def test_its_evidence_is_stationary_on_the_rows():
    """Over rows written out by hand: α = γ/|z|² and β = (n - γ)/|r|² in columns of unit norm."""
    data, potential = data_with_noise(), powers()
    figures = fit(potential, data, BayesianRidge(energy_weight=10.0)).solution.figures
    X, y = rows_of(potential, data, weights=(10.0, 1.0, 1.0))
    norms = np.linalg.norm(X, axis=0)
    z = potential.linear().coefficients.numpy() * norms
    beta = figures["weighted_noise"] ** -2
    alpha = figures["ridge"] * beta
    e = np.linalg.eigvalsh((X / norms).T @ (X / norms))
    gamma = (beta * e / (alpha + beta * e)).sum()
    assert figures["n_decided"] == pytest.approx(gamma, rel=1e-8)
    assert alpha * z @ z == pytest.approx(gamma, rel=1e-6)
    assert beta * np.square(y - X / norms @ z).sum() == pytest.approx(len(y) - gamma, rel=1e-8)


def test_automatic_relevance_leaves_out_what_does_not_belong():
    """Powers 5, 7, 8 and 10 are not in the truth; noise decides nothing for them, less so the more data there are."""
    data = data_with_noise(24)
    potential = powers(4, 6, 9, 12, 3, 16)
    result = fit(potential, data, AutomaticRelevance(energy_weight=10.0, tolerance=1e-8, most_iterations=3000))
    figures, found = result.solution.figures, potential.linear().coefficients
    assert figures["n_kept"] < 7
    assert int((found != 0).sum()) == figures["n_kept"]
    assert figures["weighted_noise"] == pytest.approx(noise_drawn(data), rel=0.03)
    assert (
        figures["log_evidence"]
        > fit(powers(4, 6, 9, 12, 3, 16), data, BayesianRidge(energy_weight=10.0)).solution.figures["log_evidence"]
    )
    assert f"{figures['n_kept']} of 7" in result.solution.notes[0]


@pytest.mark.parametrize("evidence", [one_for_all, partial(one_each, tolerance=1e-3, most_iterations=300)])
def test_forces_err_as_their_posterior_says(evidence):
    """(truth - prediction)² / σ² of a structure that was not fitted to, over draws of the noise: about one."""
    data = structures(12)
    truth = known_truth(data).linear()
    X, exact = rows_of(known_truth(data), data, weights=(10.0, 1.0, 1.0))
    rows = truth.rows(graph_of(structures(1, seed=9)[0].atoms, 5.0)).forces.numpy()
    rng, scores = np.random.default_rng(0), []
    for _ in range(50):
        triangle = Triangle(X.shape[1])
        triangle.add(X, exact + rng.normal(0, 0.02, len(X)))
        system = LinearSystem(
            Dataset([]), [], [], triangle, np.zeros((0, X.shape[1])), np.zeros(X.shape[1]), np.ones(X.shape[1])
        )
        found = evidence(*system.standard(), len(X))
        error = rows @ (system.of_standard(found.mean) - truth.coefficients.numpy())
        variance = np.square(rows @ system.of_standard(found.root)).sum(axis=(1, 2))
        scores.append(np.square(error).sum(axis=1) / variance)
    assert 0.6 < np.mean(scores) < 1.6


@pytest.mark.parametrize("solver", SOLVERS)
def test_terms_of_one_fit_share_a_posterior(solver):
    data, new = data_with_noise(), graph_of(structures(1, seed=9)[0].atoms, 5.0)
    whole, parts = powers(), powers(4, 6) + powers(9, 12) + Frozen(IsolatedAtoms({"Ar": 0.0}))
    for potential in (whole, parts):
        fit(potential, data, solver(energy_weight=10.0))
    assert torch.allclose(uncertainty(parts, new).forces, uncertainty(whole, new).forces, rtol=0.3)
    fit(parts, data, solver(energy_weight=10.0, posterior_up_to=1))
    assert all(term.posterior is None for term in parts.terms())


@pytest.mark.parametrize("solver", SOLVERS)
def test_going_on_from_a_fit_begins_there(solver):
    """Labels of the potential itself with noise: the evidence finds nothing to learn, least squares fits the noise."""
    own, new = structures(6), structures(2, seed=5)
    found = {}
    for taught in (LeastSquares(), solver()):
        potential = powers()
        fit(potential, own, LeastSquares())
        before = evaluate(potential, graph_of(own[0].atoms, 5.0)).forces
        fit(potential, noisy(new, 0.05, seed=8), taught, warm=WarmStart())
        found[type(taught)] = float((evaluate(potential, graph_of(own[0].atoms, 5.0)).forces - before).norm())
    assert found[solver] < 0.5 * found[LeastSquares]


@pytest.mark.parametrize("solver", SOLVERS)
def test_they_run_from_the_catalogue(solver):
    from cambrian.contracts.catalogue import classes
    from cambrian.contracts.solver import Solver

    assert classes(Solver)[solver.__name__] is solver
    with pytest.raises(UserError, match="linear"):
        fit(IsolatedAtoms({"Ar": 0.0}), structures(2), solver())


def test_a_prior_of_the_model_takes_the_place_of_norms():
    """With R = the column norms, prior and norms say the same."""
    data, plain, prior = data_with_noise(), powers(), powers()
    fit(plain, data, BayesianRidge(energy_weight=10.0))
    X, _ = rows_of(plain, data, weights=(10.0, 1.0, 1.0))
    R = torch.diag(torch.from_numpy(np.linalg.norm(X, axis=0)))

    class WithPrior(type(prior.regressor)):
        def prior(self):
            return R

    prior = DescriptorPotential(prior.descriptor, WithPrior())
    fit(prior, data, BayesianRidge(energy_weight=10.0))
    assert torch.allclose(prior.linear().coefficients, plain.linear().coefficients, rtol=1e-7)
    with pytest.raises(UserError, match="BayesianRidge"):
        fit(prior, data, AutomaticRelevance())
    R[2] = R[1] = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    with pytest.raises(UserError, match="LeastSquares"):
        fit(prior, data, BayesianRidge())
