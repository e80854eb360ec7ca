"""pair_style cambrian in the stock LAMMPS: every family, beside `pair_style snap` and beside the ASE calculator.

    python benchmarks/lammps_plugin.py [--families snap,ace,...] [--atoms 1000,10648] [--ranks 1,2] [--steps 10]

Silicon at 300 K with coefficients at random (the time step is tiny: nothing moves), neighbor lists built every ten
steps as in a hot liquid. µs: core time per atom and step, LAMMPS's loop by the clock times its ranks; cpu: by the
processor, which other programs on the machine disturb less. `1 x 2`: two runs of one rank at once, which says what
the machine's cores take from each other before any rank waits for one. Neigh and Comm are LAMMPS's shares; B/atom is
what the largest resident memory grows by. The ASE line is `predictor` with the list reused.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
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


def in_lammps(lines, n_atoms, ranks, steps, copies=1):
    """µs and processor µs per atom and step, shares of lists and messages, resident MB of a rank; means over copies."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "in.test").write_text(
            INPUT.format(a=LATTICE, sides=sides_of(n_atoms), skin=SKIN, lines=lines.name, steps=steps)
        )
        launch = [str(BINARIES / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
        for file in lines.parent.iterdir():
            (Path(place) / file.name).symlink_to(file)
        running = [
            subprocess.Popen(
                [*launch, str(BINARIES / "lmp"), "-in", "in.test", "-log", "none", "-nocite"],
                cwd=place,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(copies)
        ]
        return np.mean([figures(process.communicate()[0]) for process in running], axis=0)


def figures(said):
    """What LAMMPS tells of its last run."""
    loop, procs, done, atoms = re.findall(r"Loop time of (\S+) on (\d+) procs for (\d+) steps with (\d+)", said)[-1]
    busy = float(re.findall(r"([\d.]+)% CPU use", said)[-1]) / 100
    each = 1e6 * float(loop) * int(procs) / int(done) / int(atoms)
    shares = [float(re.findall(rf"^{name} .*\| *([\d.]+)$", said, re.M)[-1]) for name in ("Neigh", "Comm")]
    resident = float(re.findall(r"Maximum resident set size: ([\d.]+) Mbyte", said)[-1])
    return int(atoms), each, each * busy, *shares, resident


def in_ase(potential, n_atoms):
    """Processor µs per atom of forces, the neighbor list reused."""
    atoms = crystal(sides_of(n_atoms))
    near, predict = NeighborList(potential.cutoff, skin=SKIN), predictor(potential)
    predict(near.graph(atoms))
    spent = []
    for _ in range(3):
        before = time.process_time()
        predict(near.graph(atoms))
        spent.append(time.process_time() - before)
    return 1e6 * min(spent) / len(atoms)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--atoms", default="1000,10648")
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    sizes, ranks = ([int(n) for n in words.split(",")] for words in (options.atoms, options.ranks))
    together = [*((r, 1) for r in ranks), *((1, r) for r in ranks[1:])]  # ranks of a run, runs at once
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    heads = f"{'µs':>8s} {'cpu µs':>8s} {'Neigh':>6s} {'Comm':>6s} B/atom"
    print(f"{'family':10s} {'where':10s} {'atoms':>8s} {'ranks':>7s} {heads}")
    for family in options.families.split(","):
        torch.set_num_threads(1)
        potential = potential_of(family)
        with tempfile.TemporaryDirectory() as folder:
            ways = {"cambrian": lammps.deploy(potential, Path(folder, "ours"))[-1]}
            if ways["cambrian"].name != "in.lammps":
                print(f"{family:10s} has no compiled form here")
                continue
            if family == "snap":
                ways["pair snap"] = lammps_stock.deploy(potential, Path(folder, "stock"))[-1]
            for way, lines in ways.items():
                few = in_lammps(lines, 8, 1, 1)[-1]
                steps = options.steps if way == "cambrian" else max(2, options.steps // 5)
                for n, (r, copies) in itertools.product(sizes, together):
                    atoms, each, busy, lists, messages, resident = in_lammps(lines, n, r, steps, copies)
                    memory = f"{1e6 * (resident - few) * r / atoms:6.0f}"
                    print(
                        f"{family:10s} {way:10s} {int(atoms):8d} {r:3d} x {copies} {each:8.2f} {busy:8.2f} "
                        f"{lists:5.1f}% {messages:5.1f}% {memory}",
                        flush=True,
                    )
        print(f"{family:10s} {'ASE':10s} {sizes[0]:8d} {'':7s} {'':8s} {in_ase(potential, sizes[0]):8.2f}", flush=True)


if __name__ == "__main__":
    main()
