"""The contract of a check: one physical property of a potential beside a reference, with a verdict."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cambrian.configurable import Configurable
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset

Verdict = Literal["passed", "failed", "no reference"]


@dataclass
class Result:
    """What a check found, in the units of the package; `plots` maps a file name to a function that draws on axes."""

    name: str
    figures: dict[str, Any]
    verdict: Verdict
    sentence: str
    reference: dict[str, Any] = field(default_factory=dict)
    tolerance: dict[str, float] = field(default_factory=dict)
    plots: dict[str, Callable] = field(default_factory=dict)


class Check(Configurable, ABC):
    """A check of a potential, with reference data where it needs them."""

    rooms = ("validate",)

    @abstractmethod
    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> Result:
        """Compute the property and judge it; `progress` is called with the fraction done."""
