"""What the benchmarks of dynamics in LAMMPS share: inputs run once by the stock `lmp`, one rank, and what they wrote.

    folder = ran(place, text)      `text` becomes place/in.run; a run that had finished there is not run again
    table(folder / "energy.txt")   columns of `fix ave/time`

An input says `pair_style` by including what `deployed` gives back.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from cambrian.contracts.archive import load
from cambrian.contracts.potential import Potential
from cambrian.deploy.lammps import deploy
from cambrian.elements import symbols

LMP = Path(sys.executable).parent / "lmp"
# F. H. Stillinger, T. A. Weber, Phys. Rev. B 31, 5262 (1985), in eV and Å as `pair_style sw` reads it
STILLINGER_WEBER = "Si Si Si 2.1683 2.0951 1.80 21.0 1.20 -0.333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n"


def deployed(potential: Potential | str | Path, place: Path) -> Path:
    """The lines to include, written with the data file into `place`; raises where it does not run compiled."""
    potential = potential if isinstance(potential, Potential) else load(potential)
    lines = deploy(potential, place.resolve())[-1]
    if lines.name != "in.lammps":
        raise SystemExit("this potential does not run by pair_style cambrian")
    return lines


def data_file(potential: Potential, atoms: Atoms, place: Path) -> Path:
    """A LAMMPS data file of atoms, types in the order that the pair lines name the elements."""
    place.parent.mkdir(parents=True, exist_ok=True)
    elements = symbols(potential.elements)
    write(place, atoms, format="lammps-data", specorder=elements, masses=True, units="metal", atom_style="atomic")
    return place.resolve()


def ran(place: Path, text: str) -> Path:
    """Run an input in folder `place`, unless it has finished there before; says the seconds of processor it took."""
    finished = place / "finished"
    if finished.exists() and (place / "in.run").read_text() == text:
        return place
    place.mkdir(parents=True, exist_ok=True)
    finished.unlink(missing_ok=True)
    (place / "in.run").write_text(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with (place / "out").open("w") as out:
        words = [str(LMP), "-in", "in.run", "-log", "none", "-nocite"]
        alone = os.environ | {"OMP_NUM_THREADS": "1"}
        code = subprocess.run(words, cwd=place, stdout=out, stderr=out, env=alone, check=False).returncode
    if code:
        raise SystemExit(f"{place}: " + (place / "out").read_text()[-2000:])
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    finished.write_text(f"{spent:.1f}\n")
    print(f"    {place.name}: {spent:.0f} s of processor", flush=True)
    return place


def table(file: Path) -> np.ndarray:
    """Rows that `fix ave/time` wrote, its column of steps first."""
    return np.loadtxt(file)
