"""Radial functions of spherical Bessel functions that are orthonormal and vanish smoothly at a cutoff.

With u_0 < u_1 < ... the positive roots of j_l and x = r/rc,

    f_n = √(2/rc³) / √(u_n² + u_n+1²) · [ u_n+1 j_l(u_n x) / j_l+1(u_n) - u_n j_l(u_n+1 x) / j_l+1(u_n+1) ]
    g_n = (f_n + √(e_n/d_n-1) g_n-1) / √d_n        e_n = u_n-1² u_n+1² / ((u_n-1² + u_n²)(u_n² + u_n+1²))
                                                   d_n = 1 - e_n/d_n-1,   d_0 = 1

Value, slope and curvature of every f_n are zero at rc, and ∫ g_n g_m r² dr = δ_nm.
E. Kocer, J. K. Mason, H. Erturk, AIP Advances 10, 015021 (2020).

g_nl is x^(l mod 2) times an entire function of x², so that a few dozen Chebyshev polynomials in x² give all of them to
the last digits in one product of matrices, derivatives of any order included.
"""

import math
from functools import cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor


@cache
def bessel_roots(l_max: int, n_roots: int) -> tuple[tuple[float, ...], ...]:
    """The first `n_roots` positive roots of j_l for l = 0 ... l_max: between two roots of j_l-1 lies one of j_l."""
    found = [[math.pi * (k + 1) for k in range(n_roots + l_max)]]
    for degree in range(1, l_max + 1):
        brackets = zip(found[-1], found[-1][1:], strict=False)
        found.append(
            [cast(float, brentq(lambda x, k=degree: spherical_jn(k, x), a, b, xtol=1e-14)) for a, b in brackets]
        )
    return tuple(tuple(roots[:n_roots]) for roots in found)


class SphericalBesselBasis:
    """Orthonormal g_nl up to a cutoff (Å) for l = 0 ... n_max and n = 0 ... n_max - l, in 1/Å^1.5.

    Columns run by total order N = n + l = 0 ... n_max, and within it by l = 0 ... N: `orders` has (N, l) of each.
    """

    def __init__(self, n_max: int, cutoff: float):
        self.n_max, self.cutoff = n_max, cutoff
        self.orders = [(total, degree) for total in range(n_max + 1) for degree in range(total + 1)]
        self.n_terms = 24 + 2 * n_max  # what is left out is below 1e-15 up to n_max = 12
        x = np.sqrt(0.5 * (1 + chebyshev.chebpts1(self.n_terms)))
        by_degree = [_functions(k, n_max - k + 1, cutoff, x) / x[:, None] ** (k % 2) for k in range(n_max + 1)]
        values = np.stack([by_degree[degree][:, total - degree] for total, degree in self.orders], axis=1)
        expansion = chebyshev.chebvander(2 * x**2 - 1, self.n_terms - 1)
        self.coefficients = torch.from_numpy(np.linalg.solve(expansion, values))  # (terms, columns)
        self.is_odd = torch.tensor([degree % 2 == 1 for _, degree in self.orders])

    def __call__(self, distance: Float[Tensor, "..."]) -> Float[Tensor, "... columns"]:
        """Values at distances in Å; zero from the cutoff on."""
        inside = distance < self.cutoff
        x = torch.where(inside, distance, torch.zeros_like(distance)) / self.cutoff
        t = 2 * x**2 - 1
        terms = [torch.ones_like(t), t]
        while len(terms) < self.n_terms:
            terms.append(2 * t * terms[-1] - terms[-2])
        even = torch.stack(terms, dim=-1) @ self.coefficients.to(x)
        values = torch.where(self.is_odd.to(x.device), x[..., None] * even, even)
        return torch.where(inside[..., None], values, torch.zeros_like(values))


def _functions(degree: int, n: int, cutoff: float, x: NDArray) -> NDArray:
    """g_0 ... g_n-1 at fractions x of the cutoff, by the formulas above."""
    u = np.array(bessel_roots(degree, n + 1)[degree])
    waves, following = spherical_jn(degree, x[:, None] * u), spherical_jn(degree + 1, u)
    scale = math.sqrt(2 / cutoff**3) / np.hypot(u[:-1], u[1:])
    f = scale * (u[1:] * waves[:, :-1] / following[:-1] - u[:-1] * waves[:, 1:] / following[1:])
    d, g = 1.0, [f[:, 0]]
    for k in range(1, n):
        e = (u[k - 1] * u[k + 1]) ** 2 / ((u[k - 1] ** 2 + u[k] ** 2) * (u[k] ** 2 + u[k + 1] ** 2))
        before, d = d, 1 - e / d
        g.append((f[:, k] + math.sqrt(e / before) * g[-1]) / math.sqrt(d))
    return np.stack(g, axis=1)
