"""Levenberg-Marquardt: damped Gauss-Newton steps for networks of up to about two thousand parameters.

    (JᵀJ + μ D) δ = -Jᵀr        D = diag(JᵀJ)
    ρ = (L(w) - L(w + δ)) / (predicted by the model)        ρ > 0: w <- w + δ, μ <- μ max(1/3, 1 - (2ρ - 1)³), ν <- 2
                                                            else:  μ <- ν μ, ν <- 2ν

H. B. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05 (1999). The Jacobian is made in blocks of rows,
which are added up to JᵀJ: an epoch is one step, and costs as many backward passes as there are labels, many at a time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from torch import Tensor

from cambrian.errors import UserError
from cambrian.fit.course import Course, EpochSolver, Target
from cambrian.fit.memory import SHARE, available_memory
from cambrian.fit.objective import Objective
from cambrian.fit.problem import Problem, Weights

TRIALS = 12  # dampings that are tried before a step is given up


class LevenbergMarquardt(EpochSolver):
    """Damped Gauss-Newton descent; `damping` is the first μ.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³. Each step takes n² numbers for n parameters, and n³/3
    operations beside those for the Jacobian.
    """

    def __init__(
        self,
        *,
        epochs: int = 50,
        damping: float = 1e-2,
        energy_weight: float = 10.0,
        force_weight: float = 1.0,
        stress_weight: float = 0.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        max_minutes: float | None = None,
        target: Target | None = None,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        if damping <= 0:
            raise UserError(f"damping is above 0, not {damping}")
        self.epochs, self.damping = epochs, damping
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.validation_fraction, self.patience, self.max_minutes = validation_fraction, patience, max_minutes
        self.target, self.groups = target, groups or {}

    def course(self, problem: Problem) -> "_Steps":
        """Training from the present parameters on; raises UserError where the matrix does not fit into memory."""
        return _Steps(self, problem)


class _Steps(Course):
    """The damping and how fast it grows."""

    solver: LevenbergMarquardt

    def __init__(self, solver: LevenbergMarquardt, problem: Problem):
        super().__init__(solver, problem)
        self.objective = Objective(self.train, self.parameters, solver.weights)
        n, free = self.objective.n_parameters, available_memory()
        if 24.0 * n**2 > SHARE * free:
            raise UserError(
                f"LevenbergMarquardt keeps {n}² numbers, {24e-9 * n**2:.1f} GB of {free / 1e9:.1f} GB free; "
                "take LBFGS, KalmanFilter or GradientDescent"
            )
        self.damping, self.growth = solver.damping, 2.0

    def advance(self) -> dict[str, float]:
        """One step, tried with growing damping until it lowers the loss."""
        loss, matrix, right = self.objective.normal_equations()
        lower = np.tril(matrix)
        full = lower + np.tril(lower, -1).T
        scale = np.maximum(np.diag(full), 1e-12 * max(np.diag(full).max(), np.finfo(float).tiny))
        place = self.objective.get()
        for _ in range(TRIALS):
            step = _solved(full, scale, self.damping, right)
            predicted = step @ (self.damping * scale * step - right)
            found = self.objective.value(place + step)
            gain = (loss - found) / predicted if predicted > 0 else -1.0
            if gain > 0:
                self.damping *= max(1 / 3, 1 - float(2 * gain - 1) ** 3)
                self.growth = 2.0
                return {"train_loss": found, "damping": self.damping}
            self.damping *= self.growth
            self.growth *= 2
        self.objective.put(place)
        self.stuck = True
        return {"train_loss": loss, "damping": self.damping}

    def memory(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Damping and its growth."""
        return {}, {"damping": self.damping, "growth": self.growth}

    def recall(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Damping and its growth back in place."""
        self.damping, self.growth = facts["damping"], facts["growth"]


def _solved(matrix: NDArray, scale: NDArray, damping: float, right: NDArray) -> NDArray:
    damped = matrix + np.diag(damping * scale)
    try:
        return -cho_solve(cho_factor(damped, lower=True, overwrite_a=True), right)
    except LinAlgError:
        return -np.linalg.lstsq(matrix + np.diag(damping * scale), right, rcond=None)[0]
