"""The contract of a solver: it changes the parameters of a problem's potential, and says what happened.

A `Problem` (fit/problem.py) offers the loss on batches, residuals with their derivatives, and rows; a solver uses what
it needs and refuses, in words, a potential that cannot give it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cambrian.configurable import Configurable

if TYPE_CHECKING:
    from cambrian.fit.problem import Problem


@dataclass
class Solution:
    """What a solver did: `history` has one row per epoch or stage, `notes` are sentences for the report."""

    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Solver(Configurable, ABC):
    """A way to fit; the constructor takes its hyperparameters, `solve` does the work."""

    rooms = ("fit",)

    @abstractmethod
    def solve(self, problem: "Problem") -> Solution:
        """Fit the problem's potential in place."""
