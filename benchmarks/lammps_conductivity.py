"""Thermal conductivity by Green and Kubo in stock LAMMPS: argon beside LAMMPS's own pairs, and silicon.

    python benchmarks/lammps_conductivity.py argon [--pair ours] [--runs 5] [-o FOLDER]
    python benchmarks/lammps_conductivity.py silicon [POTENTIAL] --lattice 5.48 [--runs 5] [-o FOLDER]

    k = V / (k_B T²) ∫ <J(0) J(t)> dt

by axis, J the heat flux by volume. Independent runs at constant energy, each after an equilibration of its own with
velocities of its own; value and error are mean and standard error over runs and axes, read and integrated by
cambrian.math.transport: the mean of the running integral over 20 to 80 % of the window. Argon: the solid of
examples/lammps at 70 K, 108 atoms, 400 ps a run, by ours and by `pair_style lj/smooth/linear`. Silicon: 216 atoms at
1000 K, 125 ps a run at 2 fs, by ours or, without POTENTIAL, by LAMMPS's own `pair_style sw`. J comes from the per-atom
virials with nine components (`centroid/stress/atom`); `symmetric` is what the six of `stress/atom` give on the same
trajectories, which is all that `pair_style sw` has. What has finished is not run again.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from stock_lammps import STILLINGER_WEBER, deployed, ran, table

from cambrian import Dataset, LennardJones, Structure
from cambrian.math.transport import Coefficient, Estimate, heat_conduction
from cambrian.units import BOLTZMANN, WATT_PER_METER_KELVIN

EPSILON, SIGMA, CUTOFF = 0.01032, 3.405, 8.5
THEIRS = f"pair_style lj/smooth/linear {CUTOFF}\npair_coeff * * {EPSILON} {SIGMA}"
INPUT = """units metal
lattice {lattice} orient x 1 0 0 orient y 0 1 0 orient z 0 0 1
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 {mass}
{pair}
timestep {dt}
neighbor 1.0 bin
velocity all create {twice} {seed} mom yes rot yes dist gaussian
fix warm all nvt temp {kelvin} {kelvin} 0.5
run {warm}
unfix warm
velocity all scale {kelvin}
fix move all nve
compute ke all ke/atom
compute pe all pe/atom
compute nine all {stress} NULL virial
compute six all stress/atom NULL virial
compute right all heat/flux ke pe nine
compute symmetric all heat/flux ke pe six
reset_timestep 0
fix out all ave/time {every} 1 {every} c_right[1] c_right[2] c_right[3] c_symmetric[1] c_symmetric[2] c_symmetric[3] &
  c_thermo_temp file flux.txt format " %.10g"
thermo 10000
thermo_style custom step temp etotal press
run {steps}
"""


@dataclass(frozen=True)
class Solid:
    """What is run: `lattice` is LAMMPS's style and constant, times in ps, `window` that of the integral."""

    lattice: tuple[str, float]
    cells: int
    mass: float
    kelvin: float
    step: float
    every: int
    warm: float
    length: float
    window: float

    @property
    def volume(self) -> float:
        """Å³."""
        return (self.lattice[1] * self.cells) ** 3

    def text(self, pair: str, seed: int) -> str:
        """The input of one run."""
        return INPUT.format(
            lattice="{} {}".format(*self.lattice),
            cells=self.cells,
            mass=self.mass,
            pair=pair,
            stress="stress/atom" if "style sw" in pair else "centroid/stress/atom",
            dt=self.step,
            kelvin=self.kelvin,
            twice=2 * self.kelvin,
            seed=seed,
            warm=round(self.warm / self.step),
            every=self.every,
            steps=round(self.length / self.step),
        )

    def conductivity(self, fluxes: list[np.ndarray], kelvin: float, window: float) -> Coefficient:
        """W/(m K), from the flux times volume (times, 3) of each run in eV Å/ps."""
        interval = self.step * self.every
        unit = 1 / (self.volume * BOLTZMANN * kelvin**2 * WATT_PER_METER_KELVIN * 1e3)
        columns = [flux[:, None, :] for flux in fluxes]
        return heat_conduction(columns, interval, round(window / interval) + 1).times(unit)


ARGON = Solid(("fcc", 5.376), 3, 39.948, 70.0, 0.004, 10, 32.0, 400.0, 16.0)


def silicon(lattice: float) -> Solid:
    """216 atoms at 1000 K."""
    return Solid(("diamond", lattice), 3, 28.0855, 1000.0, 0.002, 5, 10.0, 125.0, 30.0)


def argon_pair(pair: str, place: Path) -> str:
    """Lines of the pair style, ours or LAMMPS's own."""
    if pair == "theirs":
        return THEIRS
    potential = LennardJones(epsilon=EPSILON, sigma=SIGMA, cutoff=CUTOFF)
    potential.setup(Dataset([Structure(Atoms("Ar"), energy=0.0)]))
    return f"include {deployed(potential, place)}"


def silicon_pair(potential: Path | None, place: Path) -> str:
    """Lines of the pair style: ours, or Stillinger-Weber by LAMMPS where no potential is given."""
    if potential is not None:
        return f"include {deployed(potential, place)}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "Si.sw").write_text(STILLINGER_WEBER)
    return f"pair_style sw\npair_coeff * * {(place / 'Si.sw').resolve()} Si"


def report(name: str, found: Coefficient) -> None:
    """A line with the value, and what the later half of the lags that are read says more than the earlier."""
    print(
        f"    {name}: {found.estimate.value:.4f} ± {found.estimate.error:.4f} W/(m K), "
        f"later minus earlier half of its window {found.drift.value:.4f} ± {found.drift.error:.4f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=("argon", "silicon"))
    parser.add_argument("potential", type=Path, nargs="?")
    parser.add_argument("--pair", choices=("ours", "theirs"), default="ours")
    parser.add_argument("--lattice", type=float, default=5.50)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, default=Path("lammps-conductivity"))
    given = parser.parse_args()
    if given.system == "argon":
        solid, place = ARGON, given.out / f"argon-{given.pair}"
        pair = argon_pair(given.pair, place)
    else:
        solid, place = silicon(given.lattice), given.out / (given.potential.parent.name if given.potential else "sw")
        pair = silicon_pair(given.potential, place)
    rows = [table(ran(place / f"run-{k}", solid.text(pair, 102486 + k)) / "flux.txt") for k in range(given.runs)]
    kelvin = float(np.mean([r[:, 7].mean() for r in rows]))
    print(f"{place.name}: {len(rows)} runs of {solid.length:g} ps, {kelvin:.1f} K")
    right, symmetric = [[r[:, a : a + 3] for r in rows] for a in (1, 4)]
    for window in (0.5 * solid.window, solid.window, 1.5 * solid.window):
        report(f"window {window:g} ps", solid.conductivity(right, kelvin, window))
    by_nine, by_six = (solid.conductivity(flux, kelvin, solid.window) for flux in (right, symmetric))
    report(f"symmetric, window {solid.window:g} ps", by_six)
    apart = Estimate.of(by_nine.samples - by_six.samples)
    print(f"    right minus symmetric {apart.value:.4f} ± {apart.error:.4f} W/(m K)")


if __name__ == "__main__":
    main()
