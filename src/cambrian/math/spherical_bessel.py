"""Spherical Bessel functions, and radial functions made of them that vanish smoothly at a cutoff.

With u_0 < u_1 < ... the positive roots of j_l and x = r/rc,

    f_n = √(2/rc³) / √(u_n² + u_n+1²) · [ u_n+1 j_l(u_n x) / j_l+1(u_n) - u_n j_l(u_n+1 x) / j_l+1(u_n+1) ]
    g_n = (f_n + √(e_n/d_n-1) g_n-1) / √d_n        e_n = u_n-1² u_n+1² / ((u_n-1² + u_n²)(u_n² + u_n+1²))
                                                   d_n = 1 - e_n/d_n-1,   d_0 = 1

Value, slope and curvature of every f_n are zero at rc, and ∫ g_n g_m r² dr = δ_nm.
E. Kocer, J. K. Mason, H. Erturk, AIP Advances 10, 015021 (2020).

    j_l(x) = x^l / (2l+1)!! · [ 1 - (x²/2)/(1! (2l+3)) + (x²/2)²/(2! (2l+3)(2l+5)) - ... ]          x <= l + 2
    j_l+1 = (2l+1)/x j_l - j_l-1                                                                    x > l + 2
"""

import math
from functools import cache
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor

N_TERMS = 24  # of the series: what is left out at x = degree + 2 is below 1e-17 up to degree = 20


def spherical_bessel(x: Float[Tensor, "..."], degree: int) -> Float[Tensor, "..."]:
    """j_l of x >= 0, differentiable to any order."""
    small = x <= degree + 2
    near = torch.where(small, x, torch.zeros_like(x))
    series = torch.ones_like(x)
    for k in range(N_TERMS, 0, -1):  # Horner's scheme in -x²/2
        series = 1 - series * near**2 / (2 * k * (2 * degree + 2 * k + 1))
    series = series * near**degree / math.prod(range(1, 2 * degree + 2, 2))
    far = torch.where(small, torch.full_like(x, degree + 2.0), x)
    before, value = far.cos() / far, far.sin() / far  # j_-1, j_0
    for k in range(degree):
        before, value = value, (2 * k + 1) / far * value - before
    return torch.where(small, series, value)


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
        self.roots, self.mixtures = zip(
            *(_mixtures(degree, n_max - degree + 1, cutoff) for degree in range(n_max + 1)), strict=True
        )

    def __call__(self, distance: Float[Tensor, "..."]) -> Float[Tensor, "... columns"]:
        """Values at distances in Å; zero from the cutoff on."""
        inside = distance < self.cutoff
        x = torch.where(inside, distance, torch.zeros_like(distance)) / self.cutoff
        of_degree = []
        for degree, (roots, mixture) in enumerate(zip(self.roots, self.mixtures, strict=True)):
            waves = spherical_bessel(x[..., None] * roots.to(x), degree)
            of_degree.append(torch.where(inside[..., None], waves @ mixture.to(x), torch.zeros_like(waves[..., :-1])))
        return torch.stack([of_degree[degree][..., total - degree] for total, degree in self.orders], dim=-1)


def _mixtures(degree: int, n: int, cutoff: float) -> tuple[Tensor, Tensor]:
    """The first n + 1 roots of j_l, and the matrix (n + 1, n) from j_l(u_k x) to g_0 ... g_n-1."""
    u = np.array(bessel_roots(degree, n + 1)[degree])
    next_degree = spherical_jn(degree + 1, u)
    raw = np.zeros((n + 1, n))
    for k in range(n):
        scale = math.sqrt(2 / cutoff**3) / math.hypot(u[k], u[k + 1])
        raw[k, k], raw[k + 1, k] = scale * u[k + 1] / next_degree[k], -scale * u[k] / next_degree[k + 1]
    d, g = 1.0, raw.copy()
    for k in range(1, n):
        e = (u[k - 1] * u[k + 1]) ** 2 / ((u[k - 1] ** 2 + u[k] ** 2) * (u[k] ** 2 + u[k + 1] ** 2))
        before, d = d, 1 - e / d
        g[:, k] = (raw[:, k] + math.sqrt(e / before) * g[:, k - 1]) / math.sqrt(d)
    return torch.from_numpy(u), torch.from_numpy(g)
