"""Real spherical harmonics as polynomials of a unit vector: smooth everywhere, the poles included.

    Y_lm = q_lm(z) Re(x + iy)^m        Y_l,-m = q_lm(z) Im(x + iy)^m
    q_lm = a_lm z q_l-1,m - b_lm q_l-2,m        a = (2l - 1) / √(l² - m²)        b = √(((l-1)² - m²) / (l² - m²))

in Racah's normalization, so that Σ_m Y_lm(u) Y_lm(v) = P_l(u · v). Columns run by l = 0 ... l_max, and within l as
m = 0 ... l, then -1 ... -l.
"""

import math
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


def degrees(l_max: int) -> Int[Tensor, "harmonics"]:
    """The degree l of each column."""
    return torch.repeat_interleave(torch.arange(l_max + 1), 2 * torch.arange(l_max + 1) + 1)


def spherical_harmonics(direction: Float[Tensor, "... 3"], l_max: int) -> Float[Tensor, "... harmonics"]:
    """Y_lm of unit vectors for l = 0 ... l_max; differentiable to any order."""
    cosines, sines = _azimuthal(direction, l_max)
    columns = []
    for q in _polar(direction[..., 2:], l_max):
        columns += [q * cosines[..., : q.shape[-1]], q[..., 1:] * sines[..., 1 : q.shape[-1]]]
    return torch.cat(columns, dim=-1)


def spherical_harmonics_and_gradient(
    direction: Float[Tensor, "... 3"], l_max: int
) -> tuple[Float[Tensor, "... harmonics"], Float[Tensor, "... 3 harmonics"]]:
    """Y_lm and ∇Y_lm of the polynomials; project the gradient on the tangent plane to stay on the sphere."""
    cosines, sines = _azimuthal(direction, l_max)
    order = torch.arange(l_max + 1, dtype=direction.dtype, device=direction.device)
    lower_cosines = order * torch.nn.functional.pad(cosines, (1, 0))[..., :-1]  # m Re(x + iy)^(m-1)
    lower_sines = order * torch.nn.functional.pad(sines, (1, 0))[..., :-1]
    values, x_slopes, y_slopes, z_slopes = [], [], [], []
    for l, q in enumerate(_polar(direction[..., 2:], l_max)):  # noqa: E741 - the degree's name
        raised = torch.nn.functional.pad(q, (0, 1))[..., 1:] * _raising(l).to(q)  # dq_lm/dz
        n = l + 1
        values += [q * cosines[..., :n], q[..., 1:] * sines[..., 1:n]]
        x_slopes += [q * lower_cosines[..., :n], q[..., 1:] * lower_sines[..., 1:n]]
        y_slopes += [-q * lower_sines[..., :n], q[..., 1:] * lower_cosines[..., 1:n]]
        z_slopes += [raised * cosines[..., :n], raised[..., 1:] * sines[..., 1:n]]
    gradient = torch.stack([torch.cat(s, dim=-1) for s in (x_slopes, y_slopes, z_slopes)], dim=-2)
    return torch.cat(values, dim=-1), gradient


def _azimuthal(direction: Tensor, l_max: int) -> tuple[Tensor, Tensor]:
    """Re(x + iy)^m and Im(x + iy)^m for m = 0 ... l_max."""
    x, y = direction[..., 0], direction[..., 1]
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(l_max):
        c, s = cosines[-1], sines[-1]
        cosines.append(x * c - y * s)
        sines.append(x * s + y * c)
    return torch.stack(cosines, dim=-1), torch.stack(sines, dim=-1)


def _polar(z: Float[Tensor, "... 1"], l_max: int) -> list[Tensor]:
    """q_lm(z), one tensor (..., l + 1) per degree."""
    found = [torch.ones_like(z)]
    for l in range(1, l_max + 1):  # noqa: E741 - the degree's name
        a, b, diagonal = (t.to(z) for t in _recursion(l))
        below = a * z * found[l - 1]
        if l > 1:
            below = below - torch.nn.functional.pad(b * found[l - 2], (0, 1))
        found.append(torch.cat([below, diagonal.expand_as(z)], dim=-1))
    return found


@cache
def _recursion(l: int) -> tuple[Tensor, Tensor, Tensor]:  # noqa: E741 - the degree's name
    """a_lm for m < l, b_lm for m < l - 1, and q_ll."""
    m = torch.arange(l, dtype=torch.float64)
    a = (2 * l - 1) / (l**2 - m**2).sqrt()
    b = (((l - 1) ** 2 - m[:-1] ** 2) / (l**2 - m[:-1] ** 2)).sqrt()
    diagonal = math.prod(math.sqrt((2 * k - 1) / (2 * k)) for k in range(2, l + 1))
    return a, b, torch.tensor([diagonal], dtype=torch.float64)


@cache
def _raising(l: int) -> Tensor:  # noqa: E741 - the degree's name
    m = torch.arange(l + 1, dtype=torch.float64)
    factor = ((l - m) * (l + m + 1)).sqrt()
    factor[0] /= math.sqrt(2)  # m = 0 lacks the √2 of the real harmonics
    return factor
