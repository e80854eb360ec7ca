"""How strong prior and noise are, from the data alone: the evidence of a linear model y = X z + noise.

    z_k ~ N(0, 1/α_k)      noise ~ N(0, 1/β)      A = β XᵀX + diag(α)      m = β A⁻¹ Xᵀ y      r = y - X m

    log p(y) = ½ ( n log β - β |r|² + Σ log α_k - Σ α_k m_k² - log |A| - n log 2π )

Where it is largest, with γ_k = 1 - α_k (A⁻¹)_kk (how far the data decide coefficient k, 0 to 1),

    one α for all:    α = Σ γ_k / |m|²           one each:    α_k = γ_k / m_k²           β = (n - Σ γ_k) / |r|²

With one α the evidence is a curve in λ = α/β by the singular values of X, searched over all magnitudes. With one each
the equations are iterated; columns that the data do not ask for end with γ_k -> 0, α_k -> ∞, and are left out.

D. J. C. MacKay, Neural Comput. 4, 415 (1992); M. E. Tipping, J. Mach. Learn. Res. 1, 211 (2001).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.optimize import brentq

MAGNITUDES = np.arange(-22.0, 8.01, 0.125)  # log10 of λ over the largest eigenvalue of XᵀX
IRRELEVANT = 1e-3  # γ below which a column is left out: what it adds to the log evidence is less than a millionth
ROUNDING = 1e-15  # of the targets: no noise is less


@dataclass(frozen=True)
class Posterior:
    """What the data say: `mean` (columns,) and L (columns, directions) of the covariance A⁻¹ = L Lᵀ.

    `alpha` (columns,) is infinite and the rows of `root` are zero for columns that were left out.
    """

    mean: NDArray
    root: NDArray
    alpha: NDArray
    beta: float
    decided: NDArray
    log_evidence: float
    n_iterations: int

    @property
    def kept(self) -> NDArray:
        """Which columns stayed."""
        return np.isfinite(self.alpha)


def one_for_all(X: NDArray, y: NDArray, n_rows: int) -> Posterior:
    """One α for all columns; X and y may be a triangle that stands for `n_rows` rows."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    e, b = s**2, U.T @ y
    beyond = float(np.square(y - U @ b).sum()) + (ROUNDING * np.linalg.norm(y)) ** 2 + 1e-200

    def cost(weight: NDArray | float) -> NDArray:  # |r|² + λ |m|²
        lam = np.asarray(weight)[..., None]
        return beyond + (lam * b**2 / (e + lam)).sum(axis=-1)

    def log_evidence(weight: NDArray) -> NDArray:
        shrinkage = np.log(weight[:, None] / (e + weight[:, None])).sum(axis=1)
        return 0.5 * (n_rows * (np.log(n_rows / (2 * np.pi * cost(weight))) - 1) + shrinkage)

    def imbalance(log_weight: float) -> float:
        lam = np.exp(log_weight)
        return float((e / (e + lam)).sum() - n_rows / cost(lam) * lam * (e * b**2 / (e + lam) ** 2).sum())

    tried = max(float(e.max(initial=0.0)), 1e-300) * 10.0**MAGNITUDES
    best = int(np.argmax(log_evidence(tried)))
    low, high = np.log(tried[max(best - 1, 0)]), np.log(tried[min(best + 1, len(tried) - 1)])
    found = np.log(tried[best])
    if imbalance(low) * imbalance(high) < 0:
        found = cast(float, brentq(imbalance, low, high))
    lam = float(np.exp(found))
    beta = n_rows / float(cost(lam))
    directions = Vt.T / np.sqrt(beta * (e + lam))
    if len(s) < X.shape[1]:
        directions = np.hstack([directions, scipy.linalg.null_space(Vt) / np.sqrt(beta * lam)])
    return Posterior(
        mean=Vt.T @ (s * b / (e + lam)),
        root=directions,
        alpha=np.full(X.shape[1], lam * beta),
        beta=beta,
        decided=1 - lam * beta * np.square(directions).sum(axis=1),
        log_evidence=float(log_evidence(np.array([lam]))[0]),
        n_iterations=1,
    )


def one_each(
    X: NDArray,
    y: NDArray,
    n_rows: int,
    *,
    tolerance: float,
    most_iterations: int,
    progress: Callable[[int, int], None] = lambda iteration, n_kept: None,
) -> Posterior:
    """One α for each column, from where one for all stands; ends when the log evidence changes less than `tolerance`.

    `progress` is told the iteration and the number of columns that are left.
    """
    start = one_for_all(X, y, n_rows)
    factor, kept, lam = _triangle(np.column_stack([X, y])), np.arange(X.shape[1]), start.alpha / start.beta
    before, iteration = -np.inf, 0
    while True:
        step, iteration = _Step.of(factor, lam, n_rows), iteration + 1
        progress(iteration, len(kept))
        if abs(step.log_evidence - before) < tolerance or iteration >= most_iterations:
            return step.whole(kept, X.shape[1], iteration)
        before = step.log_evidence
        relevant = step.decided > min(IRRELEVANT, step.decided.max())
        relevant[step.decided.argmax()] = True
        beta = max(n_rows - step.decided.sum(), 1e-3) / step.misfit
        lam = step.decided[relevant] / np.maximum(beta * step.mean[relevant] ** 2, 1e-100)
        if not relevant.all():
            kept, factor = kept[relevant], _triangle(factor[:, np.append(relevant, True)])


@dataclass(frozen=True)
class _Step:
    """The posterior for given λ_k = α_k/β, with β where the evidence is largest for them."""

    mean: NDArray
    inverse: NDArray  # V with V Vᵀ = (XᵀX + diag(λ))⁻¹
    lam: NDArray
    decided: NDArray
    misfit: float
    beta: float
    log_evidence: float

    @classmethod
    def of(cls, factor: NDArray, lam: NDArray, n_rows: int) -> "_Step":
        """By QR of the triangle [X y] over diag(√λ), which keeps the condition that normal equations square."""
        n = len(lam)
        below = np.asfortranarray(np.column_stack([np.diag(np.sqrt(lam)), np.zeros(n)]))
        tpqrt, trtri = scipy.linalg.get_lapack_funcs(("tpqrt", "trtri"), (factor,))
        U = tpqrt(n, min(64, n), factor.copy(order="F"), below, overwrite_a=1, overwrite_b=1)[0]
        inverse = np.triu(trtri(U[:n, :n])[0])
        mean = inverse @ U[:n, n]
        targets = factor[:, n]
        misfit = np.square(factor[:, :n] @ mean - targets).sum() + (ROUNDING * np.linalg.norm(targets)) ** 2 + 1e-200
        beta = n_rows / (misfit + lam @ mean**2)
        volume = np.log(lam).sum() - 2 * np.log(np.abs(np.diagonal(U)[:n])).sum()
        log_evidence = 0.5 * (n_rows * (np.log(beta / (2 * np.pi)) - 1) + volume)
        decided = np.clip(1 - lam * np.square(inverse).sum(axis=1), 0.0, 1.0)
        return cls(mean, inverse, lam, decided, float(misfit), float(beta), float(log_evidence))

    def whole(self, kept: NDArray, n_columns: int, n_iterations: int) -> Posterior:
        """The same among all columns."""
        mean, alpha, decided = np.zeros(n_columns), np.full(n_columns, np.inf), np.zeros(n_columns)
        mean[kept], alpha[kept], decided[kept] = self.mean, self.lam * self.beta, self.decided
        root = np.zeros((n_columns, len(kept)))
        root[kept] = self.inverse / np.sqrt(self.beta)
        return Posterior(mean, root, alpha, self.beta, decided, self.log_evidence, n_iterations)


def _triangle(rows: NDArray) -> NDArray:
    """The square R factor of rows."""
    n = rows.shape[1]
    factor = cast(tuple[NDArray], scipy.linalg.qr(rows, mode="r", check_finite=False))[0][:n]
    return np.vstack([factor, np.zeros((n - len(factor), n))])
