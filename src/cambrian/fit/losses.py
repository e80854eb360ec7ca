"""What becomes of residuals in the loss of gradient descent: one number for each kind of label.

    mean square    <r²>
    log-cosh       <ln cosh(κ r)>/κ          κ r²/2 near zero, |r| far away
    Huber          <r²/2δ> below δ, <|r| - δ/2> above

The last two let large errors count in proportion: outliers do not decide the fit, at the price of the largest errors.
Residuals are those of fit/problem.py, weights included. H. Montes-Campos et al., J. Chem. Inf. Model. 62, 88 (2022)
(log-cosh); P. J. Huber, Ann. Math. Stat. 35, 73 (1964).
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError


class Loss(Configurable, ABC):
    """A mean over residuals, smooth enough for a gradient."""

    rooms = ("fit",)

    @abstractmethod
    def __call__(self, residuals: Float[Tensor, "residuals"]) -> Float[Tensor, ""]:
        """The loss of the residuals of one kind, of which there is at least one."""


class MeanSquare(Loss):
    """The mean of the squares."""

    def __call__(self, residuals: Tensor) -> Tensor:
        """<r²>."""
        return residuals.square().mean()


class LogCosh(Loss):
    """`steepness` κ in the inverse unit of the residuals, 1/(eV/Å) for forces of weight 1."""

    def __init__(self, *, steepness: float = 10.0):
        self.steepness = _positive("steepness", steepness)

    def __call__(self, residuals: Tensor) -> Tensor:
        """<ln cosh(κ r)>/κ, written so that it never overflows."""
        x = (self.steepness * residuals).abs()
        return (x + torch.nn.functional.softplus(-2 * x) - math.log(2)).mean() / self.steepness


class Huber(Loss):
    """`width` δ in the unit of the residuals: below it they count by their squares."""

    def __init__(self, *, width: float = 0.01):
        self.width = _positive("width", width)

    def __call__(self, residuals: Tensor) -> Tensor:
        """<r²/2δ> or <|r| - δ/2>."""
        return torch.nn.functional.huber_loss(residuals, torch.zeros_like(residuals), delta=self.width) / self.width


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise UserError(f"{name} must be above 0, not {value}")
    return value
