"""Run under `mpiexec`: what LAMMPS gets from the plugin with the model library, written by the first rank.

mpiexec -n 2 python model_ranks.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from lammps_runs import gathered, lammps_module, session
from structures import STRUCTURES, turned, write_model

lammps_module()
from mpi4py import MPI  # noqa: E402 - after its library is loaded

WORLD = MPI.COMM_WORLD
ELEMENTS = ["Na", "Cl", "Na"]  # two types of sodium
VIRIALS = {"six": "stress/atom NULL pair", "nine": "centroid/stress/atom NULL pair"}


def gather(lmp, name: str, columns: int, n_atoms: int) -> np.ndarray:
    """A per-atom compute or fix in the order of the ids."""
    return np.array(lmp.gather(name, 1, columns)).reshape(n_atoms, columns)


def run(place: str, newton: str, folder: Path, found: dict) -> None:
    """Everything of one structure."""
    atoms, name = STRUCTURES[place](), f"{place}_{newton.replace(' ', '_')}"
    with session(atoms, types=ELEMENTS, before=(f"newton {newton}",)) as (lmp, frame):
        lmp.commands_list(
            [
                f"set atom {1 + list(atoms.numbers).index(11)} type 3",
                "pair_style cambrian",
                f"pair_coeff * * {folder / 'three.model'} {' '.join(ELEMENTS)}",
                "compute energies all pe/atom",
                *(f"compute {key} all {words}" for key, words in VIRIALS.items()),
                "fix unsure all pair 1 cambrian spread 1 grade 1",
                "compute worst all pair cambrian",
                "compute p all pressure NULL virial",
                "compute tally all reduce sum c_energies c_six[1] c_nine[1]",
                "thermo_style custom step pe c_p[1] c_tally[1] c_worst[1] c_worst[2]",
                "run 0 post no",
            ]
        )
        n = len(atoms)
        unit = lmp.extract_global("nktv2p")
        stress = np.array(lmp.numpy.extract_compute("p", 0, 1)) / -unit
        six, nine = gather(lmp, "c_six", 6, n) / -unit, gather(lmp, "c_nine", 9, n) / -unit
        unsure = gather(lmp, "f_unsure", 2, n)
        found |= {
            f"{name}_energy": lmp.get_thermo("pe"),
            f"{name}_forces": gathered(lmp, "f", n) @ frame,
            f"{name}_stress": turned(stress[None], frame)[0],
            f"{name}_energies": gather(lmp, "c_energies", 1, n)[:, 0],
            f"{name}_six": turned(six, frame),
            f"{name}_nine": turned(nine, frame),
            f"{name}_spread": unsure[:, 0],
            f"{name}_grade": unsure[:, 1],
            f"{name}_worst": np.array(lmp.numpy.extract_compute("worst", 0, 1)),
            f"{name}_atoms_of_rank": WORLD.allgather(lmp.extract_setting("nlocal")),
        }


def main(folder: Path) -> None:
    """Compute everything and write it."""
    if WORLD.rank == 0:
        write_model(folder / "three.model", 3)
    WORLD.Barrier()
    found: dict = {"ranks": WORLD.size}
    for place in STRUCTURES:
        for newton in ("on", "off", "off on"):
            run(place, newton, folder, found)
    if WORLD.rank == 0:
        np.savez(folder / f"{WORLD.size}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
