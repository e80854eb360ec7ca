"""Linear least squares on the rows of a potential: one solve, the global optimum.

    min_c |W (X c - y)|² + |R (c - c0)|² + λ |D (c - c0)|²          R: the model's own prior, D: column norms of W X,
    so that λ has no unit; c0: where the fit starts, zero unless it goes on from a fitted potential

    Σ = s² (XᵀW²X + RᵀR + λD²)⁻¹ = L Lᵀ          s² = |W (X c - y)|² / (n - γ), γ: how many coefficients the data decide

Σ is the posterior covariance of the coefficients where the weights are right up to a factor, which the residuals give;
D. J. C. MacKay, Neural Comput. 4, 415 (1992). Each linear term keeps its rows of L.

Rows are streamed structure by structure and folded into a triangular factor by QR (TSQR), so memory does not grow with
the number of structures and the condition number is never squared. The triangle is solved by SVD.
"""

from typing import cast

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from cambrian.contracts.solver import Solution, Solver
from cambrian.errors import UserError
from cambrian.fit.problem import Problem, Weights


class LeastSquares(Solver):
    """Weighted linear least squares with an optional ridge.

    energy_weight multiplies energies per atom (eV/atom), force_weight force components (eV/Å), stress_weight stress
    components (eV/Å³); `groups` multiplies them by group: {group: {energy, force, stress}}. `ridge` is relative to the
    norm of each column. Singular values below `rcond` times the largest are dropped. The posterior is kept for up to
    `posterior_up_to` coefficients: the model file grows by 8 bytes times their square, 2 MB for 500, 20 MB for 1596.
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
        posterior_up_to: int = 500,
    ):
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.posterior_up_to = posterior_up_to
        self.ridge, self.rcond = ridge, rcond
        self.groups = groups or {}

    def solve(self, problem: Problem) -> Solution:
        """Set the coefficients of the linear terms; raises UserError where there is no linear term or no label."""
        problem.train = problem.train.with_group_weights(self.groups)
        views = problem.linear_terms()
        sizes = [len(v.coefficients) for v in views]
        triangle = Triangle(sum(sizes))
        for X, y in problem.blocks(self.weights):
            triangle.add(X, y)
        if triangle.n_rows == 0:
            raise UserError("no structure has a label to fit to (energy, forces or stress)")
        priors = [v.prior() for v in views]
        known = [np.zeros((0, n)) if p is None else p.numpy() for p, n in zip(priors, sizes, strict=True)]
        start = np.concatenate([v.coefficients.numpy() for v in views])
        prior = np.asarray(scipy.linalg.block_diag(*known))
        coefficients, figures = triangle.solve(prior, self.ridge, self.rcond, start)
        for view, part in zip(views, np.split(coefficients, np.cumsum(sizes)[:-1]), strict=True):
            view.coefficients = torch.from_numpy(part)
        terms = [term for term in problem.potential.terms() if term.linear() is not None]
        shares = [None] * len(terms)
        if len(coefficients) <= self.posterior_up_to:
            root = torch.from_numpy(triangle.covariance_root(prior, self.ridge, self.rcond, coefficients))
            shares = root.split(sizes)
        for term, share in zip(terms, shares, strict=True):
            term.posterior = None if share is None else share.clone()
        return Solution(figures={"n_rows": triangle.n_rows, "n_coefficients": len(coefficients), **figures})


class Triangle:
    """The R factor of [X y], grown block by block: |X c - y| is kept for every c."""

    def __init__(self, n_columns: int):
        self.n_columns, self.n_rows = n_columns, 0
        self.factor = np.zeros((0, n_columns + 1))
        self._waiting: list[NDArray] = []

    def add(self, X: NDArray, y: NDArray) -> None:
        """Fold rows in; they wait until there are enough for an efficient factorisation."""
        if len(y):
            self._waiting.append(np.column_stack([X, y]))
            self.n_rows += len(y)
        if sum(len(b) for b in self._waiting) > max(4 * self.n_columns, 4096):
            self._fold()

    def _fold(self) -> None:
        stacked = np.vstack([self.factor, *self._waiting])
        self._waiting = []
        found = scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)
        self.factor = cast(tuple[NDArray], found)[0][: min(stacked.shape)]

    def solve(self, prior: NDArray, ridge: float, rcond: float, start: NDArray) -> tuple[NDArray, dict[str, float]]:
        """Coefficients of least cost and figures: condition number, rank, root-mean-square weighted residual.

        Prior and ridge hold the coefficients near `start`.
        """
        self._fold()
        X, y = self.factor[:, :-1], self.factor[:, -1]
        scaled, norms = self._scaled(prior, ridge)
        target = np.concatenate([y - X @ start, np.zeros(len(scaled) - len(y))])
        found = scipy.linalg.lstsq(scaled, target, cond=rcond, lapack_driver="gelsd")
        solution, _, rank, singular = cast(tuple[NDArray, NDArray, int, NDArray], found)
        coefficients = start + solution / norms
        rms = np.linalg.norm(X @ coefficients - y) / np.sqrt(max(self.n_rows, 1))
        condition = float(singular[0] / singular[singular > 0][-1])
        return coefficients, {"condition_number": condition, "rank": int(rank), "weighted_rms": float(rms)}

    def covariance_root(self, prior: NDArray, ridge: float, rcond: float, coefficients: NDArray) -> NDArray:
        """L of the posterior covariance Σ = L Lᵀ of the coefficients, square; directions that were dropped are zero."""
        X, y = self.factor[:, :-1], self.factor[:, -1]
        scaled, norms = self._scaled(prior, ridge)
        _, singular, directions = np.linalg.svd(scaled, full_matrices=False)
        kept = singular > rcond * singular[0]
        root = (directions.T * np.where(kept, 1 / np.where(kept, singular, 1.0), 0.0)) / norms[:, None]
        n_decided = np.square(X @ root).sum()
        noise = np.linalg.norm(X @ coefficients - y) / np.sqrt(max(self.n_rows - n_decided, 1.0))
        return np.ascontiguousarray(noise * root)

    def _scaled(self, prior: NDArray, ridge: float) -> tuple[NDArray, NDArray]:
        """Rows of data, prior and ridge for columns of unit norm, and those norms."""
        X = self.factor[:, :-1]
        norms = np.linalg.norm(X, axis=0)
        norms[norms == 0] = 1.0
        return np.vstack([X / norms, prior / norms, np.sqrt(ridge) * np.eye(self.n_columns)]), norms
