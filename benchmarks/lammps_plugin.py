"""pair_style cambrian in the stock LAMMPS: every family, beside `pair_style snap` and beside the ASE calculator.

    python benchmarks/lammps_plugin.py [--families snap,ace,...] [--atoms 1000,10648] [--steps 10] [--repeats 3]

Silicon at 300 K with coefficients at random (the time step is tiny: nothing moves), neighbor lists built every ten
steps as in a hot liquid. `2 ranks` and `2 threads` are of one run; `2 runs` of one rank each go at once, which says
what the machine's cores take from each other before any rank waits for one. µs: core time per atom and step, LAMMPS's
loop by the clock times its cores; cpu: by the processor, which other programs on the machine disturb less. Medians of
the repeats, which take turns with the ways. Neigh and Comm are LAMMPS's shares; B/atom is what the largest resident
memory grows by. The ASE line is `predictor` with the list reused.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk

from cambrian import Dataset, Structure
from cambrian.configuration.recipe import recipes
from cambrian.contracts.engine import predictor
from cambrian.deploy import lammps, lammps_stock
from cambrian.graph import NeighborList

LATTICE, SKIN = 5.469, 1.0
BINARIES = Path(sys.executable).parent
FAMILIES = {
    "snap": ("snap", {}),
    "qsnap": ("qsnap", {}),
    "snap_nn": ("snap_nn", {}),
    "ace": ("ace", {}),
    "mtp": ("mtp", {}),
    "gap": ("gap", {"n_points": 1000, "few_body": None}),
    "hdnnp": ("hdnnp", {}),
    "ani": ("ani", {}),
}
INPUT = """units metal
atom_style atomic
lattice diamond {a}
region box block 0 {sides[0]} 0 {sides[1]} 0 {sides[2]}
create_box 1 box
create_atoms 1 box
mass 1 28.0855
displace_atoms all random 0.05 0.05 0.05 1
velocity all create 300 1
include {lines}
neighbor {skin} bin
neigh_modify every 10 delay 0 check no
fix nve all nve
timestep 1e-9
thermo 100000
run 0 post no
run {steps}
info memory
"""


def crystal(sides):
    atoms = bulk("Si", "diamond", a=LATTICE, cubic=True).repeat(sides)
    atoms.rattle(0.05, seed=1)
    return atoms


def potential_of(family):
    """Set up on shaken crystals, linear coefficients and networks as they come or at random."""
    recipe, settings = FAMILIES[family]
    potential, _ = recipes()[recipe](**settings)
    frames = [crystal((3, 3, 3)) for _ in range(6)]
    for k, atoms in enumerate(frames):
        atoms.rattle(0.1 + 0.05 * k, seed=k)
    potential.setup(Dataset([Structure(a, energy=-4.0 * len(a), forces=np.zeros((len(a), 3))) for a in frames]))
    generator = torch.Generator().manual_seed(0)
    for term in potential.terms():
        view = term.linear()
        if view is not None and len(view.coefficients):
            view.coefficients = 1e-4 * torch.randn(len(view.coefficients), generator=generator, dtype=torch.float64)
    return potential.eval()


def sides_of(n_atoms):
    """Cells along x, y and z that hold about so many atoms, longest along x."""
    n = max(1, round((n_atoms / 8) ** (1 / 3)))
    return max(1, round(n_atoms / 8 / n / n)), n, n


@dataclass(frozen=True)
class Way:
    """How two cores are used: by ranks of a run, threads of a rank, or runs."""

    ranks: int = 1
    threads: int = 1
    runs: int = 1


WAYS = {"1 rank": Way(), "2 ranks": Way(ranks=2), "2 threads": Way(threads=2), "2 runs": Way(runs=2)}


def in_lammps(lines, n_atoms, steps, way):
    """Atoms, µs and processor µs per atom and step, shares of lists and messages, resident MB; means over the runs."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "in.test").write_text(
            INPUT.format(a=LATTICE, sides=sides_of(n_atoms), skin=SKIN, lines=lines.name, steps=steps)
        )
        launch = [str(BINARIES / "mpiexec"), "-n", str(way.ranks)] if way.ranks > 1 else []
        for file in lines.parent.iterdir():
            (Path(place) / file.name).symlink_to(file)
        running = [
            subprocess.Popen(
                [*launch, str(BINARIES / "lmp"), "-in", "in.test", "-log", "none", "-nocite"],
                cwd=place,
                env=os.environ | {"OMP_NUM_THREADS": str(way.threads)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(way.runs)
        ]
        return np.mean([figures(process.communicate()[0], way) for process in running], axis=0)


def figures(said, way):
    """What LAMMPS tells of its last run."""
    loop, done, atoms = re.findall(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+)", said)[-1]
    busy = float(re.findall(r"([\d.]+)% CPU use", said)[-1]) / 100 / way.threads
    each = 1e6 * float(loop) * way.ranks * way.threads / int(done) / int(atoms)
    shares = [float(re.findall(rf"^{name} .*\| *([\d.]+)$", said, re.M)[-1]) for name in ("Neigh", "Comm")]
    resident = float(re.findall(r"Maximum resident set size: ([\d.]+) Mbyte", said)[-1])
    return int(atoms), each, each * busy, *shares, resident * way.ranks


def in_ase(potential, n_atoms, steps):
    """Processor µs per atom of forces, the neighbor list reused; the mean over the steps."""
    atoms = crystal(sides_of(n_atoms))
    near, predict = NeighborList(potential.cutoff, skin=SKIN), predictor(potential)
    predict(near.graph(atoms))
    before = time.process_time()
    for _ in range(steps):
        predict(near.graph(atoms))
    return 1e6 * (time.process_time() - before) / steps / len(atoms)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--atoms", default="1000,10648")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    sizes, asked = [int(n) for n in options.atoms.split(",")], options.ways.split(",")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    heads = f"{'µs':>8s} {'cpu µs':>8s} {'Neigh':>6s} {'Comm':>6s} B/atom"
    print(f"{'family':10s} {'where':10s} {'atoms':>8s} {'way':>10s} {heads}")
    for family in options.families.split(","):
        torch.set_num_threads(1)
        potential = potential_of(family)
        with tempfile.TemporaryDirectory() as folder:
            styles = {"cambrian": lammps.deploy(potential, Path(folder, "ours"))[-1]}
            if styles["cambrian"].name != "in.lammps":
                print(f"{family:10s} has no compiled form here")
                continue
            if family == "snap":
                styles["pair snap"] = lammps_stock.deploy(potential, Path(folder, "stock"))[-1]
            for style, lines in styles.items():
                few = in_lammps(lines, 8, 1, WAYS["1 rank"])[-1]
                ways = [name for name in asked if style == "cambrian" or WAYS[name].threads == 1]
                steps = options.steps if style == "cambrian" else max(2, options.steps // 5)
                for n in sizes:
                    rounds = [[in_lammps(lines, n, steps, WAYS[w]) for w in ways] for _ in range(options.repeats)]
                    for name, row in zip(ways, np.median(rounds, axis=0), strict=True):
                        atoms, each, busy, lists, messages, resident = row
                        memory = 1e6 * (resident - few * WAYS[name].ranks) / atoms
                        print(
                            f"{family:10s} {style:10s} {int(atoms):8d} {name:>10s} {each:8.2f} {busy:8.2f} "
                            f"{lists:5.1f}% {messages:5.1f}% {memory:6.0f}",
                            flush=True,
                        )
        spent = in_ase(potential, sizes[0], options.steps)
        print(f"{family:10s} {'ASE':10s} {sizes[0]:8d} {'':10s} {'':8s} {spent:8.2f}", flush=True)


if __name__ == "__main__":
    main()
