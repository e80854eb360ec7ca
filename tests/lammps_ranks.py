"""Run under `mpiexec`: the forces that LAMMPS gets from several potentials, written by the first rank.

mpiexec -n 2 python lammps_ranks.py FILE.npz
"""

import sys

import numpy as np
from ase import Atoms
from cases.two_layers import TwoLayers
from lammps_plugin.structures import crystal, slab
from lammps_runs import gathered, session

from cambrian import Calculator, Dataset, DescriptorPotential, Potential, Structure, Sum, Terms, UserError
from cambrian.classical.lennard_jones import LennardJones
from cambrian.classical.zbl import ZBL
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.lammps_driver import attach, world
from cambrian.regressors.linear import LinearRegressor

WORLD = world()


class Sick(LennardJones):
    """Fails wherever an atom lies in the last tenth of the box: on one rank of several, or on none."""

    def forward(self, graph) -> Terms:
        if bool((graph.positions[graph.owned, 2] > 14.0).any()):
            raise UserError("an atom entered the forbidden land")
        return super().forward(graph)


def pair() -> LennardJones:
    """Lennard-Jones for two elements."""
    epsilon, sigma = {"Na": 0.01, "Cl": 0.02, "Na-Cl": 0.03}, {"Na": 2.6, "Cl": 3.2, "Na-Cl": 2.5}
    return LennardJones(epsilon=epsilon, sigma=sigma, cutoff=5.0)


def set_up(potential: Potential, atoms: Atoms) -> Potential:
    """Ready to be evaluated, with coefficients that are not zero."""
    potential.setup(Dataset([Structure(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))]))
    rng = np.random.default_rng(3)
    for parameter in potential.parameters():
        if parameter.requires_grad and parameter.abs().sum() == 0:
            parameter.data += 0.01 * parameter.new_tensor(rng.normal(size=parameter.shape))
    return potential.eval()


def potentials(atoms: Atoms) -> dict[str, Potential]:
    """By name: pairs, a native SNAP with repulsion, two layers of messages."""
    snap = DescriptorPotential(SO4Bispectrum(cutoff=4.0, two_j_max=4), LinearRegressor())
    subjects = {"pair": pair(), "snap": Sum([ZBL(), snap]), "messages": TwoLayers(cutoff=4.0)}
    return {name: set_up(p, atoms) for name, p in subjects.items()}


def compared(atoms: Atoms, potential: Potential, found: dict, name: str) -> None:
    """Energy, forces and virial pressure of LAMMPS, and those of the calculator."""
    elements = ["Na", "Cl"]
    with session(atoms, types=elements) as (lmp, frame):
        driver = attach(lmp, potential, elements)
        lmp.commands_list(["compute p all pressure NULL virial", "thermo_style custom step pe c_p[1]", "run 0 post no"])
        driver.raise_failure()
        xx, yy, zz, xy, xz, yz = np.array(lmp.numpy.extract_compute("p", 0, 1)) / lmp.extract_global("nktv2p")
        stress = -frame.T @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ frame
        found[f"{name}_atoms_of_rank"] = [int(n) for n in WORLD.everywhere(str(lmp.extract_setting("nlocal")))]
        forces, energy = gathered(lmp, "f", len(atoms)) @ frame, lmp.get_thermo("pe")
    atoms = atoms.copy()
    atoms.calc = Calculator(potential)
    found[f"{name}_energy"] = [energy, atoms.get_potential_energy()]
    found[f"{name}_forces"] = [forces, atoms.get_forces()]
    if atoms.pbc.all():
        found[f"{name}_stress"] = [stress, atoms.get_stress(voigt=False)]


def main(file: str) -> None:
    """Compute everything and write it."""
    found: dict = {"ranks": WORLD.size}
    for place, atoms in {"crystal": crystal(), "slab": slab()}.items():
        for name, potential in potentials(crystal()).items():
            compared(atoms, potential, found, f"{place}_{name}")
    sick = Sick(**pair().arguments)
    sick.setup(Dataset([Structure(crystal(), energy=0.0)]))
    try:
        compared(crystal(), sick, found, "sick")
    except UserError as error:
        found["said"] = str(error)
    everywhere = WORLD.everywhere(found.get("said", ""))
    if WORLD.rank == 0:
        np.savez(file, **found, everywhere=everywhere)


if __name__ == "__main__":
    main(sys.argv[1])
