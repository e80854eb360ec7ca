"""From an ASE calculator to labels: what it computed, checked, without constraints and in the units of the package."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from numpy.typing import NDArray

from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.graph.neighbors import refuse_bad_geometry


def bare(atoms: Atoms) -> Atoms:
    """A copy without calculator and constraints."""
    copy = atoms.copy()
    copy.calc = None
    copy.set_constraint()
    return copy


def labelled_by(
    calculator: BaseCalculator, atoms: Atoms, *, level: str, total_charge: float = 0.0, spin: float = 0.0
) -> Structure:
    """Energy and forces of one structure; stress, charges and dipole where the calculator gives them.

    The energy is the one whose derivative the forces are (ASE's `free_energy`) where both exist. Raises UserError for
    a geometry that nothing can be computed on, for a calculation that fails and for results that are not finite.
    """
    atoms = bare(atoms)
    refuse_bad_geometry(atoms)
    atoms.calc = calculator
    try:
        energy = atoms.get_potential_energy()
        forces = atoms.get_forces(apply_constraint=False)
        stress = _stress(atoms, calculator)
    except UserError:
        raise
    except Exception as error:  # reference programs fail in as many ways as there are programs
        raise UserError(f"the {level} calculation failed ({type(error).__name__}): {error}") from error
    results = calculator.results
    structure = Structure(
        atoms=bare(atoms),
        energy=float(results.get("free_energy", energy)),
        forces=forces,
        stress=stress,
        charges=_array(results.get("charges")),
        dipole=_array(results.get("dipole")),
        total_charge=total_charge,
        spin=spin,
        level=level,
    )
    _refuse_not_finite(structure)
    return structure


def _stress(atoms: Atoms, calculator: BaseCalculator) -> NDArray | None:
    if not atoms.pbc.all() or "stress" not in calculator.implemented_properties:
        return None
    try:
        return atoms.get_stress(voigt=False, apply_constraint=False)
    except PropertyNotImplementedError:
        return None


def _array(value) -> NDArray | None:
    return None if value is None else np.array(value, dtype=float)


def _refuse_not_finite(s: Structure) -> None:
    for name in ("energy", "forces", "stress", "charges", "dipole"):
        value = getattr(s, name)
        if value is not None and not np.isfinite(value).all():
            raise UserError(
                f"the {s.level} calculation gave a {name} that is not a finite number; look at the geometry"
            )
