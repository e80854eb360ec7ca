"""GAP beside quippy and its `gap_fit` in one run: seconds of the fit, µs/atom of energies and forces, errors of both.

    python benchmarks/gap_speed.py --peer PATH/bin/python [--element Si] [--n-points 300] [--structures 60] [--growth]

The peer is a Python that has `pip install quippy-ase`. Both get the same structures with the same labels and noise, a
two-body kernel (cutoff, 20 points, length 1 Å) and SOAP (n_max, l_max, cutoff, σ, ζ, number of sparse points), farthest
points here, CUR there. They differ in radial functions and in how neighbors fade: here Gaussian orbitals and a
polynomial from half the cutoff on; there its own orbitals and half a cosine over the same range. Processor time of one
thread (set OMP_NUM_THREADS=1), medians; predictions through ASE on a crystal whose atoms move a little every step,
neighbor lists included. --structures 0 takes all of what is trained on; a fifth of the training file is held out.
--growth measures Cambrian alone against neighbors, basis, elements and points.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write

from cambrian import fit, read
from cambrian.calculator import Calculator
from cambrian.data import Dataset, Structure
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.recipes.gap import gap

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "mlearn"
SIGMAS = (0.001, 0.05, 0.05)
STEPS = 5

PREDICT = """
import json, sys, time, numpy as np
from ase.io import read
from quippy.potential import Potential
potential = Potential("", param_filename="gp.xml")
def run(atoms):
    atoms.calc = potential
    return atoms.get_potential_energy(), atoms.get_forces()
found = [run(atoms) for atoms in read("test.xyz", ":")]
energies, forces = [float(e) for e, _ in found], [f.tolist() for _, f in found]
times = []
for atoms in read("steps.xyz", ":"):
    start = time.process_time()
    run(atoms)
    times.append(time.process_time() - start)
json.dump({"energies": energies, "forces": forces, "times": times[1:]}, open("found.json", "w"))
"""


def crystal_steps(element: str) -> list[Atoms]:
    """A rattled crystal, and the same a little further at each step."""
    cubic = {"Si": ("Si", "diamond", 5.43, 3), "Li": ("Li", "bcc", 3.45, 5)}[element]
    atoms = bulk(cubic[0], cubic[1], a=cubic[2], cubic=True).repeat(cubic[3])
    rng, steps = np.random.default_rng(0), []
    atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    for _ in range(STEPS + 1):
        atoms.positions += rng.normal(0, 0.005, atoms.positions.shape)
        steps.append(atoms.copy())
    return steps


def write_labelled(path: Path, data: Dataset) -> None:
    """The keys that `gap_fit` is told; virials are -stress times volume."""
    images = []
    for s in data:
        atoms = Atoms(s.atoms.numbers, s.atoms.positions, cell=s.atoms.cell, pbc=s.atoms.pbc)
        atoms.info["energy_ref"] = float(s.energy)
        atoms.new_array("force_ref", np.array(s.forces))
        if s.stress is not None and np.isfinite(s.stress).all():
            atoms.info["virial_ref"] = -(np.array(s.stress) * atoms.get_volume()).reshape(9)
        images.append(atoms)
    write(path, images, format="extxyz")


def peer(options, train: Dataset, test: Dataset, steps: list[Atoms]) -> dict:
    """Fit and predict with the other program, in a folder that is thrown away."""
    soap = (
        f"soap cutoff={options.cutoff} cutoff_transition_width={options.cutoff / 2} covariance_type=dot_product "
        f"zeta={options.zeta} delta=1.0 atom_sigma=0.5 l_max={options.l_max} n_max={options.n_max} "
        f"n_sparse={options.n_points} sparse_method=cur_points add_species=T"
    )
    pair = (
        f"distance_2b cutoff={options.cutoff} covariance_type=ard_se delta=1.0 theta_uniform=1.0 "
        "sparse_method=uniform n_sparse=20 add_species=T"
    )
    words = [
        "at_file=train.xyz",
        f"gap={{{pair} : {soap}}}",
        "e0_method=average",
        f"default_sigma={{{' '.join(map(str, SIGMAS))} 0.0}}",
        "energy_parameter_name=energy_ref",
        "force_parameter_name=force_ref",
        "virial_parameter_name=virial_ref",
        "sparse_jitter=1e-10",
        "do_copy_at_file=F",
        "gp_file=gp.xml",
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_labelled(Path(folder) / "train.xyz", train)
        write_labelled(Path(folder) / "test.xyz", test)
        write(Path(folder) / "steps.xyz", steps, format="extxyz")
        run = {"cwd": folder, "check": True, "capture_output": True, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([str(Path(options.peer).parent / "gap_fit"), *words], **run)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([options.peer, "-c", PREDICT], **run)
        found = json.loads((Path(folder) / "found.json").read_text())
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"fit": seconds, "memory": after.ru_maxrss / 2**20, **found}


def ours(options, train: Dataset, test: Dataset, steps: list[Atoms]) -> dict:
    """The same here; memory is that of this process."""
    energy, force, virial = SIGMAS
    potential, solver = gap(
        cutoff=options.cutoff,
        n_max=options.n_max,
        l_max=options.l_max,
        zeta=options.zeta,
        n_points=options.n_points,
        few_body=None,
        repulsion=None,
        solver=GaussianProcess(energy_sigma=energy, force_sigma=force, virial_sigma=virial),
    )
    start = time.process_time()
    fitted = fit(potential, train, solver).potential
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    energies, forces = [], []
    for s in test:
        atoms = s.atoms.copy()
        atoms.calc = Calculator(fitted)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return {"fit": seconds, "memory": memory, "energies": energies, "forces": forces, "times": timed(fitted, steps)}


def timed(potential, steps: list[Atoms]) -> list[float]:
    """Processor seconds of every step but the first."""
    calculator, times = Calculator(potential), []
    for atoms in steps:
        atoms.calc = calculator
        start = time.process_time()
        atoms.get_potential_energy(), atoms.get_forces()
        times.append(time.process_time() - start)
    return times[1:]


def report(name: str, found: dict, test: Dataset, n_atoms: int) -> tuple[float, float]:
    sizes = np.array([len(s) for s in test])
    energy = 1e3 * np.abs(np.array(found["energies"]) - [s.energy for s in test]) / sizes
    force = np.concatenate([np.abs(np.array(f) - s.forces).ravel() for f, s in zip(found["forces"], test, strict=True)])
    cost = 1e6 * statistics.median(found["times"]) / n_atoms
    print(
        f"{name:9s} fit {found['fit']:8.1f} s, {found['memory']:5.2f} GiB   {cost:8.1f} µs/atom/step   "
        f"MAE {energy.mean():6.2f} meV/atom {force.mean():7.4f} eV/Å",
        flush=True,
    )
    return found["fit"], cost


def growth() -> None:
    """µs/atom/step of untrained kernels of the same size: cost depends on no label."""
    base = {"cutoff": 5.0, "n_max": 8, "l_max": 6, "n_points": 1000, "kinds": 1}
    for change in (
        {},
        *({"n_points": n} for n in (250, 500, 2000, 4000)),
        *({"cutoff": c} for c in (4.0, 6.0, 7.0)),
        *({"n_max": n} for n in (4, 6, 12)),
        *({"l_max": n} for n in (3, 9)),
        *({"kinds": n} for n in (2, 3)),
    ):
        now = base | change
        names = ("Si", "Ge", "C")[: now["kinds"]]
        rng, images = np.random.default_rng(0), []
        for _ in range(20):
            atoms = bulk("Si", "diamond", a=5.43, cubic=True).repeat(3)
            atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
            atoms.symbols[:] = rng.choice(names, len(atoms))
            images.append(atoms)
        train = Dataset([Structure(a) for a in images])
        size = {name: now[name] for name in ("cutoff", "n_max", "l_max")}
        potential, _ = gap(**size, n_points=now["n_points"], two_body=None, few_body=None, repulsion=None)
        term = next(t for t in potential.terms() if hasattr(t, "descriptor"))
        term.setup(train)
        term.regressor.coefficients.data.fill_(1.0)
        neighbors = (images[0].get_all_distances(mic=True) < now["cutoff"]).sum() / len(images[0]) - 1
        steps = [images[0].copy() for _ in range(STEPS + 1)]
        for atoms in steps:
            atoms.positions += rng.normal(0, 0.005, atoms.positions.shape)
        cost = 1e6 * statistics.median(timed(term, steps)) / len(images[0])
        size = f"{neighbors:.0f} neighbors, {term.descriptor.n_features} features, {len(term.regressor.points)} points"
        print(f"{change or 'default'}: {size}, {cost:.1f} µs", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a Python with quippy-ase")
    parser.add_argument("--element", default="Si", choices=["Si", "Li"])
    parser.add_argument("--structures", type=int, default=60)
    parser.add_argument("--n-points", type=int, default=300)
    parser.add_argument("--n-max", type=int, default=8)
    parser.add_argument("--l-max", type=int, default=6)
    parser.add_argument("--zeta", type=int, default=4)
    parser.add_argument("--cutoff", type=float, default=5.0)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    if options.growth:
        growth()
        return
    whole = read(options.data / f"{options.element}_training.extxyz")
    train, held = whole.split(0.8, seed=1)
    train = train[: options.structures] if options.structures else train
    steps = crystal_steps(options.element)
    print(
        f"{len(train)} structures, {sum(len(s) for s in train)} atoms, {options.n_points} points; {len(steps[0])} atoms"
    )
    mine = report("Cambrian", ours(options, train, held, steps), held, len(steps[0]))
    if options.peer:
        other = report("quippy", peer(options, train, held, steps), held, len(steps[0]))
        print(f"quippy / Cambrian: fit {other[0] / mine[0]:.1f}, prediction {other[1] / mine[1]:.1f}")


if __name__ == "__main__":
    main()
