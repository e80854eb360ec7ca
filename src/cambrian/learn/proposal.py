"""A structure that somebody proposed, bare of everything but what a reference method needs to know."""

from ase import Atoms

from cambrian.data.labelling import charge_and_spin
from cambrian.data.structure import Structure


def proposal(atoms: Atoms) -> Structure:
    """The geometry with total charge, spin and group as `atoms.info` states them, without labels."""
    total_charge, spin = charge_and_spin(atoms.info)
    plain = atoms.copy()
    plain.calc = None
    plain.set_constraint()
    plain.info = {}
    plain.arrays.pop("momenta", None)
    group = str(atoms.info.get("config_type", ""))
    return Structure(plain, total_charge=total_charge, spin=spin, group=group)
