"""The contract of a selector: it chooses which structures are worth a label."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from cambrian.configurable import Configurable
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset


class Selector(Configurable, ABC):
    """A way to choose structures; the constructor takes its settings, `choose` does the work.

    `needs_potential` says whether energies, forces or uncertainties of a potential are needed.
    """

    rooms = ("select",)
    needs_potential: bool = False

    @abstractmethod
    def choose(
        self,
        candidates: Dataset,
        n: int,
        *,
        known: Dataset | None = None,
        potential: Potential | None = None,
        seed: int = 0,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> list[int]:
        """Indices of `n` different candidates, the most wanted first; fewer where there are fewer.

        known: structures that have labels already and need not be chosen again.
        potential: a fitted potential for those that need one.
        Raises UserError where something that is needed is missing.
        """
