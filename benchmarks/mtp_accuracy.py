"""Accuracy and cost of moment tensor potentials on the published splits of silicon and lithium.

    python benchmarks/mtp_accuracy.py [Si] [Li] [--radial]

Fits `mtp` with its defaults to the training sets of Zuo et al., J. Phys. Chem. A 124, 731 (2020), and tests it on their
test sets; with --radial also the published rule of levels (radial_level 4) at level 16, with radial functions as they
begin and fitted by VariableProjection. Seconds are CPU seconds of this process; µs per atom are energy and forces of
one test structure through the compiled loops, the median of repeats.
"""

import statistics
import sys
import time
from pathlib import Path

from cambrian import fit, read
from cambrian.fit.variable_projection import VariableProjection
from cambrian.graph import graph_of
from cambrian.recipes.mtp import mtp

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "mlearn"


def microseconds(potential, atoms) -> float:
    """CPU time of one evaluation per atom, neighbor list left out."""
    (term,) = [t for t in potential.terms() if t.linear() is not None and t.native() is not None]
    predict, graph = term.native(), graph_of(atoms, term.cutoff)
    times = []
    for _ in range(30):
        start = time.process_time()
        predict(graph)
        times.append(time.process_time() - start)
    return 1e6 * statistics.median(times) / len(atoms)


def main() -> None:
    elements = [a for a in sys.argv[1:] if not a.startswith("--")] or ["Si", "Li"]
    head = f"{'E MAE':>7s} {'E RMSE':>7s} {'F MAE':>7s} {'F RMSE':>7s} {'fit s':>6s} µs/atom"
    print(f"{'test set':34s} {'scalars':>7s} {head}")
    for element in elements:
        train, test = (read(DATA / f"{element}_{part}.extxyz") for part in ("training", "test"))
        models = {"mtp": mtp()}
        if "--radial" in sys.argv:
            models["mtp 16, radial_level 4"] = mtp(level=16, radial_level=4, n_radial=8)
            models["the same, VariableProjection"] = mtp(
                level=16, radial_level=4, n_radial=8, solver=VariableProjection()
            )
        for name, (potential, solver) in models.items():
            start = time.process_time()
            result = fit(potential, train, solver, test=test)
            seconds, f = time.process_time() - start, result.parts["test"].errors.figures()
            energies = f"{1e3 * f['energy_mae']:7.2f} {1e3 * f['energy_rmse']:7.2f}"
            forces = f"{f['force_mae']:7.4f} {f['force_rmse']:7.4f}"
            (term,) = [t for t in result.potential.terms() if t.linear() is not None]
            cost = microseconds(result.potential, test[0].atoms)
            about = f"{element + ' ' + name:34s} {term.descriptor.n_features:7d}"
            print(f"{about} {energies} {forces} {seconds:6.1f} {cost:5.1f}", flush=True)


if __name__ == "__main__":
    main()
