"""The linear problem of all linear terms of a potential, its rows reduced to a triangle.

    |W (X c - y)|² + |R (c - c0)|²         R: the models' own priors; c0: where the fit starts, zero unless it goes on
                                           from a fitted potential

Rows are streamed structure by structure and folded into a triangular factor by QR (TSQR), so memory does not grow with
the number of structures and the condition number is never squared: a solver works on the triangle.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.grade import keep_active_set
from cambrian.contracts.linear import Linear
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit.memory import SHARE, available_memory, linear_bytes, sized
from cambrian.fit.problem import ROW_ELEMENTS, Problem, Weights
from cambrian.math.evidence import Posterior

log = logging.getLogger("cambrian")
Groups = dict[str, dict[str, float]]
MOST_GROUPS = 20
PARTED_ELEMENTS = 4e7  # of all triangles and of rows that wait, 320 MB


class Triangle:
    """The R factor of [X y], grown block by block: |X c - y| is kept for every c."""

    def __init__(self, n_columns: int):
        self.n_columns, self.n_rows = n_columns, 0
        self._factor = np.zeros((0, n_columns + 1))
        self._waiting: list[NDArray] = []

    def add(self, X: NDArray, y: NDArray) -> None:
        """Fold rows in; they wait until there are enough for an efficient factorisation."""
        if len(y):
            self._waiting.append(np.column_stack([X, y]))
            self.n_rows += len(y)
        if sum(len(b) for b in self._waiting) > max(4 * self.n_columns, 4096):
            self._fold()

    @property
    def X(self) -> NDArray:
        """Upper triangular (or fewer rows), as good as all rows."""
        self._fold()
        return self._factor[:, :-1]

    @property
    def y(self) -> NDArray:
        """The targets that go with it."""
        self._fold()
        return self._factor[:, -1]

    def _fold(self) -> None:
        if self._waiting:
            parts = [self._factor, *self._waiting]
            stacked = np.concatenate(parts, out=np.empty((sum(map(len, parts)), self.n_columns + 1), order="F"))
            self._waiting, parts = [], []
            # "raw" factorises in place and gives the triangle alone
            found = scipy.linalg.qr(stacked, mode="raw", overwrite_a=True, check_finite=False)
            self._factor = cast(tuple[Any, NDArray], found)[1][: self.n_columns + 1]


@dataclass(frozen=True)
class LinearSystem:
    """What a solver of linear problems needs: `triangle`, `prior` (rows, coefficients) and `start` (coefficients,).

    `roughness` (coefficients,): by how much more than the smoothest a ridge holds each coefficient back. `parts`: the
    triangle of each group by itself, where there are a few.
    """

    train: Dataset
    terms: list[Potential]
    views: list[Linear]
    triangle: Triangle
    prior: NDArray
    start: NDArray
    roughness: NDArray
    parts: dict[str, Triangle] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, weights: Weights, groups: Groups) -> "LinearSystem":
        """Stream the rows of a problem; raises UserError where there is no linear term or no label."""
        problem.train = problem.train.with_group_weights(groups)
        views = problem.linear_terms()
        terms = [term for term in problem.potential.terms() if term.linear() is not None]
        sizes = [len(v.coefficients) for v in views]
        told_memory(problem, sum(sizes))
        parts: dict[str, Triangle] = {}
        kept_apart = is_parted(problem.train.groups, sum(sizes))
        for s, (X, y) in zip(problem.train, problem.blocks(weights), strict=True):
            parts.setdefault(s.group if kept_apart else "", Triangle(sum(sizes))).add(X, y)
        triangle = joined(parts)
        if triangle.n_rows == 0:
            raise UserError("no structure has a label to fit to (energy, forces or stress)")
        priors = [
            np.zeros((0, n)) if (p := v.prior()) is None else p.numpy() for v, n in zip(views, sizes, strict=True)
        ]
        rough = [np.ones(n) if (g := v.roughness()) is None else g.numpy() for v, n in zip(views, sizes, strict=True)]
        start = np.concatenate([v.coefficients.numpy() for v in views])
        prior = np.asarray(scipy.linalg.block_diag(*priors))
        return cls(problem.train, terms, views, triangle, prior, start, np.concatenate(rough), parts)

    @property
    def norms(self) -> NDArray:
        """Norm of each column of weighted rows; 1 for one of zeros."""
        norms = np.linalg.norm(self.triangle.X, axis=0)
        return np.where(norms > 0, norms, 1.0)

    @cached_property
    def whitening(self) -> NDArray:
        """F, upper triangular, with z = F (c - c0) of unit variance a priori, up to one factor: R, and Γ D elsewhere.

        Raises UserError where a prior leaves some coefficients free.
        """
        free = ~self.prior.any(axis=0)
        rows = np.vstack([self.prior, np.diag(self.norms * self.roughness)[free]])
        factor = cast(tuple[NDArray], scipy.linalg.qr(rows, mode="r"))[0][: self.triangle.n_columns]
        sizes = np.abs(np.diagonal(factor))
        if len(factor) < self.triangle.n_columns or sizes.min() < 1e-13 * sizes.max():
            raise UserError(
                "the potential's own prior does not hold all its coefficients, so no evidence can weigh it: take "
                "--set solver=LeastSquares"
            )
        return factor

    def standard(self) -> tuple[NDArray, NDArray]:
        """X F⁻¹ and y - X c0: the same problem for z."""
        X = scipy.linalg.solve_triangular(self.whitening, self.triangle.X.T, trans=1).T
        return X, self.triangle.y - self.triangle.X @ self.start

    def of_standard(self, values: NDArray) -> NDArray:
        """F⁻¹ values: what they are for c."""
        return scipy.linalg.solve_triangular(self.whitening, values)

    def shares(self, root: NDArray) -> dict[str, float]:
        """How many coefficients each group decides: the sum of leverages xᵀ A⁻¹ x of its rows; A⁻¹ = root rootᵀ."""
        return {name: float(np.square(part.X @ root).sum()) for name, part in self.parts.items()}

    def residual(self, coefficients: NDArray) -> float:
        """|W (X c - y)|."""
        return float(np.linalg.norm(self.triangle.X @ coefficients - self.triangle.y))

    def accept(self, found: Posterior, posterior_up_to: int) -> tuple[list[str], dict[str, Any]]:
        """Give the terms what the evidence found for z; sentences and figures of it."""
        coefficients = self.start + self.of_standard(found.mean)
        n_kept, n_rows = int(found.kept.sum()), self.triangle.n_rows
        root = self.of_standard(found.root) if n_kept <= posterior_up_to else None
        self.finish(coefficients, root)
        notes = [] if root is None else decided(self.shares(found.beta**0.5 * root), len(coefficients))
        return notes, {
            "n_rows": n_rows,
            "n_coefficients": len(coefficients),
            "n_kept": n_kept,
            "n_decided": float(found.decided.sum()),
            "log_evidence": found.log_evidence,
            "weighted_noise": found.beta**-0.5,
            "weighted_rms": self.residual(coefficients) / np.sqrt(n_rows),
        }

    def finish(self, coefficients: NDArray, covariance_root: NDArray | None) -> None:
        """Give the terms their coefficients, their rows of L (L Lᵀ: posterior covariance; None: none), active sets."""
        cuts = np.cumsum([len(v.coefficients) for v in self.views])[:-1]
        for view, part in zip(self.views, np.split(coefficients, cuts), strict=True):
            view.coefficients = torch.from_numpy(part.copy())
        shares = [None] * len(self.terms)
        if covariance_root is not None:
            n_coefficients, n_directions = covariance_root.shape
            missing = n_coefficients - n_directions if len(self.terms) > 1 else 0  # terms of one fit share a square L
            shares = np.split(np.hstack([covariance_root, np.zeros((n_coefficients, missing))]), cuts)
        for term, rows in zip(self.terms, shares, strict=True):
            term.posterior = None if rows is None else torch.from_numpy(rows.copy())
        for term, view in zip(self.terms, self.views, strict=True):
            if isinstance(term, DescriptorPotential) and view.prior() is None:
                keep_active_set(term, self.train)


def is_parted(groups: Sequence[str], n_columns: int) -> bool:
    """Whether the triangles of several groups are kept apart: few, and small beside the rows that wait."""
    n = len(set(groups))
    return 1 < n <= MOST_GROUPS and n * n_columns * max(5 * n_columns, 4096) <= PARTED_ELEMENTS


def joined(parts: dict[str, Triangle]) -> Triangle:
    """One triangle of all rows."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    whole = Triangle(next(iter(parts.values())).n_columns)
    for part in parts.values():
        whole.add(part.X, part.y)
    whole.n_rows = sum(part.n_rows for part in parts.values())
    return whole


def decided(shares: dict[str, float], n_coefficients: int) -> list[str]:
    """How many coefficients the data decide, and which groups do, in a sentence; nothing of a single group."""
    if len(shares) < 2:
        return []
    by_share = sorted(shares.items(), key=lambda item: -item[1])
    said = ", ".join(f"{name or 'default'} {share:.0f}" for name, share in by_share)
    return [f"Of {n_coefficients} coefficients the data decide {sum(shares.values()):.0f}, by group (leverage): {said}"]


def told_memory(problem: Problem, n_coefficients: int) -> None:
    """Note what the problem takes; raises UserError, with a way out, where that is more than there is."""
    largest = max((3 * len(s) + 7 for s in problem.train), default=0)
    largest = max(largest, ROW_ELEMENTS // max(n_coefficients, 1))
    needed, free = linear_bytes(n_coefficients, largest), available_memory()
    if is_parted(problem.train.groups, n_coefficients):
        needed += 8.0 * len(problem.train.groups) * n_coefficients * max(5 * n_coefficients, 4096)
    said = (
        f"{n_coefficients} coefficients take about {sized(needed)} of {sized(free)} free, for any number of structures"
    )
    if needed > SHARE * free:
        half = sized(linear_bytes(n_coefficients // 2, largest))
        raise UserError(
            f"{said}: take a smaller basis (two_j_max, the degree, fewer products), a linear regressor instead of a "
            f"quadratic one, or fewer elements; half as many coefficients would take {half}"
        )
    log.info("%s", said)
    problem.notes.append(f"Before the work began: {said}.")
