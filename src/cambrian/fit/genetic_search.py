"""Genetic search: a population of networks, of which differences are added to one another and the better survive.

    w' = w_best + F (w_a - w_b), mixed with w coordinate by coordinate;  w <- w' where L(w') <= L(w)

Differential evolution (R. Storn, K. Price, J. Glob. Optim. 11, 341 (1997)) as scipy.optimize.differential_evolution has
it. It uses no gradients and learns of each evaluation one number: for tens of parameters, not for networks of use.
"""

from typing import Any

import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor

from cambrian.errors import UserError
from cambrian.fit.course import Course, EpochSolver, Target
from cambrian.fit.objective import Objective
from cambrian.fit.problem import Problem, Weights


class GeneticSearch(EpochSolver):
    """A population within `reach` of the first value of every parameter; an epoch is a number of `generations`.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³. `population` counts members; each generation costs as
    many evaluations of all training data.
    """

    def __init__(
        self,
        *,
        epochs: int = 50,
        generations: int = 10,
        population: int = 60,
        reach: float = 2.0,
        crossover: float = 0.9,
        energy_weight: float = 10.0,
        force_weight: float = 1.0,
        stress_weight: float = 0.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        target: Target | None = None,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        if population < 5 or generations < 1 or reach <= 0 or not 0 <= crossover <= 1:
            raise UserError("a genetic search needs population >= 5, generations >= 1, reach > 0, 0 <= crossover <= 1")
        self.epochs, self.generations, self.population = epochs, generations, population
        self.reach, self.crossover = reach, crossover
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.target, self.groups = target, groups or {}

    def course(self, problem: Problem) -> "_Generations":
        """Training from the present parameters on."""
        return _Generations(self, problem)


class _Generations(Course):
    """The population."""

    solver: GeneticSearch
    at_once = True

    def __init__(self, solver: GeneticSearch, problem: Problem):
        super().__init__(solver, problem)
        self.objective = Objective(self.train, self.parameters, solver.weights)
        first = self.objective.get()
        self.bounds = np.stack([first - solver.reach, first + solver.reach], axis=1)
        spread = np.random.default_rng(problem.seed).uniform(-1, 1, (solver.population, len(first)))
        self.population = first + solver.reach * spread
        self.population[0] = first

    def advance(self) -> dict[str, float]:
        """Some generations."""
        limit = self.solver.max_minutes

        def late(place, convergence=0.0) -> bool:
            return limit is not None and self.seconds > 60 * limit

        found = differential_evolution(
            self.objective.value,
            self.bounds,
            init=self.population,  # pyright: ignore[reportArgumentType]: scipy's stub knows names alone
            maxiter=self.solver.generations,
            recombination=self.solver.crossover,
            tol=0.0,
            rng=self.problem.seed + len(self.history),
            callback=late,
            polish=False,
        )
        self.population = np.clip(found.population, *self.bounds.T)
        self.objective.put(found.x)
        return {"train_loss": float(found.fun), "evaluations": self.objective.n_evaluations}

    def memory(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The population."""
        return {"population": torch.from_numpy(self.population.copy())}, {}

    def recall(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """The population back in place."""
        self.population = tensors["population"].numpy().copy()
