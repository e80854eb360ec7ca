"""Learning-rate schedules: the factor on the learning rate as a function of the fraction of training done (0 to 1).

The fraction is that of epochs or of the time limit, whichever is further, so that a fit that must end in time also
cools down in time.
"""

import math
from abc import ABC, abstractmethod

from cambrian.configurable import Configurable


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
