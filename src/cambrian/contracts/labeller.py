"""The contract of a labeller: a reference method that turns a structure into the same structure with labels."""

from abc import ABC, abstractmethod

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from cambrian.configurable import Configurable
from cambrian.data.structure import Structure
from cambrian.errors import UserError


class Labeller(Configurable, ABC):
    """A reference method; its constructor arguments are its settings, which key the cache of results.

    `incidental` names those that no result depends on, such as the number of cores.
    """

    rooms = ("label",)
    incidental: tuple[str, ...] = ()

    @property
    @abstractmethod
    def level(self) -> str:
        """Level of theory, as it is stored with the labels."""

    @abstractmethod
    def label(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels of one structure; raises UserError where the reference calculation fails."""

    def ready(self) -> None:
        """Raise UserError where this method cannot run on this machine; called once before many structures."""
        return

    def calculator(self, *, total_charge: float = 0.0, spin: float = 0.0) -> BaseCalculator:
        """The same method as an ASE calculator, for dynamics and normal modes; raises UserError where there is none."""
        raise UserError(f"{type(self).__name__} labels structures but offers no calculator for dynamics")
