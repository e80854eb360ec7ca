"""Kernels: how much two descriptors are alike, for Gaussian processes and kernel ridge regression.

    Gaussian      k = exp(-d²/2σ²)                               d = |x - x'|
    Matérn 5/2    k = (1 + q d + q²d²/3) exp(-q d),  q = √5/σ
    Laplacian     k = exp(-|x - x'|₁/σ)                          no derivative where two components are equal

For radial kernels, as functions of s = d²/2,

    w = -dk/ds          b = d²k/ds²          ∂k/∂x = -w Δ          ∂²k/∂x∂x'ᵀ = w 1 - b ΔΔᵀ          Δ = x - x'
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable


class Kernel(Configurable, ABC):
    """A positive function of two descriptors; `is_smooth` where it has the derivatives that forces need."""

    rooms = ("math",)
    is_smooth: bool = True

    @abstractmethod
    def values(
        self, x: Float[Tensor, "rows features"], others: Float[Tensor, "others features"], length: float
    ) -> Float[Tensor, "rows others"]:
        """The kernel of each row with each other; `length` is σ in units of the descriptor."""


class RadialKernel(Kernel, ABC):
    """A kernel of the distance between two descriptors."""

    @abstractmethod
    def shape(self, squared: Float[Tensor, "..."], length: float) -> tuple[Tensor, Tensor, Tensor]:
        """The values k, w and b of the kernel at squared distances d²."""

    def values(
        self, x: Float[Tensor, "rows features"], others: Float[Tensor, "others features"], length: float
    ) -> Float[Tensor, "rows others"]:
        """The kernel of each row with each other, by matrix products."""
        return self.shape(squared_distances(x, others), length)[0]


class GaussianKernel(RadialKernel):
    """The squared exponential: infinitely smooth."""

    def shape(self, squared: Float[Tensor, "..."], length: float) -> tuple[Tensor, Tensor, Tensor]:
        """The values k, k/σ² and k/σ⁴."""
        k = torch.exp(-squared / (2 * length**2))
        return k, k / length**2, k / length**4


class MaternKernel(RadialKernel):
    """Matérn 5/2: twice differentiable, which is what forces and their covariances need."""

    def shape(self, squared: Float[Tensor, "..."], length: float) -> tuple[Tensor, Tensor, Tensor]:
        """The values k, A (1 + q d) and q² A, with A = (q²/3) exp(-q d); d has no slope where it is zero."""
        q = math.sqrt(5) / length
        qd = q * (squared + 1e-30).sqrt()
        decay = torch.exp(-qd)
        return (1 + qd + qd**2 / 3) * decay, q**2 / 3 * (1 + qd) * decay, q**4 / 3 * decay


class LaplacianKernel(Kernel):
    """The exponential of the sum of absolute differences: for energies alone."""

    is_smooth = False

    def values(
        self, x: Float[Tensor, "rows features"], others: Float[Tensor, "others features"], length: float
    ) -> Float[Tensor, "rows others"]:
        """The kernel of each row with each other."""
        return torch.exp(-torch.cdist(x, others, p=1.0) / length)


def squared_distances(
    x: Float[Tensor, "rows features"], others: Float[Tensor, "others features"]
) -> Float[Tensor, "rows others"]:
    """The squares |x - x'|², counted from the mean of the others so that little cancels."""
    middle = others.mean(dim=0)
    x, others = x - middle, others - middle
    squares = x.square().sum(dim=-1, keepdim=True) + others.square().sum(dim=-1)
    return (squares - 2 * x @ others.mT).clamp(min=0.0)
