"""Linear least squares on the rows of a potential: one solve, the global optimum.

    min_c |W (X c - y)|² + |R (c - c0)|² + λ |Γ D (c - c0)|²       R: the model's own prior, D: column norms of W X,
    so that λ has no unit; Γ: roughness of the basis functions, where the model tells it (1 for the smoothest);
    c0: where the fit starts, zero unless it goes on from a fitted potential

    Σ = s² (XᵀW²X + RᵀR + λΓ²D²)⁻¹ = L Lᵀ        s² = |W (X c - y)|² / (n - γ), γ: how many coefficients the data decide

Σ is the posterior covariance of the coefficients where the weights are right up to a factor, which the residuals give;
D. J. C. MacKay, Neural Comput. 4, 415 (1992). Each linear term keeps its rows of L. The triangle of the rows
(fit/linear_system.py) is solved by SVD.
"""

from typing import cast

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from cambrian.contracts.solver import Solution, Solver
from cambrian.fit.linear_system import LinearSystem, decided
from cambrian.fit.problem import Problem, Weights


class LeastSquares(Solver):
    """Weighted linear least squares with an optional ridge.

    energy_weight multiplies energies per atom (eV/atom), force_weight force components (eV/Å), stress_weight stress
    components (eV/Å³); `groups` multiplies them by group: {group: {energy, force, stress}}. `ridge` is relative to the
    norm of each column. Singular values below `rcond` times the largest are dropped. The posterior is kept for up to
    `posterior_up_to` coefficients: the model file grows by 8 bytes times their square, 2 MB for 500, 32 MB for 2000.
    """

    def __init__(
        self,
        *,
        energy_weight: float = 100.0,
        force_weight: float = 1.0,
        stress_weight: float = 1.0,
        ridge: float = 1e-12,
        rcond: float = 1e-13,
        groups: dict[str, dict[str, float]] | None = None,
        posterior_up_to: int = 2000,
    ):
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.posterior_up_to = posterior_up_to
        self.ridge, self.rcond = ridge, rcond
        self.groups = groups or {}

    def solve(self, problem: Problem) -> Solution:
        """Set the coefficients of the linear terms; raises UserError where there is no linear term or no label."""
        system = LinearSystem.of(problem, self.weights, self.groups)
        coefficients, figures = self.coefficients(system)
        notes, root = [condition(figures)], None
        if len(coefficients) <= self.posterior_up_to:
            directions = self.directions(system)
            root = noise(system, coefficients, directions) * directions
            shares = system.shares(directions)
            figures |= {"n_decided": sum(shares.values())}
            notes += decided(shares, len(coefficients))
        system.finish(coefficients, root)
        return Solution(notes=notes, figures=figures)

    def coefficients(self, system: LinearSystem) -> tuple[NDArray, dict[str, float]]:
        """Coefficients of least cost, and figures: condition number, rank, root-mean-square weighted residual."""
        scaled, start = self._scaled(system), system.start
        misfit = system.triangle.y - system.triangle.X @ start
        target = np.concatenate([misfit, np.zeros(len(scaled) - len(misfit))])
        found = scipy.linalg.lstsq(scaled, target, cond=self.rcond, lapack_driver="gelsd")
        solution, _, rank, singular = cast(tuple[NDArray, NDArray, int, NDArray], found)
        coefficients, n_rows = start + solution / system.norms, system.triangle.n_rows
        return coefficients, {
            "n_rows": n_rows,
            "n_coefficients": len(coefficients),
            "condition_number": float(singular[0] / singular[singular > 0][-1]),
            "rank": int(rank),
            "weighted_rms": system.residual(coefficients) / np.sqrt(n_rows),
        }

    def directions(self, system: LinearSystem) -> NDArray:
        """L/s, square; directions that were dropped are zero."""
        _, singular, directions = np.linalg.svd(self._scaled(system), full_matrices=False)
        kept = singular > self.rcond * singular[0]
        return (directions.T * np.where(kept, 1 / np.where(kept, singular, 1.0), 0.0)) / system.norms[:, None]

    def covariance_root(self, system: LinearSystem, coefficients: NDArray) -> NDArray:
        """L of the posterior covariance Σ = L Lᵀ of the coefficients, square."""
        root = self.directions(system)
        return noise(system, coefficients, root) * root

    def _scaled(self, system: LinearSystem) -> NDArray:
        """Rows of data, prior and ridge for columns of unit norm."""
        ridge = np.diag(np.sqrt(self.ridge) * system.roughness)
        return np.vstack([system.triangle.X / system.norms, system.prior / system.norms, ridge])


def noise(system: LinearSystem, coefficients: NDArray, root: NDArray) -> float:
    """s, from the residuals and L/s."""
    n_decided = np.square(system.triangle.X @ root).sum()
    return system.residual(coefficients) / float(np.sqrt(max(system.triangle.n_rows - n_decided, 1.0)))


def condition(figures: dict[str, float]) -> str:
    """How well the data decide the coefficients, in a sentence."""
    n, rank = figures["n_coefficients"], figures["rank"]
    said = f"{figures['n_rows']} labels for {n} coefficients, condition number {figures['condition_number']:.2g}"
    if rank == n:
        return said
    return f"{said}; {n - rank} of their combinations are left open by data and ridge, and are nought"
