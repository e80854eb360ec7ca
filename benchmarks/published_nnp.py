"""The published Si and Li network potentials (n2p2 files), imported, on the published test sets.

    python benchmarks/published_nnp.py ../shared/data/mlearn

Zuo et al., J. Phys. Chem. A 124, 731 (2020). n2p2 gives Si 5.63 meV/atom and 0.109 eV/Å, Li 0.75 and 0.0168 (MAE). The
files are in bohr and Hartree; on the command line the same is

    cambrian import n2p2 ../shared/data/mlearn/published-potentials/Si/nnp -o si.safetensors
    cambrian validate errors si.safetensors ../shared/data/mlearn/Si_test.extxyz
"""

import sys
from pathlib import Path

from cambrian.data import read
from cambrian.deploy.n2p2_import import import_n2p2
from cambrian.fit.fit import assess


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/mlearn")
    print("                 energy MAE (meV/atom)    force MAE (eV/Å)")
    for element in ("Si", "Li"):
        potential = import_n2p2(data / "published-potentials" / element / "nnp")
        figures = assess(potential, read(data / f"{element}_test.extxyz")).errors.figures()
        print(f"{element} published NNP {1e3 * figures['energy_mae']:15.2f} {figures['force_mae']:22.4f}", flush=True)


if __name__ == "__main__":
    main()
