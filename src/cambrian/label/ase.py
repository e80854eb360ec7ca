"""Any calculator of ASE as a labeller, by its name: `emt`, `lj`, `vasp`, `espresso`, `gpaw` ..."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, get_calculator_class
from ase.calculators.names import names as known_names

from cambrian.contracts.catalogue import nearest
from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.label.by_calculator import labelled_by


class ASELabeller(Labeller):
    """The calculator `name` of ASE, built with `arguments`.

    `charge_argument` and `spin_argument` name the arguments that take the total charge (e) and the number of unpaired
    electrons of a structure; a structure that has either is refused without them. `level` is what is stored with the
    labels, by default the name. Programs that write files do so in a temporary folder for each structure; with a
    `directory` among the arguments the folders are made there, and stay.
    """

    def __init__(
        self,
        name: str,
        *,
        arguments: dict | None = None,
        level: str | None = None,
        charge_argument: str | None = None,
        spin_argument: str | None = None,
    ):
        self.name, self.settings = name, dict(arguments or {})
        self.charge_argument, self.spin_argument = charge_argument, spin_argument
        self._level = level or name

    @property
    def level(self) -> str:
        """The level of theory that the user named, or the calculator."""
        return self._level

    def ready(self) -> None:
        """Raise UserError for a name ASE does not know, and for arguments its class does not take."""
        self.calculator()

    def calculator(self, *, total_charge: float = 0.0, spin: float = 0.0) -> BaseCalculator:
        """The calculator, for structures of one total charge and spin."""
        given = ((self.charge_argument, total_charge, "total charge"), (self.spin_argument, spin, "spin"))
        for argument, value, words in given:
            if argument is None and value:
                raise UserError(
                    f"{words} {value:g}: tell ASELabeller which argument of '{self.name}' takes it "
                    f"({words.split()[-1]}_argument=...)"
                )
        named = {argument: value for argument, value, _ in given if argument is not None}
        try:
            return self._class()(**self.settings, **named)
        except Exception as error:  # each class of ASE refuses in its own way
            raise UserError(f"ASE's calculator '{self.name}' cannot be made: {error}") from error

    def label(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels of one structure; raises UserError where the calculation fails."""
        stated = np.isclose(atoms.get_initial_magnetic_moments().sum(), spin)  # most programs read the moments
        calculator = self.calculator(total_charge=total_charge, spin=0.0 if stated else spin)
        with _folder(self.settings.get("directory")) as folder:
            if hasattr(calculator, "directory"):
                setattr(calculator, "directory", folder)  # noqa: B010 - not every calculator has one
            return labelled_by(calculator, atoms, level=self.level, total_charge=total_charge, spin=spin)

    def _class(self) -> type:
        if self.name not in known_names:
            raise UserError(f"ASE has no calculator '{self.name}'{nearest(self.name, known_names)}")
        try:
            return get_calculator_class(self.name)
        except ImportError as error:
            raise UserError(f"ASE's calculator '{self.name}' needs a package that is missing: {error}") from error

    @classmethod
    def example(cls) -> "ASELabeller":
        """Effective medium theory."""
        return cls("emt")


@contextmanager
def _folder(home: str | None) -> Iterator[str]:
    if home is None:
        with tempfile.TemporaryDirectory(prefix="label-") as folder:
            yield folder
    else:
        Path(home).mkdir(parents=True, exist_ok=True)
        yield tempfile.mkdtemp(prefix="label-", dir=home)
