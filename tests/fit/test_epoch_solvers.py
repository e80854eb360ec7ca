"""Solvers that train by epochs: one small problem on which all come to one error; resume, targets, closed forms."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from argon_clusters import clusters, network
from scipy.optimize import least_squares, minimize

from cambrian.contracts.prepared import Prepared
from cambrian.errors import UserError
from cambrian.fit import Problem, fit
from cambrian.fit import course as course_module
from cambrian.fit.course import Course, Target, merged
from cambrian.fit.genetic_search import GeneticSearch
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.kalman_filter import KalmanFilter
from cambrian.fit.lbfgs import LBFGS
from cambrian.fit.levenberg_marquardt import LevenbergMarquardt
from cambrian.fit.objective import Objective
from cambrian.fit.problem import Weights, loss
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


def interrupted_at(epochs, run, monkeypatch):
    """Run into a Ctrl-C at the beginning of some epochs of a course, counted over all runs; returns the last run."""
    count, epoch = [0], Course.epoch

    def interrupted(self):
        count[0] += 1
        if count[0] in epochs:
            raise KeyboardInterrupt
        epoch(self)

    with monkeypatch.context() as patch:
        patch.setattr(Course, "epoch", interrupted)
        for _ in epochs:
            with pytest.raises(KeyboardInterrupt):
                run()
        return run()


@pytest.mark.parametrize("name", SHORT)
def test_a_fit_interrupted_twice_resumes_to_the_bit(name, tmp_path, monkeypatch):
    """The second time at once after it was taken up, and before it had an epoch of its own."""
    data, solver = clusters(8, seed=1), SHORT[name]
    whole = fit(network(), data, solver, seed=5)
    resumed = interrupted_at((2, 3), lambda: fit(network(), data, solver, seed=5, folder=tmp_path), monkeypatch)
    for a, b in zip(whole.potential.parameters(), resumed.potential.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(whole.solution.history) == len(resumed.solution.history) == solver.epochs


@pytest.mark.parametrize("name", ["LBFGS", "KalmanFilter"])
def test_an_interruption_amid_an_epoch_keeps_the_epochs_before(name, tmp_path, monkeypatch):
    """What an epoch has changed when it is interrupted is not mistaken for its end."""
    monkeypatch.setattr(course_module, "SECONDS_BETWEEN_CHECKPOINTS", (0.0, 0.0))
    data, solver = clusters(8, seed=1), SHORT[name]
    whole = fit(network(), data, solver, seed=5)
    validated, count = Course.validated, [0]

    def interrupted(self, values):
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        return validated(self, values)

    with monkeypatch.context() as patch:
        patch.setattr(Course, "validated", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(network(), data, solver, seed=5, folder=tmp_path)
    before = fit(network(), data, solver, seed=5, folder=tmp_path)
    for a, b in zip(whole.potential.parameters(), before.potential.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len(before.solution.history) == solver.epochs


def test_without_a_folder_no_state_is_taken(monkeypatch):
    monkeypatch.setattr(Course, "state", lambda self: pytest.fail("a copy of everything for nothing"))
    fit(network(), clusters(8, seed=1), SHORT["KalmanFilter"])


def test_merging_empties_the_list_of_structures():
    data, potential = clusters(5, seed=1), network()
    potential.setup(data)
    items = Problem(potential, data).prepared(data)
    energies = torch.cat([item.predict().energy for item, _ in items])
    batches = merged(items, size=2)
    assert items == []
    assert [len(labels.energy) for _, labels in batches] == [2, 2, 1]
    torch.testing.assert_close(torch.cat([item.predict().energy for item, _ in batches]), energies)


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


@dataclass(frozen=True)
class Penalized(Prepared):
    """What another predicts, with a penalty on one parameter for each structure."""

    item: Prepared
    parameter: torch.nn.Parameter

    def predict(self):
        found = self.item.predict()
        return replace(found, penalty=self.parameter.sin().sum() * found.energy.new_tensor([1.0]))

    def join(self, others):
        return Penalized(self.item.join([o.item for o in others]), self.parameter)


def test_a_penalty_of_the_potential_belongs_to_the_loss():
    """Value, gradient, and the gradient beside the normal equations; the loss of a batch is the same number."""
    plain, _ = system()
    parameter = plain.parameters[0]
    batches = [(Penalized(item, parameter), labels) for item, labels in plain.batches]
    objective = Objective(batches, plain.parameters, plain.weights)
    place, step = objective.get(), 1e-6
    assert objective.value() == pytest.approx(plain.value() + float(parameter.detach().sin().sum()), rel=1e-12)
    every = [loss(item.predict(), labels, plain.weights) for item, labels in batches]
    assert objective.value() == pytest.approx(float(sum(every).detach()) / len(every), rel=1e-12)
    slopes = [
        (objective.value(place + step * e) - objective.value(place - step * e)) / (2 * step) for e in np.eye(len(place))
    ]
    value, gradient = objective.value_and_gradient(place)
    assert value == pytest.approx(objective.value(), rel=1e-12)
    np.testing.assert_allclose(gradient, slopes, atol=1e-6)
    total, matrix, half = objective.normal_equations()
    assert total == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(2 * half, gradient, atol=1e-10)
    np.testing.assert_allclose(matrix, plain.normal_equations()[1], atol=1e-12)


@pytest.mark.slow
def test_minpack_finds_nothing_lower_where_levenberg_marquardt_ends():
    """On a problem with noise, of few parameters: ours ends at the bottom of a basin."""
    data = clusters(10, seed=3, noise=NOISE)
    fitted = fit(network(hidden=(2,)), data, LevenbergMarquardt(epochs=100, **ALL))
    potential, ours = fitted.potential, fitted.solution.history[-1]["train_loss"]
    objective = Objective(Problem(potential, data).prepared(data), list(potential.parameters()), Weights(1.0, 1.0, 0.0))

    def residuals(vector):
        objective.put(vector)
        return np.concatenate([objective.residuals(b).detach().numpy() for b in objective.batches])

    start = objective.get()
    assert (residuals(start) ** 2).sum() == pytest.approx(ours, rel=1e-3)
    theirs = least_squares(residuals, start, method="lm", max_nfev=200).cost * 2
    assert theirs == pytest.approx(ours, rel=1e-3)


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
