"""Accuracy of the kernel methods for molecules: default recipes on ethanol at CCSD(T)/cc-pVTZ.

    python benchmarks/kernel_molecules.py [recipe ...] [--data ../shared/data]

The 800 frames of the published training file of sGDML (Chmiela et al., Nat. Commun. 9, 3887 (2018)): the first 600 to
fit, the last 200 to test. A recipe chooses its own length on a part of the first 600; the last 200 decide nothing.
"""

import argparse
import time
from pathlib import Path

from cambrian import fit, read
from cambrian.configuration.recipe import Recipe
from cambrian.contracts import predictor
from cambrian.graph import graph_of

RECIPES = ("sgdml", "coulomb_matrix", "fchl")
KCAL = 0.0433641  # eV
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
HEADER = ("recipe", "n", "E MAE", "E RMSE", "F MAE", "F RMSE", "E MAE", "F MAE", "length", "fit s", "µs/atom")


def step_time(potential, structures, n: int = 50) -> float:
    """µs per atom of one energy with forces, the neighbor list built anew, one structure at a time."""
    run = predictor(potential)
    run(graph_of(structures[0].atoms, potential.cutoff))
    start = time.perf_counter()
    for k in range(n):
        run(graph_of(structures[k % len(structures)].atoms, potential.cutoff))
    return 1e6 * (time.perf_counter() - start) / n / len(structures[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sizes", type=int, nargs="*", default=(100, 200, 400, 600))
    arguments = parser.parse_args()
    data = read(arguments.data / "ethanol-ccsdt" / "train_800.extxyz")
    print("".join(f"{name:>10s}" for name in HEADER))
    print(" " * 20 + f"{'meV':>10s}{'meV':>10s}{'meV/Å':>10s}{'meV/Å':>10s}{'kcal/mol':>10s}{'kcal/mol/Å':>11s}")
    for name in arguments.recipes:
        for n in arguments.sizes:
            potential, solver = Recipe.of(name).build()
            result = fit(potential, data[:n], solver, test=data[600:])
            figures, n_atoms = result.parts["test"].errors.figures(), len(data[0])
            energies = [n_atoms * 1e3 * figures[k] for k in ("energy_mae", "energy_rmse")]
            forces = [1e3 * (figures[k] or float("nan")) for k in ("force_mae", "force_rmse")]
            published = energies[0] / 1e3 / KCAL, forces[0] / 1e3 / KCAL
            row = [*energies, *forces, *published, result.solution.figures.get("kernel_length", float("nan"))]
            row += [result.seconds, step_time(potential, data[600:])]
            print(f"{name:>14s}{n:6d}" + "".join(f"{value:10.3f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
