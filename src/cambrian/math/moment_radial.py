"""Radial functions of moment tensor potentials: Chebyshev polynomials that go to zero with their slope at the cutoff.

    Q_β(r) = T_β(x) (R - s)²        x = (2 s - R_min - R)/(R - R_min),   β = 0 ... n - 1
    s(r)   = r for r >= R_min, and below it  R_min - u (1 + (u/w)⁴)^(-1/4)   with u = R_min - r, w = (R - R_min)/20

R is the cutoff, R_min a distance that no two atoms of the data come near. Polynomials run away outside of [-1, 1], so
that below R_min the distance s seen by them soon stands still at R_min - w, with four continuous derivatives.
A. V. Shapeev, Multiscale Model. Simul. 14, 1153 (2016); I. S. Novikov, K. Gubaev, E. V. Podryabinkin, A. V. Shapeev,
Mach. Learn.: Sci. Technol. 2, 025002 (2021).
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SOFT = 0.05  # w as a share of the range
ORDER = 4


def chebyshev_functions(
    distance: Float[Tensor, "..."], closest: Float[Tensor, ""], cutoff: float, n: int
) -> Float[Tensor, "... n"]:
    """Q_0 ... Q_n-1 in Å², zero from the cutoff on; differentiable in the distance."""
    s = _held(distance, closest, cutoff)
    x = (2 * s - closest - cutoff) / (cutoff - closest)
    fade = torch.where(distance < cutoff, (cutoff - s) ** 2, torch.zeros_like(s))
    columns = [torch.ones_like(x), x]
    while len(columns) < n:
        columns.append(2 * x * columns[-1] - columns[-2])
    return torch.stack(columns[:n], dim=-1) * fade[..., None]


def orthonormal_combinations(closest: float, cutoff: float, n: int) -> Float[Tensor, "n n"]:
    """Rows c of f_μ = Σ_β c_μβ Q_β, β <= μ, with ∫ f_μ f_ν dr = δ_μν between R_min and the cutoff."""
    points, weights = np.polynomial.legendre.leggauss(n + 3)
    half = (cutoff - closest) / 2
    r = torch.from_numpy(closest + half * (1 + points))
    values = chebyshev_functions(r, torch.tensor(closest, dtype=torch.float64), cutoff, n)
    gram = values.mT @ (half * torch.from_numpy(weights)[:, None] * values)
    return torch.linalg.inv(torch.linalg.cholesky(gram))


def _held(distance: Tensor, closest: Tensor, cutoff: float) -> Tensor:
    """s(r)."""
    u = (closest - distance).clamp(min=0.0)
    w = SOFT * (cutoff - closest)
    return torch.where(distance >= closest, distance, closest - u * (1 + (u / w) ** ORDER) ** (-1 / ORDER))
