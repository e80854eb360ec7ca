"""The covariance of an extended Kalman filter, and its update by a few observations at a time.

    X = P H          A = Hᵀ X + R          K = X A⁻¹          P <- (P - K Xᵀ) / λ + q I

with H (parameters, observations) the derivatives of the observed quantities. With A = L Lᵀ the reduction is U Uᵀ,
U = X L⁻ᵀ, so P stays symmetric by construction. Reading and writing P is what an update costs, hence two savings, both
exact: only one triangle of P is touched, and reductions are kept as columns,

    P = s P₀ - U Uᵀ + b I,

until there are enough of them to be worth one product of matrices.
S. Singraber, T. Morawietz, J. Behler, C. Dellago, J. Chem. Theory Comput. 15, 3075 (2019).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, get_blas_funcs, solve_triangular

dsymm, dsymv, dsyrk = get_blas_funcs(("symm", "symv", "syrk"), dtype=np.float64)

COLUMNS = 48  # reductions that wait
FEW = 5  # columns up to which dsymv for each is faster than dsymm, which packs the matrix first


class Covariance:
    """P of `n` parameters, at first `variance` times the unit matrix."""

    def __init__(self, n: int, variance: float):
        self._stored = np.zeros((n, n), order="F")  # lower triangle
        np.fill_diagonal(self._stored, variance)
        self._scale, self._shift = 1.0, 0.0
        self._columns, self._n_waiting = np.zeros((n, COLUMNS), order="F"), 0

    @property
    def _waiting(self) -> NDArray:
        return self._columns[:, : self._n_waiting]

    def times(self, H: NDArray) -> NDArray:
        """P H of (n, observations)."""
        if H.shape[1] <= FEW:
            found = np.stack([dsymv(self._scale, self._stored, h, lower=1) for h in H.T], axis=1)
        else:
            found = dsymm(self._scale, self._stored, np.asfortranarray(H), lower=1)
        if self._n_waiting:
            found -= self._waiting @ (self._waiting.T @ H)
        return found + self._shift * H

    def reduce(self, U: NDArray) -> None:
        """P <- P - U Uᵀ."""
        n_new = U.shape[1]
        if self._n_waiting + n_new > self._columns.shape[1]:
            self.settle()
        if n_new > self._columns.shape[1]:
            self._columns = np.zeros((len(U), n_new), order="F")
        self._columns[:, self._n_waiting : self._n_waiting + n_new] = U
        self._n_waiting += n_new

    def fade(self, factor: float) -> None:
        """P <- P / factor."""
        self._scale /= factor
        self._shift /= factor
        self._columns[:, : self._n_waiting] /= np.sqrt(factor)

    def add(self, noise: float) -> None:
        """P <- P + noise I."""
        self._shift += noise

    def settle(self) -> None:
        """Put everything that waits into the stored triangle."""
        if self._n_waiting:
            waiting = np.asfortranarray(self._waiting)
            self._stored = dsyrk(-1.0, waiting, beta=self._scale, c=self._stored, lower=1, overwrite_c=1)
        elif self._scale != 1.0:
            self._stored *= self._scale
        self._stored[np.diag_indices_from(self._stored)] += self._shift
        self._scale, self._shift, self._n_waiting = 1.0, 0.0, 0

    def matrix(self) -> NDArray:
        """P as a symmetric matrix."""
        self.settle()
        lower = np.tril(self._stored)
        return lower + np.tril(lower, -1).T

    def stored(self) -> NDArray:
        """P itself, not a copy: column by column, and only its lower triangle means anything."""
        self.settle()
        return self._stored

    def put(self, matrix: NDArray) -> None:
        """Go on from a matrix, of which the lower triangle is read."""
        self._stored[...] = matrix
        self._scale, self._shift, self._n_waiting = 1.0, 0.0, 0


class BlockCovariance:
    """A covariance that knows nothing between blocks of parameters: n² becomes the sum of squares of the blocks.

    S. Hu et al., Proc. AAAI 37, 7910 (2023) (RLEKF): each block is reduced by the gain of the whole.
    """

    def __init__(self, sizes: list[int], variance: float):
        self._parts = [Covariance(n, variance) for n in sizes]
        self._ends = np.cumsum(sizes)

    def _split(self, values: NDArray) -> list[NDArray]:
        return np.split(values, self._ends[:-1])

    def times(self, H: NDArray) -> NDArray:
        """P H, block by block."""
        return np.concatenate([p.times(h) for p, h in zip(self._parts, self._split(H), strict=True)])

    def reduce(self, U: NDArray) -> None:
        """P <- P - U Uᵀ within the blocks."""
        for part, u in zip(self._parts, self._split(U), strict=True):
            part.reduce(u)

    def fade(self, factor: float) -> None:
        """P <- P / factor."""
        for part in self._parts:
            part.fade(factor)

    def add(self, noise: float) -> None:
        """P <- P + noise I."""
        for part in self._parts:
            part.add(noise)

    def matrices(self) -> list[NDArray]:
        """The blocks."""
        return [part.matrix() for part in self._parts]

    def settle(self) -> None:
        """Put everything that waits into the stored triangles."""
        for part in self._parts:
            part.settle()

    def stored(self) -> list[NDArray]:
        """The blocks themselves, column by column; only their lower triangles mean anything."""
        return [part.stored() for part in self._parts]

    def put(self, matrices: list[NDArray]) -> None:
        """Go on from blocks, of which the lower triangles are read."""
        for part, matrix in zip(self._parts, matrices, strict=True):
            part.put(matrix)


def gain(covariance: BlockCovariance, H: NDArray, noise: float) -> tuple[NDArray, NDArray]:
    """X A⁻¹ and U = X L⁻ᵀ for observations of variance `noise` each; raises LinAlgError where A is not positive."""
    X = covariance.times(H)
    A = H.T @ X
    A[np.diag_indices_from(A)] += noise
    L = cholesky(0.5 * (A + A.T), lower=True)
    U = solve_triangular(L, X.T, lower=True).T
    return solve_triangular(L, U.T, lower=True, trans=1).T, np.asfortranarray(U)
