"""Kernels between an environment and a sparse point, k(x, x_s), and their slopes in a form that matrix products like.

    ∂k(x, x_s)/∂x = a_s x_s + b_s x

so that along any direction dx of the features the derivatives by all points are a_s (x_s · dx) + b_s (x · dx): one
matrix product, with no array of derivatives by features.

    power        k = u^ζ,  u = x · x_s / |x||x_s|        a = ζ u^(ζ-1) / |x||x_s|        b = -ζ u^ζ / |x|²
    Gaussian     k = exp(-|x - x_s|²/2θ²)                a = k/θ²                        b = -k/θ²

An empty environment, x = 0, is like no other: u = 0.
A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013).
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError

EMPTY = 1e-12  # length of a feature vector below which an environment counts as empty


class PointKernel(Configurable, ABC):
    """A positive function of two feature vectors, 1 between equal ones; `shape` is the one number it depends on."""

    rooms = ("math",)
    shape: float

    @abstractmethod
    def shaped(self, value: float) -> "PointKernel":
        """The same with another number."""

    @abstractmethod
    def values(
        self, x: Float[Tensor, "rows features"], points: Float[Tensor, "points features"]
    ) -> Float[Tensor, "rows points"]:
        """The kernel of each row with each point; differentiable."""

    @abstractmethod
    def slopes(
        self, x: Float[Tensor, "rows features"], points: Float[Tensor, "points features"]
    ) -> tuple[Float[Tensor, "rows points"], Float[Tensor, "rows points"]]:
        """The a and b of ∂k/∂x = a x_s + b x."""

    @abstractmethod
    def coordinates(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
        """Features as the kernel sees them: what to choose sparse points by."""

    def form(
        self, points: Float[Tensor, "points features"], weights: Float[Tensor, "points"]
    ) -> Float[Tensor, "features features"] | None:
        """B with Σ_s c_s k(x, x_s) = x̂ᵀ B x̂ for `coordinates` x̂, where the kernel is such a form; None otherwise."""
        return None


class PowerKernel(PointKernel):
    """The cosine between two feature vectors to a power ζ: SOAP's kernel. 4 is usual, 2 for FLARE; 1 is linear."""

    def __init__(self, *, exponent: float = 4.0):
        if exponent < 1:
            raise UserError(f"the exponent of a power kernel is 1 or more, not {exponent}")
        self.exponent = self.shape = exponent

    def shaped(self, value: float) -> "PowerKernel":
        """Another exponent, 1 at least."""
        return PowerKernel(exponent=max(value, 1.0))

    def values(
        self, x: Float[Tensor, "rows features"], points: Float[Tensor, "points features"]
    ) -> Float[Tensor, "rows points"]:
        """u^ζ."""
        return self._power(self.coordinates(x) @ self.coordinates(points).mT, self.exponent)

    def slopes(
        self, x: Float[Tensor, "rows features"], points: Float[Tensor, "points features"]
    ) -> tuple[Float[Tensor, "rows points"], Float[Tensor, "rows points"]]:
        """The a and b above."""
        own, others = _inverse_length(x), _inverse_length(points)
        u = (x * own) @ (points * others).mT
        slope = self.exponent * self._power(u, self.exponent - 1)
        return slope * own * others.mT, -slope * u * own**2

    def coordinates(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
        """Unit vectors; an empty environment stays zero."""
        return x * _inverse_length(x)

    def form(
        self, points: Float[Tensor, "points features"], weights: Float[Tensor, "points"]
    ) -> Float[Tensor, "features features"] | None:
        """Σ_s c_s x̂_s x̂_sᵀ for the exponent 2."""
        units = self.coordinates(points)
        return (units * weights[:, None]).mT @ units if self.exponent == 2 else None

    def _power(self, u: Tensor, exponent: float) -> Tensor:
        """u^exponent by products where that is a whole number; negative cosines count as zero where it is not."""
        if float(exponent).is_integer():
            return u ** int(exponent)
        return u.clamp(min=1e-30) ** exponent


class SquaredExponential(PointKernel):
    """A Gaussian of the distance between two feature vectors; `length` θ in units of the descriptor."""

    def __init__(self, *, length: float = 1.0):
        if length <= 0:
            raise UserError(f"the length of a Gaussian kernel must be positive, not {length}")
        self.length = self.shape = length

    def shaped(self, value: float) -> "SquaredExponential":
        """Another length."""
        return SquaredExponential(length=value)

    def values(
        self, x: Float[Tensor, "rows features"], points: Float[Tensor, "points features"]
    ) -> Float[Tensor, "rows points"]:
        """The Gaussian."""
        middle = points.mean(dim=0)
        x, points = x - middle, points - middle
        squares = x.square().sum(dim=1, keepdim=True) + points.square().sum(dim=1) - 2 * x @ points.mT
        return torch.exp(squares.clamp(min=0.0) / (-2 * self.length**2))

    def slopes(
        self, x: Float[Tensor, "rows features"], points: Float[Tensor, "points features"]
    ) -> tuple[Float[Tensor, "rows points"], Float[Tensor, "rows points"]]:
        """The values k/θ² and -k/θ²."""
        slope = self.values(x, points) / self.length**2
        return slope, -slope

    def coordinates(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
        """Features in units of the length."""
        return x / self.length


def _inverse_length(x: Float[Tensor, "rows features"]) -> Float[Tensor, "rows 1"]:
    squares = x.square().sum(dim=1, keepdim=True)
    empty = squares < EMPTY**2
    return torch.where(empty, 0.0, torch.where(empty, 1.0, squares).rsqrt())
