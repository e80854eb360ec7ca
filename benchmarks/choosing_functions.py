"""Symmetry functions chosen by the data beside random ones: held-out errors, then the test set, once, for some lists.

    python benchmarks/choosing_functions.py [Si] [ethanol] [--data ../shared/data] [-o DIR]

The study sees training structures alone. Then the lists of the number in `--final` are fitted on all structures of the
study by the same linear model, and judged on the published test set.
"""

import argparse
from pathlib import Path

import numpy as np

from cambrian.data import read
from cambrian.descriptors.acsf import Listed
from cambrian.fit import fit
from cambrian.function_study import FunctionStudy, linear
from cambrian.report.functions import figures_of

FILES = {
    "Si": ("mlearn/Si_training.extxyz", "mlearn/Si_test.extxyz"),
    "ethanol": ("ethanol-botnet/train.extxyz", "ethanol-botnet/test_MD.extxyz"),
}
METHODS = ("cur", "farthest_point", "correlation", "random")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(FILES))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--output", type=Path, default=Path("choosing-functions"))
    parser.add_argument("--numbers", default="10,20,40")
    parser.add_argument("--structures", type=int, default=100)
    parser.add_argument("--final", type=int, default=20)
    arguments = parser.parse_args()
    for name in arguments.names:
        train, test = (read(arguments.data / file) for file in FILES[name])
        order = np.random.default_rng(0).permutation(len(train))[: arguments.structures]
        study = FunctionStudy(
            data=train[np.sort(order).tolist()],
            methods=METHODS,
            numbers=tuple(int(n) for n in arguments.numbers.split(",")),
            cutoffs=(6.0,),
            folder=arguments.output / name,
        )
        rows = study.run()
        header, cells = figures_of(rows)
        print(f"\n{name}\n| {' | '.join(header)} |")
        for line in cells:
            print(f"| {' | '.join(line)} |")
        for row in rows:
            if row["number"] == arguments.final:
                potential, solver = linear(Listed(row["table"]), row["cutoff"])
                figures = fit(potential, study.data, solver, test=test).parts["test"].errors.figures()
                force, energy = 1e3 * figures["force_rmse"], 1e3 * figures["energy_rmse"]
                print(f"test set, {row['method']}: force RMSE {force:.1f} meV/Å, energy RMSE {energy:.2f} meV/atom")


if __name__ == "__main__":
    main()
