"""Is energy conserved over a nanosecond? A million steps of 64 silicon atoms in stock LAMMPS by pair_style cambrian.

    python benchmarks/lammps_nve.py POTENTIAL [--kelvin 1000] [--segments 10] [-o FOLDER]

The drift is the slope through the total energies of twenty blocks, with the error that their scatter gives: within a
block the energy wanders slowly, which errors of single values underrate. Beside it 100 ps at 2 fs from the same start:
what fluctuates goes with the time step squared (velocity Verlet). Segments of 100 ps, each going on from what the one
before wrote; what has finished is not run again.
"""

import argparse
from pathlib import Path

import numpy as np
from ase.build import bulk
from stock_lammps import data_file, deployed, ran, table

from cambrian.contracts.archive import load
from cambrian.math.time_series import slope_with_error
from cambrian.math.transport import blocks

LATTICE, SEGMENT_PS, ROWS_PS, BLOCKS = 5.46, 100, 0.05, 20
HEAD = """units metal
atom_style atomic
read_data {data}
include {lines}
neighbor 1.0 bin
timestep {dt}
"""
WARM = """velocity all create {twice} 1 mom yes rot yes dist gaussian
fix move all nvt temp {kelvin} {kelvin} 0.1
run 10000
velocity all zero linear
write_data end.data
"""
FREE = """fix move all nve
compute kinetic all ke
fix out all ave/time {every} 1 {every} c_thermo_pe c_kinetic c_thermo_temp file energy.txt format " %.15g"
thermo 10000
run {steps}
write_data end.data
"""


def energies(folder: Path, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Total energy by atom, eV, and temperature, K; the row of the first step belongs to the segment before."""
    rows = table(folder / "energy.txt")[1:]
    return (rows[:, 1] + rows[:, 2]) / n_atoms, rows[:, 3]


def free(place: Path, lines: Path, start: Path, fs: float) -> Path:
    """100 ps at constant energy."""
    every, steps = round(1000 * ROWS_PS / fs), round(1000 * SEGMENT_PS / fs)
    text = HEAD.format(data=start.resolve(), lines=lines, dt=fs / 1000) + FREE.format(every=every, steps=steps)
    return ran(place, text)


def report(fs: float, energy: np.ndarray, kelvin: np.ndarray) -> None:
    """Slope of the means of blocks, its error, how far the means lie apart, and the fluctuation of single values."""
    means = np.array([block.mean() for block in blocks(energy, BLOCKS)])
    length = ROWS_PS * len(energy) / BLOCKS
    slope, error, _ = slope_with_error(length * np.arange(BLOCKS), means)
    print(
        f"{fs:g} fs, {BLOCKS * length:.0f} ps, {kelvin.mean():.0f} K: drift {1e6 * slope:.4f} ± {1e6 * error:.4f} "
        f"µeV/atom/ps; means of {length:g} ps vary by {1e6 * means.std(ddof=1):.2f} µeV/atom, "
        f"single values by {1e6 * energy.std():.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("potential", type=Path)
    parser.add_argument("--kelvin", type=float, default=1000.0)
    parser.add_argument("--segments", type=int, default=10)
    parser.add_argument("-o", "--out", type=Path, default=Path("lammps-nve"))
    given = parser.parse_args()
    potential = load(given.potential)
    lines = deployed(potential, given.out)
    atoms = bulk("Si", "diamond", a=LATTICE, cubic=True).repeat(2)
    head = HEAD.format(data=data_file(potential, atoms, given.out / "start.data"), lines=lines, dt=0.001)
    warm = ran(given.out / "warm", head + WARM.format(kelvin=given.kelvin, twice=2 * given.kelvin)) / "end.data"
    report(2.0, *energies(free(given.out / "2fs", lines, warm, 2.0), len(atoms)))
    start, found = warm, []
    for k in range(given.segments):
        folder = free(given.out / f"1fs-{k}", lines, start, 1.0)
        start = folder / "end.data"
        found.append(energies(folder, len(atoms)))
        if k in (0, given.segments - 1):
            report(1.0, *(np.concatenate(parts) for parts in zip(*found, strict=True)))


if __name__ == "__main__":
    main()
