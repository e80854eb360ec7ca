"""Which observations a Kalman filter learns from: not all of them, since most say little that is new.

S. Singraber, T. Morawietz, J. Behler, C. Dellago, J. Chem. Theory Comput. 15, 3075 (2019).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError


class Candidates(Configurable, ABC):
    """An order in which observations of one kind are drawn, and whether what was drawn is worth learning from.

    `trials` is how often a better one may be drawn; the one with the largest error of those drawn is taken then.
    """

    rooms = ("fit",)
    trials: int = 1

    @abstractmethod
    def order(self, n: int, errors: Callable[[], Tensor], generator: torch.Generator) -> Tensor:
        """Indices of the n observations in the order of an epoch; `errors` gives all present errors (slow)."""

    def threshold(self, kind: str) -> float:
        """The error, in units of the RMSE of the last epoch, from which an observation of a kind is worth it."""
        return 0.0


class RandomCandidates(Candidates):
    """At random, each once in an epoch before any comes again."""

    def order(self, n: int, errors: Callable[[], Tensor], generator: torch.Generator) -> Tensor:
        """A permutation."""
        return torch.randperm(n, generator=generator)


class WorstFirst(Candidates):
    """By their errors at the beginning of the epoch, the largest first."""

    def order(self, n: int, errors: Callable[[], Tensor], generator: torch.Generator) -> Tensor:
        """Sorted."""
        return torch.argsort(errors().abs(), descending=True, stable=True)


class AboveThreshold(Candidates):
    """At random, but only those whose error is above a part of the RMSE of the last epoch."""

    def __init__(self, *, energy: float = 0.0, force: float = 1.0, trials: int = 3):
        if trials < 1 or min(energy, force) < 0:
            raise UserError("candidates need one trial at least, and thresholds not below 0")
        self.energy, self.force, self.trials = energy, force, trials

    def order(self, n: int, errors: Callable[[], Tensor], generator: torch.Generator) -> Tensor:
        """A permutation."""
        return torch.randperm(n, generator=generator)

    def threshold(self, kind: str) -> float:
        """That of the kind."""
        return self.energy if kind == "energy" else self.force
