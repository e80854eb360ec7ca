"""Does a fitted network stay liquid? Water at constant temperature, then at constant energy, beside its reference data.

    python benchmarks/water_stability.py POTENTIAL [--ps 100] [--temperature 330] [--data ../shared/data/water-deepmd]

64 molecules of water-deepmd/data_2, which the fit did not see: temperature, g(r) of every pair of elements beside that
of all frames of the set, µs/atom/step, then a tenth as long at constant energy: its drift. The frames are of
path-integral dynamics, whose nuclei are spread by quantum fluctuations: O-H and H-H peaks of classical dynamics are
sharper by that, O-O is what can be compared.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from cambrian.contracts.archive import load
from cambrian.data import read
from cambrian.math.time_series import mean_with_error, slope_with_error
from cambrian.sample.ensembles import NVE, NVT
from cambrian.validate.rdf import distributions, first_minimum
from cambrian.validate.trajectory import produce

TIMESTEP = 0.5  # fs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("potential", type=Path)
    parser.add_argument("--ps", type=float, default=100.0)
    parser.add_argument("--temperature", type=float, default=330.0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/water-deepmd"))
    parser.add_argument("--figure", type=Path, default=None)
    arguments = parser.parse_args()
    potential = load(arguments.potential)
    reference = [s.atoms for k in range(3) for s in read(arguments.data / f"data_{k}.extxyz")]
    start, n_steps = reference[-80], round(1000 * arguments.ps / TIMESTEP)
    shared = {"timestep_fs": TIMESTEP, "progress": Progress(arguments.ps)}
    begun = time.process_time()
    warm = produce(
        potential, start, NVT(arguments.temperature), n_steps=n_steps, every=40, equilibration_fs=5000.0, **shared
    )
    seconds = time.process_time() - begun
    if warm.stopped:
        raise SystemExit(f"after {warm.times[-1] / 1000:.1f} ps dynamics {warm.stopped}")
    mean, error = mean_with_error(warm.temperature_K)
    cost = 1e6 * seconds / len(start) / (n_steps + 5000 / TIMESTEP)
    print(f"NVT {arguments.ps:g} ps: temperature {mean:.1f} ± {error:.1f} K, {cost:.0f} µs/atom/step of processor time")
    here, there = distributions(warm.frames()), distributions(reference)
    for name, ours in here.items():
        score = np.abs(ours.g - there[name].g).sum() / there[name].g.sum()
        print(f"g(r) {name}: Σ|Δg|/Σg {score:.3f}")
    for g, whose in ((here["O-O"], "ours"), (there["O-O"], "the data's")):
        print(f"first peak of O-O, {whose}: {g.g.max():.2f} at {g.r[g.g.argmax()]:.2f} Å")
    shells = [d["O-O"].coordination(first_minimum(d["O-O"].r, d["O-O"].g)) for d in (here, there)]
    print(f"oxygens in the first shell: {shells[0]:.2f}, data {shells[1]:.2f}")
    if arguments.figure is not None:
        draw(here["O-O"], there["O-O"], arguments.figure)
    start = next(reversed(list(warm.frames())))
    free = produce(
        potential, start, NVE(arguments.temperature), n_steps=n_steps // 10, every=20, equilibration_fs=1000.0, **shared
    )
    drift, error, _ = slope_with_error(free.times / 1000, free.total_energy / len(start))
    print(f"NVE {arguments.ps / 10:g} ps: drift {1e6 * drift:.2f} ± {1e6 * error:.2f} µeV/atom/ps")


class Progress:
    """A line every twentieth of a run."""

    def __init__(self, ps: float):
        self.ps, self.next = ps, 0.05

    def __call__(self, fraction: float) -> None:
        """Called with the fraction done."""
        if fraction >= self.next:
            print(f"    {fraction:.0%}", flush=True)
            self.next = fraction + 0.05
        if fraction >= 1.0:
            self.next = 0.05


def draw(ours, theirs, place: Path) -> None:
    """Both g(r) of oxygens."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(theirs.r, theirs.g, color="0.6", linewidth=3, label="frames of the data")
    axes.plot(ours.r, ours.g, color="#2b6cb0", label="dynamics of the network")
    axes.set_xlabel("r, Å")
    axes.set_ylabel("g(r) of O-O")
    axes.legend(frameon=False)
    figure.savefig(place, dpi=150)


if __name__ == "__main__":
    main()
