"""Solvers that train by epochs: one small problem on which all come to one error; resume, targets, closed forms."""

import numpy as np
import pytest
import torch
from argon_clusters import clusters, network
from scipy.optimize import least_squares, minimize

from cambrian.errors import UserError
from cambrian.fit import Problem, fit
from cambrian.fit.course import Course, Target
from cambrian.fit.genetic_search import GeneticSearch
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.kalman_filter import KalmanFilter
from cambrian.fit.lbfgs import LBFGS
from cambrian.fit.levenberg_marquardt import LevenbergMarquardt
from cambrian.fit.objective import Objective
from cambrian.fit.problem import Weights
from cambrian.fit.simulated_annealing import SimulatedAnnealing

NOISE = 0.2  # eV/Å: what no potential can learn
ALL = {"energy_weight": 1.0, "validation_fraction": 0.0}
LONG = {
    "GradientDescent": GradientDescent(epochs=80, learning_rate=0.05, batch_size=5, **ALL),
    "KalmanFilter": KalmanFilter(epochs=6, **ALL),
    "LBFGS": LBFGS(epochs=60, **ALL),
    "LevenbergMarquardt": LevenbergMarquardt(epochs=12, **ALL),
    "SimulatedAnnealing": SimulatedAnnealing(epochs=1, steps=3, **ALL),
    "GeneticSearch": GeneticSearch(epochs=8, generations=10, population=40, **ALL),
}
SLOW = ("SimulatedAnnealing", "GeneticSearch")
SHORT = {
    "GradientDescent": GradientDescent(epochs=4, batch_size=5),
    "KalmanFilter": KalmanFilter(epochs=4, streams=2, force_energy_ratio=2.0),
    "LBFGS": LBFGS(epochs=6, memory=3),
    "LevenbergMarquardt": LevenbergMarquardt(epochs=4),
    "SimulatedAnnealing": SimulatedAnnealing(epochs=3, steps=1),
    "GeneticSearch": GeneticSearch(epochs=3, generations=1, population=6),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in LONG])
def test_all_come_to_the_same_error(name):
    """The noise of the labels is what remains, whoever fits."""
    data = clusters(30, seed=0, noise=NOISE)
    figures = fit(network(hidden=(4,)), data, LONG[name]).metrics()["train"]
    assert figures["force_rmse"] == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize("name", SHORT)
def test_an_interrupted_fit_resumes_to_the_bit(name, tmp_path, monkeypatch):
    data, solver = clusters(8, seed=1), SHORT[name]
    whole = fit(network(), data, solver, seed=5)
    count, epoch = [0], Course.epoch

    def interrupted(self):
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        epoch(self)

    monkeypatch.setattr(Course, "epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), data, solver, seed=5, folder=tmp_path)
    monkeypatch.setattr(Course, "epoch", epoch)
    resumed = fit(network(), data, solver, seed=5, folder=tmp_path)
    for a, b in zip(whole.potential.parameters(), resumed.potential.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(whole.solution.history) == len(resumed.solution.history) == solver.epochs


def test_a_target_ends_training_and_one_that_is_missed_is_told():
    data = clusters(20, seed=0, noise=NOISE)
    easy = LBFGS(epochs=200, target=Target(force_rmse=1.3 * NOISE), **ALL)
    result = fit(network(hidden=(4,)), data, easy)
    assert "target was reached" in result.solution.notes[0]
    assert result.metrics()["train"]["force_rmse"] <= 1.3 * NOISE
    hard = LBFGS(epochs=3, target=Target(force_rmse=1e-9, energy_rmse=1e-9), **ALL)
    assert "1e-06 meV/Å" in fit(network(hidden=(4,)), data, hard).solution.notes[1]
    with pytest.raises(UserError, match="a target names"):
        Target()


def system():
    """Residuals of a small problem, and the objective made of them."""
    data, potential = clusters(6, seed=2), network(hidden=(3,))
    potential.setup(data)
    problem = Problem(potential, data)
    objective = Objective(problem.prepared(data), list(potential.parameters()), Weights(2.0, 1.0, 0.0))

    def residuals(vector):
        objective.put(vector)
        found = [objective.residuals(b).detach().numpy() for b in objective.batches]
        return np.concatenate(found)

    return objective, residuals


def test_gradient_and_normal_equations_are_those_of_differences():
    objective, residuals = system()
    place, step = objective.get(), 1e-5
    J = np.stack(
        [(residuals(place + step * e) - residuals(place - step * e)) / (2 * step) for e in np.eye(len(place))], axis=1
    )
    r = residuals(place)
    loss, matrix, right = objective.normal_equations()
    assert loss == pytest.approx(r @ r)
    np.testing.assert_allclose(np.tril(matrix), np.tril(J.T @ J), atol=1e-7)
    np.testing.assert_allclose(right, J.T @ r, atol=1e-8)
    np.testing.assert_allclose(objective.value_and_gradient()[1], 2 * J.T @ r, atol=1e-8)
    assert objective.value() == pytest.approx(loss)


def test_levenberg_marquardt_ends_where_minpack_does():
    """On a problem with noise, of few parameters, both follow the same basin down to its bottom."""
    data, potential = clusters(10, seed=3, noise=NOISE), network(hidden=(2,))
    potential.setup(data)
    objective = Objective(Problem(potential, data).prepared(data), list(potential.parameters()), Weights(1.0, 1.0, 0.0))
    start = objective.get()

    def residuals(vector):
        objective.put(vector)
        return np.concatenate([objective.residuals(b).detach().numpy() for b in objective.batches])

    theirs = least_squares(residuals, start, method="lm", max_nfev=20000).cost * 2
    solver = LevenbergMarquardt(epochs=100, **ALL)
    ours = fit(network(hidden=(2,)), data, solver).solution.history[-1]["train_loss"]
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_lbfgs_does_as_well_as_that_of_scipy():
    objective, _ = system()
    start = objective.get()
    theirs = minimize(objective.value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}).fun
    solver = LBFGS(epochs=60, energy_weight=2.0, validation_fraction=0.0)
    ours = fit(network(hidden=(3,)), clusters(6, seed=2), solver).solution.history[-1]["train_loss"]
    assert ours < 1.5 * theirs


def test_too_many_parameters_are_refused(monkeypatch):
    from cambrian.fit import levenberg_marquardt

    monkeypatch.setattr(levenberg_marquardt, "available_memory", lambda: 1000.0)
    with pytest.raises(UserError, match="LBFGS, KalmanFilter or GradientDescent"):
        fit(network(), clusters(3, seed=0), LevenbergMarquardt())
