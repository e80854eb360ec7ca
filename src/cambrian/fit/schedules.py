"""Learning-rate schedules: the factor on the learning rate as a function of the fraction of training done (0 to 1).

The fraction is that of epochs or of the time limit, whichever is further, so that a fit that must end in time also
cools down in time.
"""

import math
from abc import ABC, abstractmethod

from cambrian.configurable import Configurable
from cambrian.errors import UserError


class Schedule(Configurable, ABC):
    """A factor on the learning rate."""

    rooms = ("fit",)

    @abstractmethod
    def factor(self, fraction: float) -> float:
        """Factor at a fraction of the training."""


class Constant(Schedule):
    """Always 1."""

    def factor(self, fraction: float) -> float:
        """1."""
        return 1.0


class Cosine(Schedule):
    """f = final + (1 - final)(1 + cos πx)/2 after a linear warm-up (I. Loshchilov, F. Hutter, arXiv:1608.03983)."""

    def __init__(self, *, final: float = 1e-3, warmup: float = 0.02):
        self.final, self.warmup = final, warmup

    def factor(self, fraction: float) -> float:
        """Rise during the warm-up, then a half cosine."""
        if fraction < self.warmup:
            return (fraction + 1e-3) / (self.warmup + 1e-3)
        x = (fraction - self.warmup) / (1 - self.warmup)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * min(x, 1.0)))


class Exponential(Schedule):
    """f = final^x."""

    def __init__(self, *, final: float = 1e-3):
        self.final = final

    def factor(self, fraction: float) -> float:
        """A straight line in the logarithm."""
        return self.final ** min(fraction, 1.0)


class OneCycle(Schedule):
    """From `initial` up to 1 at the fraction `peak`, back down as fast, then to `final`; all in straight lines.

    L. N. Smith, N. Topin, arXiv:1708.07120. The way back ends at twice `peak`, which is at most 0.5.
    """

    def __init__(self, *, initial: float = 0.1, peak: float = 0.45, final: float = 1e-3):
        if not 0 < peak <= 0.5:
            raise UserError(
                f"the peak of a cycle comes after the start and at half of the training at most, not {peak}"
            )
        self.initial, self.peak, self.final = initial, peak, final

    def factor(self, fraction: float) -> float:
        """Up, down, and out."""
        x = min(fraction, 1.0)
        if x <= 2 * self.peak:
            return self.initial + (1 - self.initial) * (1 - abs(x - self.peak) / self.peak)
        return self.initial + (self.final - self.initial) * (x - 2 * self.peak) / (1 - 2 * self.peak)
