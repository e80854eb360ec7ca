"""Recipe `hdnnp` with its defaults on the published splits for Si and Li: test errors, times, published networks.

    python benchmarks/hdnnp_accuracy.py [Si] [Li] [--data ../shared/data/mlearn] [--seed 0]

MAE of the published potentials on the same test files: Zuo et al., J. Phys. Chem. A 124, 731 (2020); published_nnp.py.
"""

import argparse
from pathlib import Path

from cambrian.data import read
from cambrian.fit import fit
from cambrian.recipes.hdnnp import hdnnp

PUBLISHED = {"Si": (5.63, 0.109), "Li": (0.75, 0.0168)}  # meV/atom, eV/Å


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("elements", nargs="*", default=list(PUBLISHED))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mlearn"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("      test MAE: energy (meV/atom)   published   force (eV/Å)   published   fit (s)   parameters")
    for element in arguments.elements:
        train, test = (read(arguments.data / f"{element}_{part}.extxyz") for part in ("training", "test"))
        potential, solver = hdnnp(seed=arguments.seed)
        result = fit(potential, train, solver, test=test, seed=arguments.seed)
        figures = result.parts["test"].errors.figures()
        energy, force = PUBLISHED[element]
        print(
            f"{element}  {1e3 * figures['energy_mae']:25.2f} {energy:12.2f} {figures['force_mae']:13.4f} {force:12.4f}"
            f" {result.seconds:9.0f} {result.n_parameters:12d}",
            flush=True,
        )


if __name__ == "__main__":
    main()
