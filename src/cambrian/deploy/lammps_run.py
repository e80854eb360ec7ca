"""A whole run for LAMMPS from one structure: its data file, and an input that `lmp -in` takes as it is.

What stands in the input is where most runs begin: 300 K by a Nosé-Hoover thermostat, energies every 100 steps, frames
beside them. It is meant to be edited.
Formats: the pages of read_data and fix nvt in the manual of LAMMPS, https://docs.lammps.org.
"""

import io

import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data

from cambrian.errors import UserError

TEMPERATURE = 300.0  # K
N_STEPS = 1000
LIGHT = 3.0  # amu: below it a time step of half a femtosecond


def data_text(atoms: Atoms, elements: list[str], margin: float) -> str:
    """A LAMMPS data file with masses, atom types in the order of `elements`.

    margin: Å around atoms in directions without a cell. Raises UserError for elements the potential does not know.
    """
    if unknown := sorted(set(atoms.get_chemical_symbols()) - set(elements)):
        raise UserError(f"the structure has {', '.join(unknown)}; the potential knows {', '.join(elements)}")
    boxed = atoms.copy()
    for axis in np.flatnonzero(~boxed.cell.array.any(axis=1)):
        boxed.center(vacuum=margin, axis=int(axis))
    text = io.StringIO()
    write_lammps_data(text, boxed, specorder=elements, masses=True, units="metal", atom_style="atomic")
    return text.getvalue()


def input_text(atoms: Atoms, elements: list[str], data: str, pair_lines: list[str], seed: int) -> str:
    """The input of a run at constant temperature that reads the data file `data` in the folder it is started in."""
    boundary = " ".join("p" if periodic else "s" for periodic in atoms.pbc)
    step = 0.0005 if atoms.get_masses().min() < LIGHT else 0.001
    lines = [
        "# Written by cambrian. Start it in this folder:  mpiexec -n 4 lmp -in in.lammps",
        "units metal",
        "atom_style atomic",
        f"boundary {boundary}",
        f"read_data {data}",
        "",
        *pair_lines,
        "",
        f"timestep {step}",
        f"velocity all create {TEMPERATURE:g} {seed} mom yes rot {'no' if any(atoms.pbc) else 'yes'}",
        f"fix run all nvt temp {TEMPERATURE:g} {TEMPERATURE:g} {100 * step:g}",
        "thermo_style custom step temp pe etotal press",
        "thermo_modify format float %.10g",
        "thermo 100",
        "dump frames all custom 100 frames.dump id type element xu yu zu",
        f"dump_modify frames sort id element {' '.join(elements)}",
        f"run {N_STEPS}",
    ]
    return "\n".join(lines) + "\n"
