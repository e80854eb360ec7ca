"""Tantalum by FitSNAP's own measure: its data, its weights of groups, its table of errors, with richer recipes.

    python benchmarks/tantalum.py [snap] [qsnap] [ace] [mtp] [gap] [--data ../shared/data]

examples/ta_snap.yaml fits the published SNAP of A. P. Thompson et al., J. Comput. Phys. 285, 316 (2015): its settings
and weights. Here repulsion and weights stay those of the example, and the recipe changes, with its own cutoff; `gap`
keeps its own noise of labels in place of weights. The published errors are unweighted and of the structures that were
fitted to. Since these fall with the number of coefficients alone, errors are given too of a random fifth (seed 0) in a
fit without it. Seconds are those of the processor.
"""

import argparse
import time
from pathlib import Path

from cambrian.configuration.recipe import Recipe
from cambrian.contracts.solver import Solver
from cambrian.data import read
from cambrian.data.dataset import Dataset
from cambrian.fit.fit import assess
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.problem import Problem

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "ta_snap.yaml"
PUBLISHED = "| FitSNAP, published | 31 | 112.8 | 379.8 | 75.8 | 161.0 | | | | | |"
RIDGES = {"snap": 0.0, "qsnap": 1e-8, "ace": 1e-11, "mtp": 1e-10}
COLUMNS = ("recipe", "coefficients", *2 * ("energy MAE", "RMSE", "force MAE", "RMSE"), "fit, s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=["snap", "qsnap", "ace", "mtp", "gap"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    data = read(arguments.data / "fitsnap-Ta" / "Ta.extxyz")
    train, test = data.split(0.8, seed=0)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n{PUBLISHED}", flush=True)
    for recipe in arguments.recipes:
        start = time.process_time()
        potential, n = fitted(recipe, data)
        seconds = time.process_time() - start
        words = errors(potential, data) + errors(fitted(recipe, train)[0], test)
        print(f"| `{recipe}` | {n} | {' | '.join(words)} | {seconds:.0f} |", flush=True)
    print("meV/atom and meV/Å; first of all structures, which were fitted to, then of a fifth that was not")


def fitted(recipe: str, train: Dataset):
    """The potential and its number of coefficients."""
    example, weighted = Recipe.of(str(EXAMPLE)).build()
    if recipe == "snap":
        potential, solver = example, weighted
    else:
        repulsion = list(example.terms())[-1]
        potential, own = Recipe.of(recipe).build()
        terms = list(potential.terms())
        potential = sum(terms[1:-1], start=terms[0]) + repulsion
        solver = own if recipe == "gap" else with_ridge(weighted, RIDGES[recipe])
    potential.setup(train)
    solver.solve(Problem(potential, train))
    return potential.eval(), sum(len(view.coefficients) for view in Problem(potential, train).linear_terms())


def with_ridge(weighted: Solver, ridge: float) -> LeastSquares:
    """The same weights, and what holds many coefficients in check."""
    assert isinstance(weighted, LeastSquares)
    w = weighted.weights
    return LeastSquares(
        energy_weight=w.energy, force_weight=w.force, stress_weight=w.stress, groups=weighted.groups, ridge=ridge
    )


def errors(potential, data: Dataset) -> list[str]:
    """MAE and RMSE of energies and forces, meV/atom and meV/Å."""
    figures = assess(potential, data).errors.figures()
    return [f"{1e3 * figures[f'{what}_{kind}']:.1f}" for what in ("energy", "force") for kind in ("mae", "rmse")]


if __name__ == "__main__":
    main()
