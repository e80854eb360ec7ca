"""The contract of a trigger: how unsure a potential is of each atom, and between which values that asks for a label.

    max_i u_i <  low            accurate: the potential knows such structures
    low <= max_i u_i <= high    candidate: worth a label
    max_i u_i >  high           failed: not worth one, most often a structure that no longer makes sense

L. Zhang, D.-Y. Lin, H. Wang, R. Car, W. E, Phys. Rev. Mater. 3, 023804 (2019) (trust levels).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph

Measure = Callable[[Graph], Tensor]  # one value per atom
Judgement = Literal["accurate", "candidate", "failed"]


class Trigger(Configurable, ABC):
    """A measure of unsureness with its two limits, in `unit` (empty: without unit)."""

    rooms = ("learn",)
    unit: str = ""
    low: float
    high: float

    @abstractmethod
    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The measure for a fitted potential; `known` are the structures that it was fitted to.

        Raises UserError for a potential that cannot tell, and says which can.
        """

    def judge(self, value: float) -> Judgement:
        """What the largest value of a structure means; a value that is not a number means failed."""
        if value < self.low:
            return "accurate"
        return "candidate" if value <= self.high else "failed"


def limits(low: float, high: float) -> tuple[float, float]:
    """The limits of a trigger; raises UserError where they are not in order."""
    if not 0 < low < high:
        raise UserError(f"a trigger needs 0 < low < high, not low={low:g} and high={high:g}")
    return low, high
