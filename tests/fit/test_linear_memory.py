"""The memory of a linear fit: within the estimate, told before the work, refused with a number and a way out."""

import tracemalloc

import numpy as np
import pytest
from planted_linear import powers, structures

from cambrian.data import Dataset
from cambrian.errors import UserError
from cambrian.fit import fit, linear_system
from cambrian.fit.automatic_relevance import AutomaticRelevance
from cambrian.fit.bayesian_ridge import BayesianRidge
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.linear_system import LinearSystem, Triangle
from cambrian.fit.memory import linear_bytes
from cambrian.math.evidence import one_each, one_for_all

SOLVERS = (LeastSquares, BayesianRidge, AutomaticRelevance)


def solved(system: LinearSystem, solver: type) -> None:
    n_rows = system.triangle.n_rows
    if solver is LeastSquares:
        coefficients, _ = LeastSquares().coefficients(system)
        LeastSquares().covariance_root(system, coefficients)
    elif solver is BayesianRidge:
        one_for_all(*system.standard(), n_rows)
    else:
        one_each(*system.standard(), n_rows, tolerance=0.1, most_iterations=5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_taken_is_what_was_estimated(solver):
    n, rows = 300, 200
    rng = np.random.default_rng(0)
    tracemalloc.start()
    triangle = Triangle(n)
    for _ in range(60):
        triangle.add(rng.normal(size=(rows, n)), rng.normal(size=rows))
    system = LinearSystem(Dataset([]), [], [], triangle, np.zeros((0, n)), np.zeros(n), np.ones(n))
    solved(system, solver)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.3 * linear_bytes(n, rows) < peak < 1.1 * linear_bytes(n, rows)


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_is_told_and_too_much_is_refused(solver, monkeypatch):
    data = structures(2)
    notes = fit(powers(), data, solver()).solution.notes
    assert any("5 coefficients take about" in note and "for any number of structures" in note for note in notes)
    monkeypatch.setattr(linear_system, "available_memory", lambda: 1e5)
    with pytest.raises(UserError, match=r"smaller basis .* half as many coefficients would take"):
        fit(powers(), data, solver())
