"""The factor of a kernel matrix of sparse points, and points added one by one without a new factorization.

    UᵀU = K_MM + ε        L = U⁻ᵀ k_M(x)        v(x) = 1 - |L|²: what the points leave open

    next = argmax v        U ← [ U  L ; 0  √(v + ε) ]        L(x) ← [ L(x) ; (k(x, next) - L(next) · L(x)) / √(v + ε) ]

which is Cholesky's recursion with pivots: M² operations a point, and M for every candidate.
L. Foster et al., J. Mach. Learn. Res. 10, 857 (2009); J. Vandermause et al., Nat. Commun. 13, 5183 (2022).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

# two sets of rows of features -> their kernels, 1 between equal ones
Kernel = Callable[[Tensor, Tensor], Tensor]


def factor(K: Float[Tensor, "points points"], jitter: float) -> Float[Tensor, "points points"]:
    """U for a kernel matrix."""
    return torch.linalg.cholesky(0.5 * (K + K.mT) + jitter * torch.eye(len(K)).to(K)).mT


def left_open(U: Float[Tensor, "points points"], k: Float[Tensor, "rows points"]) -> Float[Tensor, "rows"]:
    """What the points leave open of each row."""
    return 1 - torch.linalg.solve_triangular(U.mT, k.mT, upper=False).square().sum(dim=0)


def grown(
    U: Float[Tensor, "points points"],
    points: Float[Tensor, "points features"],
    rows: Float[Tensor, "rows features"],
    kernel: Kernel,
    jitter: float,
    beyond: float,
) -> tuple[list[int], Tensor]:
    """Rows that become points, until none has √v above `beyond`, and the factor with them behind the others."""
    solved = torch.linalg.solve_triangular(U.mT, kernel(points, rows), upper=False)
    left = 1 - solved.square().sum(dim=0)
    chosen: list[int] = []
    while len(rows) and len(chosen) < len(rows):
        best = int(left.argmax())
        if float(left[best]) <= beyond**2:
            break
        root = (left[best] + jitter).sqrt()
        column = torch.cat([solved[:, best], root[None]])
        U = torch.cat([torch.nn.functional.pad(U, (0, 0, 0, 1)), column[:, None]], dim=1)
        new = (kernel(rows[best, None], rows)[0] - solved[:, best] @ solved) / root
        solved, left = torch.cat([solved, new[None]]), left - new.square()
        left[best] = 0.0
        chosen.append(best)
    return chosen, U
