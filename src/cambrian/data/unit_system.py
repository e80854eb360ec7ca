"""Units a file may be in, written as words: `Hartree, bohr`, `kcal/mol`, `eV, Å, GPa`, `eV, Å, -kbar`.

Forces follow from energy and length, stress too unless its own unit is named; a minus in front of the unit of stress
says that the file counts compression as positive (VASP, LAMMPS). Virials are energies.
"""

from dataclasses import dataclass

from cambrian import units
from cambrian.errors import UserError

ENERGY = {
    "ev": 1.0,
    "mev": 1e-3,
    "hartree": units.HARTREE,
    "ha": units.HARTREE,
    "rydberg": units.RYDBERG,
    "ry": units.RYDBERG,
    "kcal/mol": units.KCAL_PER_MOL,
    "kj/mol": units.KJ_PER_MOL,
}
LENGTH = {"å": 1.0, "a": 1.0, "angstrom": 1.0, "ang": 1.0, "bohr": units.BOHR, "au": units.BOHR, "nm": 10.0}
STRESS = {
    "ev/å³": 1.0,
    "ev/a^3": 1.0,
    "ev/ang^3": 1.0,
    "ev/å^3": 1.0,
    "gpa": units.GPA,
    "mpa": 1e-3 * units.GPA,
    "kbar": units.KBAR,
    "bar": units.BAR,
    "hartree/bohr^3": units.HARTREE / units.BOHR**3,
}
WITH_BOHR = ("hartree", "ha", "rydberg", "ry")


@dataclass(frozen=True)
class UnitSystem:
    """What one unit of a file is worth in eV, Å and eV/Å³."""

    energy: float
    length: float
    stress: float

    @classmethod
    def parse(cls, words: str) -> "UnitSystem":
        """From words in any order, e.g. `Hartree, Å`; Hartree and Rydberg go with bohr unless a length is named.

        Raises UserError for a word that is no unit.
        """
        found: dict[str, float] = {}
        names = [w.strip() for w in words.replace(";", ",").split(",") if w.strip()]
        for name in names:
            key, sign = name.lower().lstrip("-−"), -1.0 if name[0] in "-−" else 1.0
            if key in ENERGY and sign > 0:
                found["energy"] = ENERGY[key]
                found.setdefault("length", units.BOHR if key in WITH_BOHR else 1.0)
            elif key in LENGTH and sign > 0:
                found["length"] = LENGTH[key]
            elif key in STRESS:
                found["stress"] = sign * STRESS[key]
            else:
                raise UserError(
                    f"'{name}' is no unit known here; write for example 'eV, Å', 'Hartree, bohr', 'kcal/mol, Å' or "
                    f"'eV, Å, -kbar' (the third is the unit of stress, with a minus where compression is positive)"
                )
        energy, length = found.get("energy", 1.0), found.get("length", 1.0)
        return cls(energy, length, found.get("stress", energy / length**3))
