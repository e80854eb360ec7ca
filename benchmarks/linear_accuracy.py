"""Test errors, time of the fit and time of a step of one linear or kernel recipe, in one table.

    python benchmarks/linear_accuracy.py RECIPE [Si] [Li] [Cu] [Ta] [NbTa] [NbW] [TaW] [WBe] [PbTe] [ethanol]
        [--seed 0] [--set NAME=VALUE] [--tune] [--train N] [--no-speed] [--data ../shared/data]
    python benchmarks/linear_accuracy.py published [Si] [Li] [Ta] [WBe]

The splits:

    Si, Li           training and test files of Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020)
    Cu, PbTe         have no split of their own: a random fifth is the test, drawn with seed 0 whatever --seed is
    NbTa, NbW, TaW   the binary and the dynamics of both metals of X.-G. Li et al., npj Comput. Mater. 6, 70 (2020);
                     a random fifth is the test
    Ta               363 structures of FitSNAP's first example; a random fifth is the test
    WBe              structures of M. A. Wood et al., Phys. Rev. B 99, 184305 (2019), without those above 0 eV/atom and
                     the groups whose forces are not the slopes of their energies; a random fifth is the test
    ethanol          800 geometries by coupled cluster of S. Chmiela et al., Nat. Commun. 9, 3887 (2018); a random fifth

With --tune nothing is said of the test: a random fifth of the training part, drawn with seed 1, stands for it. Defaults
are chosen there or, for silicon, by benchmarks/silicon_folds.py. --train takes that many of the training structures
only. `published` judges SNAPs that came with the data on the same test structures, which for Ta and WBe they were
fitted to. Seconds of the fit are those of the processor, since a busy machine changes them least; µs/atom/step is
dynamics through ASE on one thread.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cambrian.configuration import Recipe, Setting
from cambrian.contracts.potential import Potential
from cambrian.data import read
from cambrian.data.dataset import Dataset
from cambrian.deploy.lammps_import import import_lammps
from cambrian.fit.fit import Fit, assess
from cambrian.fit.problem import Problem
from cambrian.validate.speed import microseconds_per_atom_step, timed_structure

FILES = {
    "Si": (["mlearn/Si_training.extxyz"], ["mlearn/Si_test.extxyz"]),
    "Li": (["mlearn/Li_training.extxyz"], ["mlearn/Li_test.extxyz"]),
    "Cu": (["snap-fcc/Cu_training.extxyz"], []),
    "Ta": (["fitsnap-Ta/Ta.extxyz"], []),
    "NbTa": ([f"NbMoTaW/{name}.extxyz" for name in ("NbTa_SS", "Nb_AIMD", "Ta_AIMD")], []),
    "NbW": ([f"NbMoTaW/{name}.extxyz" for name in ("NbW_SS", "Nb_AIMD", "W_AIMD")], []),
    "TaW": ([f"NbMoTaW/{name}.extxyz" for name in ("TaW_SS", "Ta_AIMD", "W_AIMD")], []),
    "WBe": ([f"fitsnap-WBe/WBe_subset_part{k}.extxyz" for k in (1, 2, 3)], []),
    "PbTe": (["PbTe/train.extxyz"], []),
    "ethanol": (["ethanol-ccsdt/train_800.extxyz"], []),
}
INCONSISTENT = ("WSurface_BeAdhesion", "Defect_", "001FreeSurf", "010FreeSurf")  # groups of WBe begin so
HIGHEST = 0.0  # eV/atom, of WBe
ZBL_OF_FITSNAP = "pair_style hybrid/overlay zero 10.0 zbl 4.0 4.8 snap\npair_coeff * * zero\n"
PUBLISHED = {
    "Si": ("mlearn/published-potentials/Si/snap", "mlearn/published-potentials/Si/qsnap"),
    "Li": ("mlearn/published-potentials/Li/snap", "mlearn/published-potentials/Li/qsnap"),
    "Ta": ("fitsnap-Ta/published/Ta_pot",),
    "WBe": ("fitsnap-WBe/published/WBe_pot",),
}
REPULSIONS = {"Ta": ["1 1 zbl 73 73"], "WBe": ["1 1 zbl 74 74", "1 2 zbl 74 4", "2 2 zbl 4 4"]}
ELEMENTS = {"Ta": "Ta", "WBe": "W Be"}
COLUMNS = ("recipe, data", "energy MAE", "RMSE", "force MAE", "RMSE", "fit, s", "µs/atom/step", "parameters")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("sets", nargs="*", default=["Si", "Li"], metavar="DATA", help=", ".join(FILES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--tune", action="store_true", help="judge on a part of the training data")
    parser.add_argument("--train", type=int, default=None, metavar="N")
    parser.add_argument("--no-speed", action="store_true", help="leave out the dynamics")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    for name in arguments.sets:
        if arguments.recipe == "published":
            for title, potential in published(name, arguments.data):
                errors = errors_in_words(assess(potential, parts(name, arguments.data)[1]))
                print(f"| {title} | {' | '.join(errors)} | | | |", flush=True)
        else:
            print(row(name, arguments), flush=True)
    print("energies in meV/atom, forces in meV/Å (components)")


def row(name: str, arguments: argparse.Namespace) -> str:
    """Fit, judge and time one set."""
    train, test = parts(name, arguments.data)
    if arguments.tune:
        train, test = train.split(0.8, seed=1)
    if arguments.train is not None:
        train, _ = train.split(min(1.0, arguments.train / len(train)), seed=arguments.seed)
    settings = [Setting.parse(text) for text in arguments.settings]
    potential, solver = Recipe.of(arguments.recipe, settings).build()
    start = time.process_time()
    potential.setup(train)
    solution = solver.solve(Problem(potential, train, seed=arguments.seed))
    seconds = time.process_time() - start
    result = Fit(potential.eval(), solution, {"test": assess(potential, test)}, seconds, arguments.seed, train.hash)
    words = [*errors_in_words(result.parts["test"]), f"{seconds:.0f}"]
    speed = None if arguments.no_speed else microseconds_per_atom_step(result.potential, timed_structure(train))
    words += ["-" if speed is None else f"{speed:.0f}", str(result.n_parameters)]
    return f"| `{arguments.recipe}` {name} | {' | '.join(words)} |"


def errors_in_words(assessment) -> list[str]:
    """MAE and RMSE of energies and forces, meV/atom and meV/Å."""
    figures = assessment.errors.figures()
    errors = [1e3 * figures[f"{what}_{kind}"] for what in ("energy", "force") for kind in ("mae", "rmse")]
    return [f"{value:.2f}" if value < 20 else f"{value:.1f}" for value in errors]


def parts(name: str, folder: Path) -> tuple[Dataset, Dataset]:
    """Training and test part of a set."""
    if name not in FILES:
        raise SystemExit(f"there is no set '{name}'; the sets are {', '.join(FILES)}")
    train, test = (sum((read(folder / file) for file in files), Dataset([])) for files in FILES[name])
    if name == "WBe":
        kept = (s for s in train if not s.group.startswith(INCONSISTENT) and s.energy < HIGHEST * len(s))
        train = Dataset(list(kept))
    return (train, test) if len(test) else train.split(0.8, seed=0)


def published(name: str, folder: Path) -> Iterator[tuple[str, Potential]]:
    """Title and potential of each SNAP that came with a set."""
    for place in PUBLISHED.get(name, ()):
        if name not in ELEMENTS:
            yield f"{name}, published {place.split('/')[-1]}", import_lammps(folder / place)
            continue
        files = " ".join(str((folder / f"{place}.{end}").resolve()) for end in ("snapcoeff", "snapparam"))
        zbl = "".join(f"pair_coeff {line}\n" for line in REPULSIONS[name])
        with tempfile.TemporaryDirectory() as scratch:
            lines = Path(scratch) / "lines"
            lines.write_text(f"{ZBL_OF_FITSNAP}{zbl}pair_coeff * * snap {files} {ELEMENTS[name]}\n")
            yield f"{name}, published snap", import_lammps(lines)


if __name__ == "__main__":
    main()
