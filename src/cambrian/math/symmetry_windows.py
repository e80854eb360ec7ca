"""Factors of symmetry functions: windows on a distance, and functions of an angle; formulas in symmetry_functions.py.

Angles enter by their cosine t. Where an interval of angles is centered at 0° or 180° or ends there, A is a smooth
function of the positions, though dA/dt = -A'(θ)/sin θ is 0/0; within 10⁻⁶ of the ends A goes on as a straight line,

    A(t) = A(1) - A''(0) (t - 1)  at 0°,       A(t) = A(-1) + A''(π) (t + 1)  at 180°.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.math.envelopes import Envelope, ExponentialEnvelope, PolynomialEnvelope
from cambrian.math.symmetry_functions import Core

Channel = tuple[float, float]  # η (1/Å²) and r_s (Å); of compact functions the ends of the interval (Å)
Combination = tuple[float, float]  # ζ and λ; of compact functions the ends of the interval (degrees)

CORES: dict[str, Envelope] = {
    **{f"p{order}": PolynomialEnvelope(order=order) for order in (1, 2, 3, 4)},
    "e": ExponentialEnvelope(),
}
CURVATURE_AT_TOP = {"p1": -6.0, "e": -2.0}  # g''(0) and g''(1), where they are not zero
CURVATURE_AT_END = {"p1": 6.0}
NEARLY_STRAIGHT = 1e-12  # of 1 - |cos θ|


class Windows(ABC):
    """The factors w(r) or C(r) of several channels."""

    channels: list[Channel]

    @abstractmethod
    def values(self, distances: Float[Tensor, "..."]) -> Float[Tensor, "... channels"]:
        """Factors at distances (Å), twice differentiable."""

    @abstractmethod
    def values_and_slopes(self, distances: Float[Tensor, "..."]) -> tuple[Tensor, Tensor]:
        """The factors and their derivatives by the distance, both (..., channels) and detached."""


class GaussianWindows(Windows):
    """e^(-η (r - r_s)²) f(r) with one envelope and cutoff."""

    def __init__(self, channels: list[Channel], cutoff: float, envelope: Envelope):
        self.channels, self.cutoff, self.envelope = channels, cutoff, envelope

    def values(self, distances: Float[Tensor, "..."]) -> Float[Tensor, "... channels"]:
        """Gaussians times the envelope."""
        eta, shift = distances.new_tensor(self.channels).unbind(-1)
        gaussians = torch.exp(-eta * (distances[..., None] - shift) ** 2)
        return gaussians * self.envelope(distances, self.cutoff)[..., None]

    def values_and_slopes(self, distances: Float[Tensor, "..."]) -> tuple[Tensor, Tensor]:
        """By the product rule."""
        envelope, slope = slopes_of(lambda r: self.envelope(r, self.cutoff), distances)
        eta, shift = distances.new_tensor(self.channels).unbind(-1)
        offset = distances.detach()[..., None] - shift
        gaussians = torch.exp(-eta * offset**2)
        return gaussians * envelope[..., None], gaussians * (slope[..., None] - 2 * eta * offset * envelope[..., None])


class CompactWindows(Windows):
    """g(|r - c| / h), or with x (2 - x) in place of x = |r - c| / h."""

    def __init__(self, channels: list[Channel], core: Core, *, asymmetric: bool):
        self.channels, self.core, self.asymmetric = channels, CORES[core], asymmetric

    def values(self, distances: Float[Tensor, "..."]) -> Float[Tensor, "... channels"]:
        """The core of each interval."""
        return self._factors(distances[..., None])

    def values_and_slopes(self, distances: Float[Tensor, "..."]) -> tuple[Tensor, Tensor]:
        """By differentiation, channel by channel."""
        return slopes_of(self._factors, distances[..., None].expand(*distances.shape, len(self.channels)))

    def _factors(self, distances: Float[Tensor, "... any"]) -> Float[Tensor, "... channels"]:
        lower, upper = distances.new_tensor(self.channels).unbind(-1)
        x = ((2 * distances - (lower + upper)).abs() / (upper - lower)).clamp(max=1.0)
        return self.core(x * (2 - x) if self.asymmetric else x, 1.0)


class Angles(ABC):
    """The angular factors of several combinations."""

    combinations: list[Combination]

    @abstractmethod
    def values(self, cosines: Float[Tensor, "..."], combination: Combination) -> Float[Tensor, "..."]:
        """The factor of one combination, twice differentiable also where atoms align."""

    def values_and_slopes(self, cosines: Float[Tensor, "..."], combination: Combination) -> tuple[Tensor, Tensor]:
        """The factor and its derivative by the cosine, detached."""
        return slopes_of(lambda t: self.values(t, combination), cosines)


class PowerAngles(Angles):
    """2^(1-ζ) (1 + λ cos θ)^ζ."""

    def __init__(self, combinations: list[Combination]):
        self.combinations = combinations

    def values(self, cosines: Float[Tensor, "..."], combination: Combination) -> Float[Tensor, "..."]:
        """Powers of (1 + λ cos θ)."""
        zeta, lam = combination
        base = 1 + lam * cosines
        if zeta == int(zeta):
            return 2 ** (1 - zeta) * base ** int(zeta)
        inside = base > 1e-15  # rounding may leave less than zero, and the powers of zero have no derivative
        return 2 ** (1 - zeta) * torch.where(inside, base, torch.ones_like(base)) ** zeta * inside


class CompactAngles(Angles):
    """g(|θ - a| / b) of intervals in degrees."""

    def __init__(self, combinations: list[Combination], core: Core):
        self.combinations, self.core = combinations, core

    def values(self, cosines: Float[Tensor, "..."], combination: Combination) -> Float[Tensor, "..."]:
        """The core of the angle, and straight lines at the two ends of the half circle."""
        edge = 1 - NEARLY_STRAIGHT
        t = torch.where(cosines.abs() < edge, cosines, torch.zeros_like(cosines))
        angle = 2 * torch.atan2((1 - t).sqrt(), (1 + t).sqrt())  # keeps its digits near 0 and π, unlike arccos
        low, high = combination
        middle, half = math.radians((low + high) / 2), math.radians((high - low) / 2)
        found = CORES[self.core](((angle - middle).abs() / half).clamp(max=1.0), 1.0)
        for cosine, degrees, sign in ((1.0, 0.0, -1.0), (-1.0, 180.0, 1.0)):
            value, curvature = self._at_end(degrees, low, high)
            found = torch.where(cosine * cosines < edge, found, value + sign * curvature / half**2 * (cosines - cosine))
        return found

    def _at_end(self, degrees: float, low: float, high: float) -> tuple[float, float]:
        """G and g'' at 0° or 180°."""
        if low + high == 2 * degrees:
            return 1.0, CURVATURE_AT_TOP.get(self.core, 0.0)
        return 0.0, CURVATURE_AT_END.get(self.core, 0.0) if degrees in (low, high) else 0.0


def slopes_of(function, points: Tensor) -> tuple[Tensor, Tensor]:
    """Values and derivatives of an elementwise function, detached."""
    with torch.enable_grad():
        leaf = points.detach().requires_grad_()
        values = function(leaf)
        if not values.requires_grad:
            return values, torch.zeros_like(points)
        return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]
