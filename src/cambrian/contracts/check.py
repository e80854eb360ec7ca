"""The contract of a check: one physical property of a potential beside a reference, with a verdict."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cambrian.configurable import Configurable
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset

Verdict = Literal["passed", "failed", "no reference"]
Unit = tuple[float, str]  # factor from the unit of the package to the printed one, and the name of that


@dataclass
class Result:
    """What a check found, in the units of the package; `plots` maps a file name to a function that draws on axes.

    units: how figures are printed, by name; a name that ends in its unit (`_K`, `_THz`) needs none.
    """

    name: str
    figures: dict[str, Any]
    verdict: Verdict
    sentence: str
    reference: dict[str, Any] = field(default_factory=dict)
    tolerance: dict[str, float] = field(default_factory=dict)
    plots: dict[str, Callable] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)


class Check(Configurable, ABC):
    """A check of a potential, with what it is compared with: labelled structures, a reference method, or known values.

    Known values (published, measured) are arguments of the constructor.
    """

    rooms = ("validate",)

    @abstractmethod
    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> Result:
        """Compute the property and judge it.

        reference: structures to start from, or labels and trajectories to compare with.
        method: a reference method, with which the same property is computed for comparison.
        progress: called with the fraction done.
        Raises UserError where what it needs is not there.
        """

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Why this check makes no sense here, in words for `validate all`; empty where it does.

        A lattice constant of a molecule makes none, nor errors without labels.
        """
        return ""
