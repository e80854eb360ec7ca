"""Accuracy of SNAP and qSNAP: the default recipes on the published splits, beside the published potentials.

    python benchmarks/snap_accuracy.py [../shared/data]

Fits `snap` and `qsnap` with their defaults to silicon and lithium (Zuo et al., J. Phys. Chem. A 124, 731 (2020)), tests
them on the published test sets, and evaluates the paper's own potentials, imported, on the same structures. Then the
tantalum SNAP of 2015 (examples/ta_snap.yaml) beside the published errors of its training set.
"""

import sys
import time
from pathlib import Path

from cambrian import fit, read
from cambrian.configuration.recipe import Recipe
from cambrian.deploy.lammps_import import import_lammps
from cambrian.fit.fit import assess
from cambrian.recipes.qsnap import qsnap
from cambrian.recipes.snap import snap

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
PUBLISHED_TA = {"energy_mae": 0.112787, "energy_rmse": 0.379769, "force_mae": 0.0757576, "force_rmse": 0.160973}


def row(name: str, figures: dict, seconds: str = "") -> str:
    energies = f"{1e3 * figures['energy_mae']:8.2f} {1e3 * figures['energy_rmse']:8.2f}"
    forces = f"{figures['force_mae']:8.4f} {figures['force_rmse']:8.4f}"
    return f"{name:30s} {energies} {forces} {seconds:>8s}"


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    print(f"{'test set':30s} {'E MAE':>8s} {'E RMSE':>8s} {'F MAE':>8s} {'F RMSE':>8s} {'fit s':>8s}")
    print(f"{'':30s} {'meV/atom':>17s} {'eV/Å':>17s}")
    for element in ("Si", "Li"):
        train = read(data / "mlearn" / f"{element}_training.extxyz")
        test = read(data / "mlearn" / f"{element}_test.extxyz")
        for recipe in (snap, qsnap):
            name = recipe.__name__
            published = import_lammps(data / "mlearn" / "published-potentials" / element / name)
            print(row(f"{element} {name}, published", assess(published, test).errors.figures()))
            potential, solver = recipe()
            result = fit(potential, train, solver, test=test)
            print(row(f"{element} {name}, cambrian", result.parts["test"].errors.figures(), f"{result.seconds:.1f}"))
    potential, solver = Recipe.of(str(HERE.parent / "examples" / "ta_snap.yaml")).build()
    start = time.perf_counter()
    result = fit(potential, read(data / "fitsnap-Ta" / "Ta.extxyz"), solver)
    print(row("Ta snap, published (training)", PUBLISHED_TA))
    seconds = f"{time.perf_counter() - start:.1f}"
    print(row("Ta snap, cambrian (training)", result.parts["train"].errors.figures(), seconds))


if __name__ == "__main__":
    main()
