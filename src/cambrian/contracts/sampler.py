"""The contract of a sampler: it proposes structures that a reference method may then label."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from ase import Atoms

from cambrian.configurable import Configurable
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset

Progress = Callable[[str, float, str], None]


class Sampler(Configurable, ABC):
    """A way to propose structures; the constructor takes its settings, `propose` does the work.

    `needs_driver` says whether energies and forces are needed: of a potential or of a reference method.
    """

    rooms = ("sample",)
    needs_driver: bool = True

    @abstractmethod
    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Structures from those of `start`, their group in `info["config_type"]`, charge and spin in `info` too.

        folder: where a long run keeps what it needs to resume; the same call gives the same structures.
        progress: called with a stage, the fraction done (0 to 1) and figures in words.
        Raises UserError where the driver is missing or of the wrong kind, and where nothing could be proposed; what
        else a user should know (a run that broke, for instance) is a warning of the logger `cambrian`.
        """
