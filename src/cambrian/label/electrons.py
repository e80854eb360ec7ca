"""Whether charge and spin of a structure can be: an even number of electrons has an even number of unpaired ones."""

import numpy as np
from ase import Atoms

from cambrian.errors import UserError


def refuse_contradiction(atoms: Atoms, total_charge: float, spin: float) -> None:
    """Raise UserError where an odd number of electrons has no unpaired one, or an even number has one.

    total_charge: e. spin: number of unpaired electrons. Fractions are left to the method.
    """
    n_electrons = float(np.sum(atoms.numbers) - total_charge)
    if n_electrons.is_integer() and float(spin).is_integer() and (n_electrons - spin) % 2:
        raise UserError(
            f"{n_electrons:.0f} electrons cannot have {spin:.0f} unpaired ones: set the total charge or the spin "
            f"(number of unpaired electrons) of {atoms.get_chemical_formula()}, as atoms.info['spin'] or spin=..."
        )
