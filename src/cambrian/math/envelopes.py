"""Envelopes: functions of a distance that bring every contribution smoothly to zero at the cutoff.

With d = r/rc, and x = (r - r_in)/(rc - r_in) where there is a plateau, f = 1 for r < r_in = α rc:

    cosine        f = (cos πx + 1)/2                                      C¹     PRL 98, 146401 (2007)
    tanh cubed    f = tanh³(1 - d)                                        C²     J. Chem. Phys. 134, 074106 (2011)
    exponential   f = exp(1 - 1/(1 - x²))                                 C^∞
    polynomial    f = 1 - x^(n+1) Σ_k C(n+k,k) C(2n+1,n-k) (-x)^k         C^n    Bircher et al., MLST 2, 035026 (2021)
    DimeNet       f = 1 - (p+1)(p+2)/2 d^p + p(p+2) d^(p+1) - p(p+1)/2 d^(p+2)     C²    arXiv:2003.03123
    bump          f = 1 - g(t)/(g(t) + g(1-t)),  g = e^(-1/t),  t = (r² - r_in²)/(rc² - r_in²)     C^∞     NeuralIL

`smoothness` counts the continuous derivatives at the cutoff: forces are continuous from C¹ on, phonons from C² on.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError

NO_STEP = 0.01  # of the bump's range at each end, where it differs from 1 or 0 by e^(-99): less than any precision


class Envelope(Configurable, ABC):
    """A factor between 1 and 0; zero from the cutoff on.

    `smoothness` is the number of continuous derivatives at the cutoff, -1 for a jump; `inner_smoothness` the same at
    the end of the plateau, where there is one.
    """

    rooms = ("math",)
    smoothness: float
    inner_smoothness: float = math.inf

    @abstractmethod
    def __call__(self, distance: Float[Tensor, "..."], cutoff: float | Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Factors at distances (Å) for a cutoff (Å), or for one cutoff per distance."""


class HardEnvelope(Envelope):
    """1 below the cutoff: energies jump there, so it is for comparisons only."""

    smoothness = -1

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """1 inside, 0 outside."""
        return (distance < cutoff).to(distance.dtype)


class CosineEnvelope(Envelope):
    """Half a cosine, after a plateau of `inner_fraction` of the cutoff; C¹: the curvature jumps at the cutoff."""

    smoothness = 1
    inner_smoothness = 1

    def __init__(self, *, inner_fraction: float = 0.0):
        self.inner_fraction = checked_fraction(inner_fraction)

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """(cos πx + 1)/2."""
        return 0.5 * (torch.cos(math.pi * _fraction(distance, cutoff, self.inner_fraction)) + 1)


class TanhCubeEnvelope(Envelope):
    """tanh³(1 - r/rc), which is 0.4417 at r = 0; C²."""

    smoothness = 2

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """tanh³(1 - d)."""
        return torch.tanh(1 - _fraction(distance, cutoff)) ** 3


class UnitTanhCubeEnvelope(Envelope):
    """tanh³(1 - r/rc) / tanh³(1), which is 1 at r = 0; C²."""

    smoothness = 2

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """(tanh(1 - d) / tanh 1)³."""
        return (torch.tanh(1 - _fraction(distance, cutoff)) / math.tanh(1)) ** 3


class ExponentialEnvelope(Envelope):
    """exp(1 - 1/(1 - x²)) after a plateau of `inner_fraction` of the cutoff; C^∞ at the cutoff, C¹ at the plateau."""

    smoothness = math.inf
    inner_smoothness = 1

    def __init__(self, *, inner_fraction: float = 0.0):
        self.inner_fraction = checked_fraction(inner_fraction)

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """exp(1 - 1/(1 - x²))."""
        x = _fraction(distance, cutoff, self.inner_fraction)
        inside = x < 1
        safe = torch.where(inside, x, torch.zeros_like(x))
        return torch.where(inside, torch.exp(1 - 1 / (1 - safe**2)), torch.zeros_like(x))


class PolynomialEnvelope(Envelope):
    """The polynomial of least degree with `order` continuous derivatives at both ends; order 2 is that of PhysNet.

    `inner_fraction` of the cutoff is a plateau. Orders 1 to 4 are n2p2's POLY1 to POLY4.
    """

    def __init__(self, *, order: int = 2, inner_fraction: float = 0.0):
        if order < 0:
            raise UserError(f"the order of a polynomial envelope counts derivatives: 0 or more, not {order}")
        self.order, self.inner_fraction = order, checked_fraction(inner_fraction)
        self.smoothness = self.inner_smoothness = order
        self.coefficients = [
            (-1) ** k * math.comb(order + k, k) * math.comb(2 * order + 1, order - k) for k in range(order + 1)
        ]

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """1 - x^(n+1) Σ_k a_k x^k."""
        x = _fraction(distance, cutoff, self.inner_fraction)
        step = torch.zeros_like(x)
        for coefficient in reversed(self.coefficients):
            step = step * x + coefficient
        return 1 - x ** (self.order + 1) * step


class DimeNetEnvelope(Envelope):
    """1 at r = 0, C² at the cutoff; a higher `exponent` p stays near 1 for longer (MACE 5, NequIP and DimeNet 6)."""

    smoothness = 2

    def __init__(self, *, exponent: int = 6):
        if exponent < 1:
            raise UserError(f"the exponent of a DimeNet envelope is 1 or more, not {exponent}")
        self.exponent = exponent

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """1 - d^p ((p+1)(p+2)/2 - p(p+2) d + p(p+1)/2 d²)."""
        p, d = self.exponent, _fraction(distance, cutoff)
        return 1 - d**p * ((p + 1) * (p + 2) / 2 - d * (p * (p + 2) - d * p * (p + 1) / 2))


class BumpEnvelope(Envelope):
    """1 up to `inner_fraction` of the cutoff, then down with all derivatives continuous at both ends."""

    smoothness = math.inf

    def __init__(self, *, inner_fraction: float = 0.0):
        self.inner_fraction = checked_fraction(inner_fraction)

    def __call__(self, distance: Tensor, cutoff: float | Tensor) -> Tensor:
        """1/(1 + exp(1/(1-t) - 1/t)), the same as 1 - g(t)/(g(t) + g(1-t)) without underflow."""
        inner = (self.inner_fraction * cutoff) ** 2
        t = (distance**2 - inner) / (cutoff**2 - inner)
        between = (t > NO_STEP) & (t < 1 - NO_STEP)
        safe = torch.where(between, t, torch.full_like(t, 0.5))
        return torch.where(between, torch.sigmoid(1 / safe - 1 / (1 - safe)), (t <= NO_STEP).to(t.dtype))


def inner_switch(
    distance: Float[Tensor, "..."], center: float | Float[Tensor, "..."], half_width: float | Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """SNAP's inner switch: 0 below center - half_width, 1 above center + half_width, half a cosine between; C¹.

    f = (1 - cos(π/2 (1 + (r - S)/D)))/2 with S the center and D the half width, all in Å.
    """
    x = ((distance - center) / half_width).clamp(-1.0, 1.0)
    return 0.5 * (1 - torch.cos(0.5 * math.pi * (1 + x)))


def checked_fraction(inner_fraction: float) -> float:
    """The plateau as a fraction of the cutoff; raises UserError unless 0 <= inner_fraction < 1."""
    if not 0 <= inner_fraction < 1:
        raise UserError(f"inner_fraction is a fraction of the cutoff, at least 0 and below 1, not {inner_fraction}")
    return inner_fraction


def _fraction(distance: Tensor, cutoff: float | Tensor, inner_fraction: float = 0.0) -> Tensor:
    """The reduced distance x = (r - r_in)/(rc - r_in), held between 0 and 1."""
    inner = inner_fraction * cutoff
    return ((distance - inner) / (cutoff - inner)).clamp(0.0, 1.0)
