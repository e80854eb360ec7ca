"""Every solver on one loss: errors against time, for silicon (recipe hdnnp) or small clusters of argon; one plot.

    OMP_NUM_THREADS=1 python benchmarks/solvers.py Si [--minutes 5] [--solvers KalmanFilter,LBFGS] [--plot FILE]
    OMP_NUM_THREADS=1 python benchmarks/solvers.py argon

Silicon: published split of Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020); a tenth of the training file is held out to
judge epochs by, the test file only judges the end. Argon: noise of 0.2 eV/Å on the forces (ε = 1 eV), which is the
error that every solver should come to.
"""

import argparse
import sys
from pathlib import Path

from matplotlib.figure import Figure

from cambrian.data import read
from cambrian.fit import fit
from cambrian.fit.genetic_search import GeneticSearch
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.kalman_filter import KalmanFilter
from cambrian.fit.lbfgs import LBFGS
from cambrian.fit.levenberg_marquardt import LevenbergMarquardt
from cambrian.fit.simulated_annealing import SimulatedAnnealing
from cambrian.recipes.hdnnp import hdnnp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
REACHED = 1.05  # of the best validation RMSE of a run: when it was there


def silicon(folder: Path, minutes: float):
    """Recipe hdnnp with each solver."""
    train, test = (read(folder / f"Si_{part}.extxyz") for part in ("training", "test"))
    train, held = train.split(0.9, seed=0)
    how = {"energy_weight": 5.0, "max_minutes": minutes}
    solvers = {
        "GradientDescent": GradientDescent(learning_rate=5e-3, batch_size=4, epochs=250, clip=1.0, **how),
        "KalmanFilter": KalmanFilter(epochs=20, **how),
        "LBFGS": LBFGS(epochs=1000, **how),
        "LevenbergMarquardt": LevenbergMarquardt(epochs=60, **how),
        "SimulatedAnnealing": SimulatedAnnealing(steps=1, **how),
        "GeneticSearch": GeneticSearch(generations=1, **how),
    }
    return (lambda: hdnnp()[0]), train, held, test, solvers


def argon(minutes: float):
    """A network of some thirty weights on clusters of four atoms."""
    from argon_clusters import clusters, network

    how = {"energy_weight": 1.0, "max_minutes": minutes}
    solvers = {
        "GradientDescent": GradientDescent(learning_rate=0.05, batch_size=5, epochs=200, **how),
        "KalmanFilter": KalmanFilter(epochs=15, **how),
        "LBFGS": LBFGS(epochs=200, **how),
        "LevenbergMarquardt": LevenbergMarquardt(epochs=30, **how),
        "SimulatedAnnealing": SimulatedAnnealing(epochs=3, steps=5, **how),
        "GeneticSearch": GeneticSearch(epochs=30, generations=5, population=40, **how),
    }
    train, held, test = (clusters(n, seed=k, noise=0.2) for k, n in enumerate((30, 15, 30)))
    return (lambda: network(hidden=(4,))), train, held, test, solvers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=["Si", "argon"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mlearn"))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--solvers", default="")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    make, train, held, test, solvers = (
        silicon(given.data, given.minutes) if given.case == "Si" else argon(given.minutes)
    )
    chosen = given.solvers.split(",") if given.solvers else list(solvers)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    print("solver               test energy, meV/atom   force, meV/Å    epochs   fit, s   to its best within 5 %, s")
    print("                          MAE      RMSE      MAE     RMSE")
    for name in chosen:
        result = fit(make(), train, solvers[name], validation=held, test=test)
        figures, history = result.parts["test"].errors.figures(), result.solution.history
        errors = [1e3 * figures[k] for k in ("energy_mae", "energy_rmse", "force_mae", "force_rmse")]
        reached = [row["validation_force_rmse"] for row in history]
        best = min(reached)
        first = next(row["seconds"] for row, e in zip(history, reached, strict=True) if e <= REACHED * best)
        columns = "".join(f"{e:10.2f}" for e in errors)
        print(f"{name:20s}{columns} {len(history):8d} {result.seconds:8.0f} {first:10.1f}", flush=True)
        axes.plot([row["seconds"] for row in history], [1e3 * e for e in reached], "o-", markersize=2, label=name)
    axes.set(xscale="log", yscale="log", xlabel="time, s", ylabel="force RMSE of held-out structures, meV/Å")
    axes.legend()
    if given.plot is not None:
        figure.savefig(given.plot, dpi=150)


if __name__ == "__main__":
    main()
