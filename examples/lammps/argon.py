"""Argon as a Lennard-Jones potential, in the file that LAMMPS runs: python argon.py."""

from ase import Atoms

import cambrian
from cambrian.deploy.lammps import deploy

potential = cambrian.LennardJones(epsilon=0.01032, sigma=3.405, cutoff=8.5)  # eV, Å; the force ends smoothly
potential.setup(cambrian.Dataset([cambrian.Structure(Atoms("Ar"), energy=0.0)]))
for file in deploy(potential, ".", remark=print):
    print(file)
