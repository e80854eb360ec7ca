"""Functions of a distance as polynomials on pieces between knots: what compiled loops read instead of the functions.

    f(r) = Σ_k a_pk t^k,  t in [-1, 1] on piece p;       a from f at the Chebyshev points of the piece

Between two knots pieces are of equal width. A knot belongs wherever a derivative jumps. With degree 9 the error of a
piece of half width w is w¹⁰ max|f⁽¹⁰⁾| / (2⁹ 10!). Values and slopes are those of one polynomial, so that forces remain
the derivative of the energy; where pieces meet, both jump by no more than the error.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

DEGREE = 9
WIDEST = 0.1  # of a piece, Å, to begin with
MOST = 2048  # pieces
ACCURACY = 1e-14  # relative to the largest value of each function
REFUSED = 1e-10

Values = Callable[[NDArray], NDArray]  # distances (points,) -> (points, functions)


@dataclass(frozen=True)
class PieceTable:
    """Knots (segments + 1) in Å, how many pieces each segment has, and a (pieces, 10, functions)."""

    knots: Float[NDArray, "knots"]
    counts: Int[NDArray, "segments"]
    coefficients: Float[NDArray, "pieces orders functions"]

    @classmethod
    def of(cls, function: Values, knots: Iterable[float]) -> "PieceTable | None":
        """The table of a function from the first knot to the last; twice as fine as long as that halves its error.

        None where 1e-10 of the largest value of each function is not reached.
        """
        edges = np.array(sorted(set(knots)), dtype=np.float64)
        counts = np.maximum(1, np.ceil(np.diff(edges) / WIDEST)).astype(np.int64)
        best, least = None, np.inf
        while counts.sum() <= MOST:
            table = cls(edges, counts, _coefficients(function, edges, counts))
            error = table.error(function)
            if error > 0.5 * least:
                break
            best, least = table, error
            if error < ACCURACY:
                break
            counts = 2 * counts
        return best if least < REFUSED else None

    def __call__(self, r: Float[NDArray, "points"]) -> tuple[NDArray, NDArray]:
        """Values and slopes (points, functions) between the first knot and the last."""
        segment = np.clip(np.searchsorted(self.knots, r, side="right") - 1, 0, len(self.counts) - 1)
        width = (np.diff(self.knots) / self.counts)[segment]
        x = (r - self.knots[segment]) / width
        inside = np.clip(np.floor(x).astype(int), 0, self.counts[segment] - 1)
        t = (2 * (x - inside) - 1)[:, None]
        a = self.coefficients[(np.cumsum(self.counts) - self.counts)[segment] + inside]
        value, slope = np.zeros_like(a[:, 0]), np.zeros_like(a[:, 0])
        for k in range(DEGREE, -1, -1):
            slope = slope * t + value
            value = value * t + a[:, k]
        return value, slope * (2 / width)[:, None]

    def error(self, function: Values) -> float:
        """Largest error at the ends of all pieces and inside, relative to the largest value of each function."""
        starts, widths = _pieces(self.knots, self.counts)
        r = (starts[:, None] + widths[:, None] * np.array([1e-3, 0.13, 0.5, 0.999])).ravel()
        exact = function(r)
        scale = np.abs(exact).max(axis=0).clip(1e-300)
        return float((np.abs(self(r)[0] - exact).max(axis=0) / scale).max())


def _pieces(knots: NDArray, counts: NDArray) -> tuple[NDArray, NDArray]:
    """Where each piece begins, and its width."""
    segments = list(zip(knots[:-1], knots[1:], counts, strict=True))
    starts = [np.linspace(a, b, n + 1)[:-1] for a, b, n in segments]
    return np.concatenate(starts), np.concatenate([np.full(n, (b - a) / n) for a, b, n in segments])


def _coefficients(function: Values, knots: NDArray, counts: NDArray) -> NDArray:
    """In extended precision where the machine has it: high orders are differences of large numbers."""
    n = DEGREE + 1
    angle = np.pi * (np.arange(n, dtype=np.longdouble) + 0.5) / n
    series = np.cos(np.arange(n)[:, None] * angle) * np.where(np.arange(n) == 0, 1, 2)[:, None] / n
    powers = [np.polynomial.chebyshev.cheb2poly(np.eye(n)[j]) for j in range(n)]  # whole numbers
    transform = np.stack([np.pad(p, (0, n - len(p))) for p in powers], axis=1).astype(np.longdouble) @ series
    starts, widths = _pieces(knots, counts)
    r = starts[:, None] + 0.5 * widths[:, None] * (np.cos(angle).astype(np.float64) + 1)
    values = function(r.ravel()).reshape(*r.shape, -1)
    return np.stack([np.einsum("t,ptn->pn", row, values) for row in transform], axis=1).astype(np.float64)
