"""Density without pressure: pair_style cambrian in stock LAMMPS beside ASE's own dynamics with our calculator.

    python benchmarks/lammps_npt.py silicon POTENTIAL [--kelvin 300] [--ps 30] [--relax 3] [--no-ase] [-o FOLDER]
    python benchmarks/lammps_npt.py water POTENTIAL [--kelvin 300] [--ps 100] [--relax 40] [-o FOLDER]

LAMMPS: `fix npt`, ASE: `IsotropicMTKNPT`, both with thermostats of 0.1 ps and barostats of 1 ps, from what LAMMPS has
after the time of `--relax`, each with velocities of its own; of what follows, a tenth is thrown away. Errors of means
are those of correlated series. Silicon: 216 atoms, 2 fs. Water: 64 molecules of
../shared/data/water-deepmd, 1.5 fs, hydrogen with the mass 4: masses change no average over positions in classical
mechanics; the density is printed for true masses.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.io import read
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.velocitydistribution import Stationary, thermalize_momenta
from stock_lammps import data_file, deployed, ran, table

from cambrian.calculator import Calculator
from cambrian.contracts.archive import load
from cambrian.contracts.potential import Potential
from cambrian.elements import symbols
from cambrian.math.time_series import mean_with_error
from cambrian.math.transport import Estimate

GRAM_PER_CM3 = 1.66053906660  # amu/Å³
HYDROGEN = 4.0  # amu
EVERY = 10
STEP_FS = {"silicon": 2.0, "water": 1.5}
INPUT = """units metal
atom_style atomic
read_data {data}
include {lines}
{masses}
neighbor 1.0 bin
timestep {dt}
velocity all create {kelvin} 1 mom yes rot yes dist gaussian
fix move all npt temp {kelvin} {kelvin} 0.1 iso 0 0 1.0
thermo 1000
thermo_style custom step temp pe press vol density
run {relax}
write_data relaxed.data
velocity all create {kelvin} 2 mom yes rot yes dist gaussian
variable volume equal vol
fix out all ave/time {every} 1 {every} v_volume c_thermo_temp file volume.txt format " %.10g"
run {steps}
"""


def start_of(system: str, data: Path) -> Atoms:
    """216 atoms of silicon, or 64 molecules of water."""
    if system == "silicon":
        return bulk("Si", "diamond", a=5.47, cubic=True).repeat(3)
    return read(data / "water-deepmd" / "data_0.extxyz", index=0)


def masses_of(atoms: Atoms) -> np.ndarray:
    """Masses for the dynamics, amu."""
    return np.where(atoms.numbers == 1, HYDROGEN, atoms.get_masses())


def in_lammps(
    potential: Potential, atoms: Atoms, place: Path, kelvin: float, fs: float, relax: int, steps: int
) -> Path:
    """Run it; the folder holds volume.txt and relaxed.data."""
    elements = symbols(potential.elements)
    heavy = [f"mass {k + 1} {HYDROGEN}" for k, name in enumerate(elements) if name == "H"]
    return ran(
        place / f"lammps-{kelvin:g}K",
        INPUT.format(
            data=data_file(potential, atoms, place / "start.data"),
            lines=deployed(potential, place),
            masses="\n".join(heavy),
            dt=fs / 1000,
            kelvin=kelvin,
            every=EVERY,
            relax=relax,
            steps=steps,
        ),
    )


def in_ase(potential: Potential, atoms: Atoms, file: Path, kelvin: float, fs: float, steps: int) -> np.ndarray:
    """Steps, volumes and temperatures; kept in `file`, and read from there if it is whole."""
    if file.exists() and len(rows := np.loadtxt(file)) == steps // EVERY:
        return rows
    atoms.set_masses(masses_of(atoms))
    atoms.calc = Calculator(potential)
    thermalize_momenta(atoms, kelvin, rng=np.random.default_rng(1))
    Stationary(atoms)
    rows, begun = [], time.process_time()
    dynamics = IsotropicMTKNPT(
        atoms, fs * units.fs, temperature_K=kelvin, pressure_au=0.0, tdamp=100 * units.fs, pdamp=1000 * units.fs
    )
    dynamics.attach(lambda: rows.append((dynamics.nsteps, atoms.get_volume(), atoms.get_temperature())), interval=EVERY)
    dynamics.run(steps)
    print(f"    ASE: {time.process_time() - begun:.0f} s of processor", flush=True)
    rows = np.array([row for row in rows if row[0] > 0])
    np.savetxt(file, rows)
    return rows


def report(name: str, rows: np.ndarray, atoms: Atoms, fs: float) -> Estimate:
    """Mean density and temperature with their errors."""
    rows = rows[len(rows) // 10 :]
    mass = Atoms(atoms.symbols).get_masses().sum()
    density = Estimate(*mean_with_error(GRAM_PER_CM3 * mass / rows[:, 1]))
    kelvin, noise = mean_with_error(rows[:, 2])
    edge = mean_with_error(rows[:, 1] ** (1 / 3))
    print(
        f"{name}: {density.value:.5f} ± {density.error:.5f} g/cm³, edge {edge[0]:.4f} ± {edge[1]:.4f} Å, "
        f"{kelvin:.1f} ± {noise:.1f} K, {len(rows) * EVERY * fs / 1000:.0f} ps",
        flush=True,
    )
    return density


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=STEP_FS)
    parser.add_argument("potential", type=Path)
    parser.add_argument("--kelvin", type=float, default=300.0)
    parser.add_argument("--ps", type=float, default=None)
    parser.add_argument("--relax", type=float, default=None, metavar="PS")
    parser.add_argument("--no-ase", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--out", type=Path, default=Path("lammps-npt"))
    given = parser.parse_args()
    relax, ps = {"silicon": (3.0, 30.0), "water": (40.0, 100.0)}[given.system]
    relax, ps = given.relax or relax, given.ps or ps
    potential, atoms, fs = load(given.potential), start_of(given.system, given.data), STEP_FS[given.system]
    place, steps = given.out / given.system, EVERY * round(1000 * ps / fs / EVERY)
    folder = in_lammps(potential, atoms, place, given.kelvin, fs, round(1000 * relax / fs), steps)
    first = report("LAMMPS", table(folder / "volume.txt")[1:], atoms, fs)
    if given.no_ase:
        return
    last = read(folder / "relaxed.data", format="lammps-data", units="metal", atom_style="atomic")
    atoms.set_cell(last.cell)
    atoms.positions = last.positions
    rows = in_ase(potential, atoms, place / f"ase-{given.kelvin:g}K.txt", given.kelvin, fs, steps)
    second = report("ASE", rows, atoms, fs)
    print(f"apart by {first.apart(second):.1f} combined errors")


if __name__ == "__main__":
    main()
