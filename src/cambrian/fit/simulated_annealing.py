"""Simulated annealing: steps at random, taken uphill too while it is hot, in cycles that begin at the best so far.

Generalized annealing of C. Tsallis, D. A. Stariolo, Physica A 233, 395 (1996), as scipy.optimize.dual_annealing has it:
jumps from a distribution with heavy tails, and a descent by gradients from promising places. Without these descents
it finds no good minimum of more than some ten parameters; with them it is a search over minima, for small networks.
"""

from contextlib import suppress

import numpy as np
from scipy.optimize import dual_annealing

from cambrian.errors import UserError
from cambrian.fit.course import Course, EpochSolver, Target
from cambrian.fit.objective import Objective
from cambrian.fit.problem import Problem, Weights


class SimulatedAnnealing(EpochSolver):
    """Annealing within `reach` of the first value of every parameter; an epoch is a cycle of `steps` temperatures.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³. Each temperature costs two evaluations of all training
    data for every parameter, and descents more: minutes for a hundred parameters and little data, hours for thousands.
    """

    def __init__(
        self,
        *,
        epochs: int = 10,
        steps: int = 20,
        reach: float = 3.0,
        temperature: float = 5230.0,
        energy_weight: float = 10.0,
        force_weight: float = 1.0,
        stress_weight: float = 0.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        target: Target | None = None,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        if reach <= 0 or steps < 1 or not 0.01 < temperature <= 5e4:
            raise UserError("annealing needs reach > 0, steps >= 1 and a temperature between 0.01 and 50000")
        self.epochs, self.steps, self.reach, self.temperature = epochs, steps, reach, temperature
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.target, self.groups = target, groups or {}

    def course(self, problem: Problem) -> "_Cycles":
        """Training from the present parameters on."""
        return _Cycles(self, problem)


class _Cycles(Course):
    """Cycles of annealing around the first parameters."""

    solver: SimulatedAnnealing
    at_once = True

    def __init__(self, solver: SimulatedAnnealing, problem: Problem):
        super().__init__(solver, problem)
        self.objective = Objective(self.train, self.parameters, solver.weights)
        first = self.objective.get()
        self.bounds = np.stack([first - solver.reach, first + solver.reach], axis=1)

    def advance(self) -> dict[str, float]:
        """One cycle, or what there is time for: a step looks at every parameter twice, which may take minutes."""
        limit, first = self.solver.max_minutes, np.clip(self.objective.get(), *self.bounds.T)
        lowest, best = np.inf, first

        def value(place) -> float:
            nonlocal lowest, best
            if limit is not None and self.seconds > 60 * limit and lowest < np.inf:
                raise _Late
            found = self.objective.value(place)
            if found < lowest:
                lowest, best = found, np.array(place)
            return found

        with suppress(_Late):
            dual_annealing(
                value,
                self.bounds,
                maxiter=self.solver.steps,
                initial_temp=self.solver.temperature,
                rng=self.problem.seed + len(self.history),
                x0=first,
                minimizer_kwargs={
                    "method": "L-BFGS-B",
                    "jac": lambda place: self.objective.value_and_gradient(place)[1],
                    "bounds": self.bounds,
                },
            )
        self.objective.put(best)
        return {"train_loss": float(lowest), "evaluations": self.objective.n_evaluations}


class _Late(Exception):
    """The limit of time has passed."""
