"""Radial functions of the atomic cluster expansion, by the names that PACE gives them; g_n(r) = 0 from the cutoff on.

    SBessel       f_n = (-1)^n √2 π / rc^(3/2) (n+1)(n+2)/√((n+1)² + (n+2)²) [sinc((n+1)πd) + sinc((n+2)πd)]
                  g_n = (f_n + √(e_n/d_n-1) g_n-1) / √d_n       e_n = n²(n+2)²/(4(n+1)⁴ + 1)       d_n = 1 - e_n/d_n-1
    ChebExpCos    x = 1 - 2 (e^(-λd) - e^(-λ))/(1 - e^(-λ))     g_1 = f, g_n = (1 - T_n-1(x))/2 f   f = (1 + cos πd)/2
    ChebPow       x = 2 (1 - (1 - d)^λ) - 1                     g_n = (1 - T_n(x))/2

with d = r/rc, n from 0 for SBessel and from 1 for the others, T the Chebyshev polynomials and sinc x = sin x / x.
SBessel is orthonormal, ∫ g_n g_m r² dr = δ_nm, and smooth up to the second derivative at the cutoff; ChebExpCos has a
jump of curvature there; ChebPow goes to zero as (rc - r)^λ, so that λ > 3 gives a smooth second derivative.
Y. Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021); R. Drautz, Phys. Rev. B 99, 014104 (2019);
E. Kocer, J. K. Mason, H. Erturk, J. Chem. Phys. 150, 154102 (2019).
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError


class RadialBasis(Configurable, ABC):
    """A sequence of functions of a distance."""

    rooms = ("math",)

    @abstractmethod
    def __call__(self, distance: Float[Tensor, "..."], cutoff: float, n: int) -> Float[Tensor, "... n"]:
        """The first `n` functions at distances in Å; zero from the cutoff (Å) on."""


class SBessel(RadialBasis):
    """Orthonormal functions made of spherical Bessel functions j_0; every distance is resolved alike."""

    def __call__(self, distance: Float[Tensor, "..."], cutoff: float, n: int) -> Float[Tensor, "... n"]:
        """g_0 ... g_n-1, in 1/Å^1.5."""
        inside, d = _reduced(distance, cutoff)
        columns, before = [], 1.0
        for k in range(n):
            first, second = k + 1, k + 2
            scale = (-1) ** k * math.sqrt(2) * math.pi / cutoff**1.5 * first * second / math.hypot(first, second)
            g = scale * (torch.sinc(first * d) + torch.sinc(second * d))
            if k:
                e = k**2 * (k + 2) ** 2 / (4 * (k + 1) ** 4 + 1)
                last, before = before, 1 - e / before
                g = (g + math.sqrt(e / last) * columns[-1]) / math.sqrt(before)
            columns.append(g)
        return _stacked(columns, inside)


class ChebExpCos(RadialBasis):
    """Chebyshev polynomials of an exponential of the distance; the larger `lam`, the finer at short distances."""

    def __init__(self, *, lam: float = 5.0):
        self.lam = _positive(lam, "ChebExpCos")

    def __call__(self, distance: Float[Tensor, "..."], cutoff: float, n: int) -> Float[Tensor, "... n"]:
        """g_1 ... g_n."""
        inside, d = _reduced(distance, cutoff)
        last = math.exp(-self.lam)
        x = 1 - 2 * (torch.exp(-self.lam * d) - last) / (1 - last)
        fade = 0.5 * (1 + torch.cos(math.pi * d))
        polynomials = _chebyshev(x, max(n - 1, 0))
        return _stacked([fade, *(0.5 * (1 - T) * fade for T in polynomials[1:])][:n], inside)


class ChebPow(RadialBasis):
    """Chebyshev polynomials of a power of the distance; the larger `lam`, the finer at short distances."""

    def __init__(self, *, lam: float = 5.0):
        self.lam = _positive(lam, "ChebPow")

    def __call__(self, distance: Float[Tensor, "..."], cutoff: float, n: int) -> Float[Tensor, "... n"]:
        """g_1 ... g_n."""
        inside, d = _reduced(distance, cutoff)
        x = 1 - 2 * (1 - d) ** self.lam
        return _stacked([0.5 * (1 - T) for T in _chebyshev(x, n)[1:]], inside)


def _reduced(distance: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Whether inside of the cutoff, and r/rc there (one half elsewhere, where it does not matter)."""
    inside = distance < cutoff
    return inside, torch.where(inside, distance / cutoff, torch.full_like(distance, 0.5))


def _stacked(columns: list[Tensor], inside: Tensor) -> Tensor:
    if not columns:
        return inside.new_zeros(*inside.shape, 0, dtype=torch.float64)
    values = torch.stack(columns, dim=-1)
    return torch.where(inside[..., None], values, torch.zeros_like(values))


def _chebyshev(x: Tensor, n: int) -> list[Tensor]:
    """T_0 ... T_n."""
    found = [torch.ones_like(x), x]
    while len(found) <= n:
        found.append(2 * x * found[-1] - found[-2])
    return found[: n + 1]


def _positive(lam: float, name: str) -> float:
    if not lam > 0:
        raise UserError(f"{name}: lam must be positive, not {lam}; 2 to 6 is usual")
    return lam
