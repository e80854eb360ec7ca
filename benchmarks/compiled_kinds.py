"""Kinds of terms that went through Python once, compiled against torch, and beside LAMMPS where it has them.

Compact symmetry functions, SNAP with a density for each element (`pair_style snap` with `chemflag`), Gaussian kernels.

    python benchmarks/compiled_kinds.py [--steps 10]

One core, processor time in µs per atom for energy and forces of one structure (medians; the ratio is what other work on
the machine disturbs least): torch is `evaluate`, which differentiates; compiled is the deployed file on the same edges,
which is what `pair_style cambrian` does in a step besides LAMMPS's own work; LAMMPS is the processor time of `lmp` for
steps of dynamics with the energy at each, less that of a run of none, for its own pair style and for ours.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data

from cambrian.contracts import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.deploy.compiled import write_compiled
from cambrian.deploy.lammps_stock import deploy
from cambrian.descriptors.acsf import ACSF
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.graph import graph_of
from cambrian.math.bispectrum import symmetrized
from cambrian.math.point_kernels import SquaredExponential
from cambrian.math.symmetry_grids import CenteredIntervals, ShiftedIntervals
from cambrian.math.symmetry_sets import CompactNarrow, CompactRadial, CompactWide
from cambrian.native.deployed import DeployedPotential
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.neural import NeuralRegressor
from cambrian.regressors.sparse_kernel import SparseKernel


def alloy(repeat: int) -> Atoms:
    """B2 of two elements, rattled."""
    atoms = bulk("NiAl", "cesiumchloride", a=2.9, cubic=True).repeat(repeat)
    atoms.rattle(0.08, seed=1)
    return atoms


def water(repeat: int) -> Atoms:
    """One molecule in each cell of 3.1 Å, turned at random: the density of the liquid."""
    rng = np.random.default_rng(0)
    atoms = Atoms(pbc=True, cell=3 * [3.1 * repeat])
    for corner in np.ndindex(repeat, repeat, repeat):
        molecule = Atoms("OHH", [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
        molecule.euler_rotate(*rng.uniform(0, 360, 3))
        molecule.translate(3.1 * np.array(corner) + 1.5)
        atoms += molecule
    return atoms


def ready(potential: DescriptorPotential, atoms: Atoms) -> DescriptorPotential:
    """Set up on the structure, with coefficients at random."""
    potential.setup(Dataset([Structure(atoms)]))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in potential.parameters():
            p.copy_(0.01 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return potential


def cases() -> dict[str, tuple[DescriptorPotential, Atoms]]:
    compact = [
        CompactRadial(ShiftedIntervals(8)),
        CompactNarrow(CenteredIntervals(3), n_angles=4),
        CompactWide(ShiftedIntervals(4), n_angles=4),
    ]
    functions = ACSF(cutoff=6.0, functions=compact)
    found = {"compact functions, networks 30-30, water": (DescriptorPotential(functions, NeuralRegressor()), water(4))}
    for two_j_max in (4, 6, 8):
        descriptor = SO4Bispectrum(cutoff=4.7, two_j_max=two_j_max, chem=True, weights={"Ni": 1.0, "Al": 1.0})
        found[f"SNAP by elements, two_j_max {two_j_max}, NiAl"] = (
            DescriptorPotential(descriptor, LinearRegressor()),
            alloy(5),
        )
    gaussian = SparseKernel(n_points=100, kernel=SquaredExponential(length=5.0))
    found["Gaussian points on SO4Bispectrum, NiAl"] = (
        DescriptorPotential(SO4Bispectrum(cutoff=4.7, two_j_max=6), gaussian),
        alloy(5),
    )
    return {name: (ready(*case), case[1]) for name, case in found.items()}


def processor_time(call, repeats: int) -> float:
    """Median of calls after a first one, s."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def lammps(folder: Path, atoms: Atoms, pair: str, steps: int) -> float:
    """Processor time of a step, s."""
    write_lammps_data(folder / "atoms.data", atoms, specorder=["Al", "Ni"], masses=True, units="metal")
    spent = []
    for n in (0, steps, 0, steps):
        (folder / "run.lammps").write_text(
            "units metal\natom_style atomic\natom_modify map array\nread_data atoms.data\n"
            f"{pair}\nfix nve all nve\nthermo 1\ntimestep 0.0002\nrun {n}\n"
        )
        before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        command = [str(Path(sys.executable).parent / "lmp"), "-in", "run.lammps", "-log", "none", "-nocite"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        spent.append(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before)
    return (spent[1] + spent[3] - spent[0] - spent[2]) / (2 * steps)


def measured(name: str, potential: DescriptorPotential, atoms: Atoms, steps: int) -> str:
    """A line of the table."""
    graph, n, elements = graph_of(atoms, potential.cutoff), len(atoms), potential.elements
    linear = isinstance(potential.regressor, LinearRegressor)
    if linear:  # LAMMPS is right for equal coefficients of equal components alone
        table = potential.regressor.coefficients.detach().reshape(len(elements), -1)
        table[:, 1:] = symmetrized(table[:, 1:], potential.descriptor.two_j_max, len(elements))
    species = torch.searchsorted(elements, graph.numbers).numpy()
    edges = graph.first_edge.numpy(), graph.r_ij.numpy(), graph.neighbor.numpy(), species
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        deployed = DeployedPotential(write_compiled(potential, place / "potential.cambrian"))
        ours, truth = deployed.evaluate(*edges), evaluate(potential, graph)
        assert abs(ours.energies.sum() - float(truth.energy)) < 1e-9 * max(1.0, abs(float(truth.energy)))
        slow = processor_time(lambda: evaluate(potential, graph), 2) / n
        fast = processor_time(lambda: deployed.evaluate(*edges), 7) / n
        line = f"{name}: {n} atoms, {potential.descriptor.n_features} features: torch {1e6 * slow:.0f}, "
        line += f"compiled {1e6 * fast:.1f}, ratio {slow / fast:.0f}"
        if not linear:
            return line
        deploy(potential, place)
        stock = "\n".join(x for x in (place / "in.lammps").read_text().splitlines() if x.startswith("pair"))
        theirs = lammps(place, atoms, stock, steps) / n
        own = lammps(place, atoms, "pair_style cambrian\npair_coeff * * potential.cambrian Al Ni", steps) / n
        return f"{line}; lmp: pair snap {1e6 * theirs:.0f}, pair cambrian {1e6 * own:.1f}, ratio {theirs / own:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    for name, (potential, atoms) in cases().items():
        print(measured(name, potential, atoms, steps), flush=True)


if __name__ == "__main__":
    main()
