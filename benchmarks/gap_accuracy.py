"""Accuracy of GAP: the default recipe on the published splits of silicon and lithium, and its processor time.

    python benchmarks/gap_accuracy.py [Si] [Li] [--n-points 1000] [--data ../shared/data]

The data are those of Zuo et al., J. Phys. Chem. A 124, 731 (2020); the defaults were chosen on
silicon's training file, never on a test file. The paper's own GAP is quoted as 2.9 meV/atom and 0.07 eV/Å (mean
absolute errors) for silicon, 0.49 and 0.01 for lithium.
"""

import argparse
import time
from pathlib import Path

from cambrian import fit, read
from cambrian.contracts.engine import predictor
from cambrian.graph import graph_of
from cambrian.recipes.gap import gap

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("elements", nargs="*", default=["Si", "Li"])
    parser.add_argument("--n-points", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    for element in options.elements:
        train, test = (read(options.data / "mlearn" / f"{element}_{part}.extxyz") for part in ("training", "test"))
        potential, solver = gap(n_points=options.n_points)
        start = time.process_time()
        result = fit(potential, train, solver, test=test)
        seconds = time.process_time() - start
        largest = max(test, key=len)
        graph, run = graph_of(largest.atoms, potential.cutoff), predictor(potential)
        run(graph)
        start = time.process_time()
        for _ in range(5):
            run(graph)
        cost = 1e6 * (time.process_time() - start) / 5 / len(largest)
        for name in ("train", "test"):
            figures = result.parts[name].errors.figures()
            energy, force = figures["energy_mae"], figures["force_mae"]
            print(f"{element} {name:5s} MAE {1e3 * energy:6.2f} meV/atom {force:7.4f} eV/Å", end="   ")
            print(f"RMSE {1e3 * figures['energy_rmse']:6.2f} meV/atom {figures['force_rmse']:7.4f} eV/Å")
        print(f"{element} {result.n_parameters} coefficients; fit and errors {seconds:.0f} s, {cost:.0f} µs/atom/step")


if __name__ == "__main__":
    main()
