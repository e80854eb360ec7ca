"""The Kalman filter beside n2p2's: same data, split, functions, network, initial weights and settings of the filter.

    OMP_NUM_THREADS=1 python benchmarks/kalman_filter.py FOLDER [--epochs 4] [--streams 1]

FOLDER is one where `nnp-train` of n2p2 has run with the input of its example nnp-train/H2O_RPBE-D3 (one task, standard
filter, force threshold 1.0, `write_weights_epoch 1`): train.data, test.data, learning-curve.out, timing.out, input.nn,
scaling.data and weights.ZZZ.000000.out are read. Errors on test.data after each epoch, times of the updates alone.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from cambrian.data import read
from cambrian.deploy.n2p2_import import import_n2p2
from cambrian.fit import Problem
from cambrian.fit.filter_units import FixedUnits
from cambrian.fit.kalman_filter import KalmanFilter
from cambrian.units import BOHR, HARTREE


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--streams", type=int, default=1)
    arguments = parser.parse_args()
    settings = keywords(arguments.folder / "input.nn")
    train, test = (read(arguments.folder / f"{name}.data", format="n2p2") for name in ("train", "test"))
    n_components = 3 * train.n_atoms
    per_epoch = round(float(settings["short_force_fraction"]) * n_components) / len(train)
    energy, length = float(settings["conv_energy"]), float(settings["conv_length"])
    solver = KalmanFilter(
        epochs=arguments.epochs,
        streams=arguments.streams,
        force_energy_ratio=per_epoch,
        force_update_weight=float(settings["force_weight"]),
        units=FixedUnits(energy=HARTREE / energy, force=HARTREE / BOHR * length / energy),
        validation_fraction=0.0,
    )
    course = solver.course(Problem(start(arguments.folder), train, test))
    peer, seconds = learning_curve(arguments.folder), peer_seconds(arguments.folder)
    print("| epoch | ours: meV/atom | meV/Å | updates, s | n2p2: meV/atom | meV/Å | updates, s |")
    print("|---|---|---|---|---|---|---|")
    spent = 0.0
    for epoch in range(arguments.epochs + 1):
        if epoch:
            begun = time.process_time()
            course.advance()
            spent = time.process_time() - begun
        figures = course.validated(course.candidate())
        course.notice(figures)
        if epoch:
            course.history.append({})
        ours = f"{1e3 * figures['energy_rmse']:.2f} | {1e3 * figures['force_rmse']:.1f} | {spent:.1f}"
        theirs = "| |" if epoch not in peer else "{:.2f} | {:.1f}".format(*peer[epoch])
        print(f"| {epoch} | {ours} | {theirs} | {seconds.get(epoch, float('nan')):.1f} |", flush=True)


def keywords(file: Path) -> dict[str, str]:
    """First argument of every keyword of input.nn."""
    rows = [line.split("#")[0].split() for line in file.read_text(encoding="utf-8").splitlines()]
    return {row[0]: row[1] for row in rows if len(row) > 1}


def start(folder: Path):
    """The network with the weights that n2p2 began with."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("input.nn", "scaling.data"):
            shutil.copy(folder / name, place)
        for file in folder.glob("weights.*.000000.out"):
            shutil.copy(file, Path(place) / f"weights.{file.name.split('.')[1]}.data")
        return import_n2p2(Path(place))


def learning_curve(folder: Path) -> dict[int, tuple[float, float]]:
    """RMSE on the test set by epoch, meV/atom and meV/Å."""
    found = {}
    for line in (folder / "learning-curve.out").read_text(encoding="utf-8").splitlines():
        row = line.split()
        if row and row[0].isdigit():
            found[int(row[0])] = (1e3 * float(row[2]) * HARTREE, 1e3 * float(row[10]) * HARTREE / BOHR)
    return found


def peer_seconds(folder: Path) -> dict[int, float]:
    """Seconds of each epoch's updates, as n2p2 noted them."""
    found = {}
    for line in (folder / "timing.out").read_text(encoding="utf-8").splitlines():
        row = line.split()
        if row and row[0].isdigit():
            found[int(row[0])] = float(row[1])
    return found


if __name__ == "__main__":
    main()
