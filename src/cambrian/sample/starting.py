"""What samplers share: the structures to start from, their calculators and seeds, and what a proposal keeps."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from cambrian.calculator import calculator_for
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.labelling import charge_and_spin
from cambrian.data.structure import Structure
from cambrian.errors import UserError


def starting(start: Dataset) -> list[Atoms]:
    """The structures at rest, total charge and spin in `info`; raises UserError where there are none."""
    if not len(start):
        raise UserError("sampling needs at least one structure to start from")
    structures = []
    for s in start:
        atoms = s.atoms.copy()
        atoms.arrays.pop("momenta", None)
        atoms.info |= {"total_charge": s.total_charge, "spin": s.spin}
        structures.append(atoms)
    return structures


def calculator_of(driver: Potential | Labeller | None, atoms: Atoms) -> BaseCalculator:
    """The calculator of the driver for these atoms; raises UserError where there is no driver."""
    if driver is None:
        raise UserError("this sampler needs energies and forces: give a potential or a reference method as driver")
    if isinstance(driver, Labeller):
        driver.ready()
    return calculator_for(driver, atoms)


def seed_of(seed: int, *place: int) -> int:
    """A seed for one of several runs, which shares no random numbers with the others."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])


def drawn_from(start: Atoms, frame: Atoms, group: str) -> Atoms:
    """The geometry of a frame with what is known of its start."""
    drawn = start.copy()
    drawn.set_cell(frame.cell)
    drawn.positions = frame.positions
    drawn.info["config_type"] = group
    return drawn


def structure_of(atoms: Atoms) -> Structure:
    """A proposal as a structure without labels: group, charge and spin in their places, the rest of `info` kept."""
    total_charge, spin = charge_and_spin(atoms.info)
    bare = atoms.copy()
    bare.info = {k: v for k, v in atoms.info.items() if k not in ("config_type", "total_charge", "spin")}
    return Structure(bare, total_charge=total_charge, spin=spin, group=str(atoms.info.get("config_type", "")))


def too_close(atoms: Atoms, closest: float) -> bool:
    """Whether two atoms are nearer than `closest` times the sum of their covalent radii."""
    return len(neighbor_list("i", atoms, list(closest * covalent_radii[atoms.numbers]))) > 0
