"""Clebsch-Gordan coefficients and Wigner matrices of half-integer order; every order and projection stands doubled.

With j = 2J = 0, 1, 2 ... and rows and columns mb, ma = 0 ... j, the matrix u_j of a rotation with Cayley-Klein
parameters (a, b), |a|² + |b|² = 1, follows from u_(j-1):

    u_j[mb, ma]  = √((j - ma) / (j - mb)) a* u_(j-1)[mb, ma]  -  √(ma / (j - mb)) b* u_(j-1)[mb, ma - 1]      mb <= j/2
    u_j[j - mb, j - ma] = (-1)^(ma + mb) u_j[mb, ma]*

so only the rows mb <= j/2, the upper half, are kept; `completed` adds the others.
D. A. Varshalovich, A. N. Moskalev, V. K. Khersonskii, Quantum Theory of Angular Momentum (1988), chapters 4 and 8.
"""

from fractions import Fraction
from functools import cache
from math import factorial, prod, sqrt

import numpy as np
import torch
from jaxtyping import Complex
from numpy.typing import NDArray
from torch import Tensor


@cache
def clebsch_gordan(j1: int, j2: int, j: int) -> NDArray:
    """Coefficients <j1 m1 j2 m2 | j m> (j + 1, j1 + 1, j2 + 1) by Racah's formula; orders are doubled."""
    table = np.zeros((j + 1, j1 + 1, j2 + 1))
    for k1 in range(j1 + 1):
        for k2 in range(j2 + 1):
            k = k1 + k2 + (j - j1 - j2) // 2
            if 0 <= k <= j:
                table[k, k1, k2] = _racah(j1, k1, j2, k2, j, k)
    table.setflags(write=False)
    return table


def _racah(j1: int, k1: int, j2: int, k2: int, j: int, k: int) -> float:
    """One coefficient; k = (j + m) / 2 counts projections from 0, and all factorials are exact integers."""
    lacking, first, second = (j1 + j2 - j) // 2, j1 - k1, k2  # J1 + J2 - J, J1 - M1, J2 + M2
    below, above = (j - j2 - j1) // 2 + k1, (j - j1 + j2) // 2 - k2  # J - J2 + M1, J - J1 - M2
    total = Fraction(0)
    for z in range(max(0, -below, -above), min(lacking, first, second) + 1):
        parts = (z, lacking - z, first - z, second - z, below + z, above + z)
        total += Fraction((-1) ** z, prod(factorial(p) for p in parts))
    triangle = prod(factorial(n) for n in (lacking, (j1 - j2 + j) // 2, (j2 - j1 + j) // 2))
    spread = prod(factorial(n) for n in (k1, j1 - k1, k2, j2 - k2, k, j - k))
    return float(total) * sqrt(Fraction((j + 1) * triangle * spread, factorial((j1 + j2 + j) // 2 + 1)))


def wigner_halves(
    a: Complex[Tensor, "rows"], b: Complex[Tensor, "rows"], two_j_max: int
) -> list[Complex[Tensor, "rows _ _"]]:
    """Upper halves (rows, j // 2 + 1, j + 1) of u_j for j = 0 ... two_j_max."""
    halves = [torch.ones_like(a)[:, None, None]]
    for j in range(1, two_j_max + 1):
        keep, step = (torch.from_numpy(w).to(a.device, a.real.dtype) for w in _recursion_weights(j))
        # the middle row of an even order grows out of the first row of the lower half of the order before
        above = halves[-1] if j % 2 else torch.cat([halves[-1], mirrored(halves[-1], j - 1)[:, :1]], dim=1)
        left = torch.nn.functional.pad(keep * (a.conj()[:, None, None] * above), (0, 1))
        right = torch.nn.functional.pad(step * (b.conj()[:, None, None] * above), (1, 0))
        halves.append(left - right)
    return halves


@cache
def _recursion_weights(j: int) -> tuple[NDArray, NDArray]:
    mb, ma = np.arange(j // 2 + 1)[:, None], np.arange(j)[None, :]
    return np.sqrt((j - ma) / (j - mb)), np.sqrt((ma + 1) / (j - mb))


def mirrored(half: Complex[Tensor, "rows halves columns"], j: int) -> Complex[Tensor, "rows others columns"]:
    """The rows mb > j/2 of u_j from those with mb < j/2."""
    rows = half[:, : (j + 1) // 2]
    sign = 1 - 2 * ((torch.arange(rows.shape[1])[:, None] + torch.arange(j + 1)) % 2)
    return (sign.to(half.device) * rows.conj()).flip(1, 2)


def completed(half: Complex[Tensor, "rows halves columns"], j: int) -> Complex[Tensor, "rows j1 j1"]:
    """The whole matrix from its upper half; sums of rotations have the same symmetry."""
    return torch.cat([half, mirrored(half, j)], dim=1)
