"""Lennard-Jones argon near its triple point: structure, diffusion and thermal conductivity by our own checks.

    nice python benchmarks/lj_argon.py [--steps 13000] [--runs 4] [--cells 4]

T* = 0.722, rho* = 0.8442 with sigma = 3.405 Å and epsilon/k = 119.8 K; force-shifted at 2.5 sigma. Independent runs at
constant energy; the same trajectories give g(r), D (Einstein and Green-Kubo) and the thermal conductivity. One thread,
about eight minutes. Printed beside literature; errors are standard errors over runs and axes.
"""

import argparse
import time

import numpy as np
import torch
from ase.build import bulk

from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure
from cambrian.math.transport import Estimate
from cambrian.math.truncation import ForceShifted
from cambrian.units import BOLTZMANN, TIME, WATT_PER_METER_KELVIN
from cambrian.validate.diffusion import Diffusion
from cambrian.validate.fluctuations import Runs, temperature
from cambrian.validate.rdf import distributions
from cambrian.validate.thermal_conductivity import HeatFlux, ThermalConductivity

SIGMA, EPSILON_K, MASS = 3.405, 119.8, 39.948  # Å, K, amu
T_STAR, RHO_STAR = 0.722, 0.8442
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
    given = parser.parse_args()
    torch.set_num_threads(1)
    potential = LennardJones(
        epsilon={"Ar": EPSILON}, sigma={"Ar": SIGMA}, cutoff=2.5 * SIGMA, truncation=ForceShifted()
    )
    crystal = bulk("Ar", cubic=True, a=SIGMA * (4 / RHO_STAR) ** (1 / 3)).repeat(given.cells)
    settings = Runs(T_STAR * EPSILON_K, given.runs, given.steps, 10.0, 4, 15000.0, 0, (1, 1, 1), 0)
    flux = HeatFlux(potential)
    start, cpu = time.perf_counter(), time.process_time()
    runs = settings.of(potential, Dataset([Structure(crystal)]), watch={"flux": flux})
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


def report(name: str, found: Estimate, unit: float, words: str) -> None:
    """One line, in reduced units and in those of argon."""
    print(
        f"{name:45s} {found.value / unit:8.4f} ± {found.error / unit:.4f} reduced"
        f"  {found.value:.4f} ± {found.error:.4f} {words}"
    )


if __name__ == "__main__":
    main()
