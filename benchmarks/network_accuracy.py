"""Test errors and time of one recipe on sets of crystals, a metal, liquids and a molecule, in one table.

    python benchmarks/network_accuracy.py RECIPE [Si] [Li] [water-rpbe-d3] [water-deepmd] [ethanol-botnet]
        [--minutes 5] [--seed 0] [--set NAME=VALUE] [--tune] [--data ../shared/data]

The splits:

    Si, Li           training and test files of Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020)
    ethanol-botnet   training and dynamics files of D. P. Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021)
    water-deepmd     systems as its authors give them: data_0 and data_1 train, data_2 is the test
    water-rpbe-d3    has no split of its own: a random fifth is the test, drawn with seed 0 whatever --seed is

With --tune nothing is said of the test: a random fifth of the training part stands for it. That is where defaults are
chosen. --minutes bounds the training of solvers that know a time limit; a schedule follows it. On a shared machine the
minutes of a fit hold fewer of a core: both are printed, the latter with setup and the test.
"""

import argparse
import time
from pathlib import Path

from cambrian.configuration import Recipe, Setting
from cambrian.data import read
from cambrian.data.dataset import Dataset
from cambrian.fit import fit

FILES = {
    "Si": (["mlearn/Si_training.extxyz"], ["mlearn/Si_test.extxyz"]),
    "Li": (["mlearn/Li_training.extxyz"], ["mlearn/Li_test.extxyz"]),
    "ethanol-botnet": (["ethanol-botnet/train.extxyz"], ["ethanol-botnet/test_MD.extxyz"]),
    "water-deepmd": (
        ["water-deepmd/data_0.extxyz", "water-deepmd/data_1.extxyz"],
        ["water-deepmd/data_2.extxyz"],
    ),
    "water-rpbe-d3": (["water-rpbe-d3/water_charges_train.extxyz"], []),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("sets", nargs="*", default=list(FILES), metavar="DATA", help=", ".join(FILES))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--tune", action="store_true", help="judge on a part of the training data")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    columns = ("recipe, data", "energy MAE", "RMSE", "force MAE", "RMSE", "fit, min", "of one core", "parameters")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in arguments.sets:
        train, test = parts(name, arguments.data)
        if arguments.tune:
            train, test = train.split(0.8, seed=1)
        potential, solver = recipe(arguments).build()
        busy = time.process_time()
        result = fit(potential, train, solver, test=test, seed=arguments.seed)
        minutes = [result.seconds / 60, (time.process_time() - busy) / 60]
        figures = result.parts["test"].errors.figures()
        energies = [1e3 * figures[f"energy_{kind}"] for kind in ("mae", "rmse")]
        forces = [1e3 * figures[f"force_{kind}"] for kind in ("mae", "rmse")]
        errors = " | ".join(f"{value:.2f}" if value < 20 else f"{value:.1f}" for value in energies + forces)
        spent = " | ".join(f"{value:.1f}" for value in minutes)
        print(f"| `{arguments.recipe}` {name} | {errors} | {spent} | {result.n_parameters} |", flush=True)
        for note in result.solution.notes:
            print(f"    {note}", flush=True)
    print("energies in meV/atom, forces in meV/Å (components)")


def parts(name: str, folder: Path) -> tuple[Dataset, Dataset]:
    """Training and test part of a set."""
    if name not in FILES:
        raise SystemExit(f"there is no set '{name}'; the sets are {', '.join(FILES)}")
    train, test = (sum((read(folder / file) for file in files), Dataset([])) for files in FILES[name])
    return (train, test) if len(test) else train.split(0.8, seed=0)


def recipe(arguments: argparse.Namespace) -> Recipe:
    """The recipe with its settings, seed and time limit, as far as it knows these."""
    settings = [Setting.parse(text) for text in arguments.settings]
    content = Recipe.of(arguments.recipe, settings).content
    known = content.get("parameters", content)
    ((_, of_solver),) = known["solver"].items()
    if "seed" in known:
        settings.append(Setting.parse(f"seed={arguments.seed}"))
    if "max_minutes" in of_solver and of_solver["max_minutes"] is None:
        settings.append(Setting.parse(f"solver.max_minutes={arguments.minutes}"))
    return Recipe.of(arguments.recipe, settings)


if __name__ == "__main__":
    main()
