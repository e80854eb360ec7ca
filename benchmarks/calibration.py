"""Is stated uncertainty true, where the data end too? GAP, FLARE and Bayesian linear potentials on silicon.

    python benchmarks/calibration.py [RECIPE ...] [--data ../shared/data]

Fitted to the cool part of the training file (mlearn): strained cells, and dynamics of bulk and vacancy up to 1000 K.
Judged on a random fifth of that (known), and on what it holds nothing of: hot dynamics up to and beyond melting,
vacancies in hot cells, surfaces. The check `calibration` compares errors with σ: `z` is the root of <(error/σ)²> on one
half of the structures (1 if σ is true, above: too sure), the areas are those of miscalibration on the other half (0 to
0.5) as σ stands and times z, ρ is the rank correlation of σ and |error|.
"""

import argparse
import re
from pathlib import Path

from cambrian.configuration import Recipe, Setting
from cambrian.data import read
from cambrian.data.dataset import Dataset
from cambrian.fit.fit import fit
from cambrian.validate.calibration import Calibration
from cambrian.validate.errors import LabelErrors

COOL = 1000.0  # K
RECIPES = {
    "snap, BayesianRidge": ("snap", ["solver=BayesianRidge"]),
    "snap, AutomaticRelevance": ("snap", ["solver=AutomaticRelevance"]),
    "ace, BayesianRidge": ("ace", ["solver=BayesianRidge", "solver.posterior_up_to=3000"]),
    "gap, 300 points": ("gap", ["n_points=300", "few_body=null"]),
    "flare": ("flare", []),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=list(RECIPES), help="; ".join(RECIPES))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    every = read(arguments.data / "mlearn" / "Si_training.extxyz")
    cool, hot = (Dataset(s for s in every if (is_cool(s)) == wanted) for wanted in (True, False))
    train, known = cool.split(0.8, seed=1)
    print(f"{len(train)} structures to fit to, {len(known)} known, {len(hot)} beyond", flush=True)
    print("| | set | MAE, meV/Å or meV/atom | z | area | area, σ times z | ρ |\n|---|---|---|---|---|---|---|")
    for name in arguments.recipes:
        recipe, settings = RECIPES[name]
        potential, solver = Recipe.of(recipe, [Setting.parse(text) for text in settings]).build()
        fitted = fit(potential, train, solver).potential
        for label, data in (("known", known), ("beyond", hot)):
            errors = LabelErrors().run(fitted, data).figures
            figures = Calibration().run(fitted, data).figures["kinds"]
            for kind, mae in (("force", errors["force_mae"]), ("energy", errors["energy_mae"])):
                f = figures.get(kind)
                if f is None or mae is None:
                    continue
                scale = "–" if f["scale"] is None else f"{f['scale']:.2f}"
                areas = f"{f['area']:.3f} | {f['area_scaled']:.3f}"
                rank = f"{f['rank_correlation']:.2f}"
                print(f"| {name} | {label}, {kind} | {1e3 * mae:.3g} | {scale} | {areas} | {rank} |", flush=True)


def is_cool(s) -> bool:
    """Strained cells, and dynamics below the limit that are no surface."""
    found = re.search(r"([\d.]+) K", str(s.atoms.info.get("description", "")))
    return s.group == "Elastic" or (s.group != "Surface" and found is not None and float(found[1]) <= COOL)


if __name__ == "__main__":
    main()
