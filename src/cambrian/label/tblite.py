"""GFN1- and GFN2-xTB by tblite: reference labels for molecules and crystals in milliseconds, nothing to download.

C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019) (GFN2); S. Grimme, C. Bannwarth,
P. Shushkov, ibid. 13, 1989 (2017) (GFN1).
"""

from typing import Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.errors import MissingExtraError
from cambrian.label.by_calculator import labelled_by
from cambrian.label.electrons import refuse_contradiction

LANTHANIDES = range(58, 72)  # their f electrons stand in the core, so that counting Z tells nothing of the spin


class Tblite(Labeller):
    """Extended tight binding: energy, forces, stress, Mulliken charges and dipole.

    `accuracy` multiplies tblite's thresholds of self-consistency (1 is its own default; 0.1 takes one tenth more time
    and leaves forces ten times less noise, 4e-5 eV/Å); `electronic_temperature` in K. Every structure is computed from
    the same start, so that its labels do not depend on what was computed before.
    """

    def __init__(
        self,
        *,
        method: Literal["GFN2-xTB", "GFN1-xTB", "IPEA1-xTB"] = "GFN2-xTB",
        accuracy: float = 0.1,
        electronic_temperature: float = 300.0,
        max_iterations: int = 250,
    ):
        self.method, self.accuracy = method, accuracy
        self.electronic_temperature, self.max_iterations = electronic_temperature, max_iterations

    @property
    def level(self) -> str:
        """The method's name."""
        return self.method

    def ready(self) -> None:
        """Raise MissingExtraError when tblite is not installed."""
        _calculator_class()

    def calculator(self, *, total_charge: float = 0.0, spin: float = 0.0) -> BaseCalculator:
        """The ASE calculator of tblite for a total charge (e) and a number of unpaired electrons."""
        return _calculator_class()(
            method=self.method,
            accuracy=self.accuracy,
            electronic_temperature=self.electronic_temperature,
            max_iterations=self.max_iterations,
            charge=total_charge,
            multiplicity=round(spin) + 1,
            verbosity=0,
        )

    def label(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels of one structure.

        Raises UserError where self-consistency fails, and where charge and spin of a molecule contradict each other.
        """
        if not atoms.pbc.any() and not np.isin(atoms.numbers, LANTHANIDES).any():
            refuse_contradiction(atoms, total_charge, spin)
        calculator = self.calculator(total_charge=total_charge, spin=spin)
        return labelled_by(calculator, atoms, level=self.level, total_charge=total_charge, spin=spin)

    @classmethod
    def example(cls) -> "Tblite":
        """GFN2-xTB."""
        return cls()


def _calculator_class() -> type:
    try:
        from tblite.ase import TBLite
    except ImportError:
        raise MissingExtraError.of("tblite", "xtb") from None
    return TBLite
