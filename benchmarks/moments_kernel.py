"""Polynomials of neighbor moments: cluster expansions and moment tensors, compiled loops beside the same in torch.

    python benchmarks/moments_kernel.py [--repeats 7] [--only cost|growth|threads]

Copper (fcc, rattled) for cluster expansions, silicon (diamond, rattled) for moment tensors, random coefficients. µs per
atom for energies with dE/dr_ij of given edges, and for fitting rows (all features and their derivatives). On one thread
the processor's time is measured, not the clock's, so that a busy machine counts less. Medians.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk

from cambrian.contracts.moment_route import MomentRoute
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.descriptors.moment_tensors import MomentTensors
from cambrian.graph import Graph, graph_of
from cambrian.native import library

torch.set_num_threads(1)


def crystal(symbol: str, repeat: int, others: tuple[str, ...] = ()) -> Atoms:
    """A rattled supercell; with `others`, elements in turn at random places."""
    atoms = bulk(symbol, cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(0.05, seed=0)
    if others:
        kinds = [symbol, *others]
        atoms.symbols = [kinds[k] for k in np.random.default_rng(1).integers(0, len(kinds), len(atoms))]
    return atoms


def polynomial_of(descriptor, atoms: Atoms):
    """The arrays of a descriptor that knows the elements of the structure."""
    descriptor.elements = torch.tensor(sorted(set(atoms.numbers.tolist())))
    if isinstance(descriptor, MomentTensors):
        descriptor._begin()
        return descriptor.moment_polynomial()
    return descriptor.polynomial()


def median_time(call, repeats: int, clock=time.process_time) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)


def in_torch(polynomial, graph: Graph, coefficients: torch.Tensor):
    """Energies and dE/dr_ij by autograd."""
    r_ij = graph.r_ij.clone().requires_grad_()
    leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
    energies = polynomial.energies(leaves, coefficients)
    return energies.detach(), torch.autograd.grad(energies.sum(), r_ij)[0]


def measured(label: str, descriptor, atoms: Atoms, repeats: int, *, truth: bool = True, rows: bool = True) -> None:
    """One line of the table."""
    polynomial, graph = polynomial_of(descriptor, atoms), graph_of(atoms, descriptor.cutoff)
    route, n_atoms = MomentRoute.of(polynomial), len(atoms)
    coefficients = torch.from_numpy(
        np.random.default_rng(1).normal(size=(len(polynomial.elements), polynomial.n_features))
    )
    species = polynomial.species(graph)
    step = median_time(lambda: route.energies_and_pull(graph, coefficients, species), repeats)
    cells = [label, f"{graph.n_edges / n_atoms:.0f}", str(polynomial.n_features), str(len(polynomial.moments))]
    cells += [str(len(polynomial.terms)), f"{1e6 * step / n_atoms:.1f}"]
    if rows:
        unit = bulk(atoms.symbols[0], cubic=True) * (2, 2, 2)
        unit.rattle(0.05, seed=0)
        few = graph_of(unit, descriptor.cutoff)
        cells.append(f"{1e6 * median_time(lambda: route.jacobian(few), 3) / len(unit):.0f}")
    if truth:
        seconds = median_time(lambda: in_torch(polynomial, graph, coefficients), 1)
        energies, pull = route.energies_and_pull(graph, coefficients, species)
        exact, exact_pull = in_torch(polynomial, graph, coefficients)
        errors = [float((a - b).abs().max() / b.abs().max()) for a, b in ((energies, exact), (pull, exact_pull))]
        cells += [f"{1e6 * seconds / n_atoms:.0f}", f"{errors[0]:.0e}, {errors[1]:.0e}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def cost(repeats: int) -> None:
    """Usual sizes."""
    copper, silicon = crystal("Cu", 3), crystal("Si", 2)
    for n_max, l_max, cutoff in [
        ([15, 6, 4, 3], [0, 4, 3, 2], 5.5),
        ([15, 6, 4, 3], [0, 4, 3, 2], 7.5),
        ([15, 6, 4, 3, 2], [0, 4, 3, 2, 1], 7.5),
    ]:
        ace = AtomicClusterExpansion(cutoff=cutoff, n_max=n_max, l_max=l_max)
        measured(f"ACE {n_max} {l_max}, {cutoff} Å", ace, copper, repeats)
    for level in (12, 16, 20):
        measured(f"MTP level {level}, 5 Å", MomentTensors(cutoff=5.0, level=level, closest=2.0), silicon, repeats)


def growth(repeats: int) -> None:
    """With neighbors, basis and species."""
    copper = crystal("Cu", 3)
    small = {"truth": False, "rows": False}
    for cutoff in (4.0, 5.0, 6.0, 7.0, 8.0):
        measured(f"ACE [15, 6, 4], {cutoff} Å", ace_of(cutoff, 4), copper, repeats, **small)
    for l_max in (2, 4, 6):
        measured(f"ACE [15, 6, 4], l_max {l_max}", ace_of(5.0, l_max), copper, repeats, **small)
    for others in ((), ("Ni",), ("Ni", "Al")):
        atoms = crystal("Cu", 3, others)
        measured(f"ACE [8, 4, 2], {1 + len(others)} species", ace_of(5.0, 3, [8, 4, 2]), atoms, repeats, **small)
        mtp = MomentTensors(cutoff=5.0, level=16, closest=1.9)
        measured(f"MTP level 16, {1 + len(others)} species", mtp, atoms, repeats, **small)


def ace_of(cutoff: float, l_max: int, n_max: list[int] = [15, 6, 4]) -> AtomicClusterExpansion:  # noqa: B006
    return AtomicClusterExpansion(cutoff=cutoff, n_max=n_max, l_max=[0, l_max, max(l_max - 1, 0)])


def threads(repeats: int) -> None:
    """One and two threads, by the clock."""
    copper = crystal("Cu", 5)
    ace = AtomicClusterExpansion(cutoff=5.5)
    polynomial, graph = polynomial_of(ace, copper), graph_of(copper, 5.5)
    route, species = MomentRoute.of(polynomial), polynomial.species(graph)
    coefficients = torch.ones(1, polynomial.n_features, dtype=torch.float64)
    for n in (1, 2):
        library.set_threads(n)
        call = median_time(
            lambda: route.energies_and_pull(graph, coefficients, species), repeats, clock=time.perf_counter
        )
        print(f"{n} threads: {1e6 * call / len(copper):.1f} µs/atom", flush=True)
    library.set_threads(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=["cost", "growth", "threads"])
    options = parser.parse_args()
    parts = {"cost": cost, "growth": growth, "threads": threads}
    print(f"instruction set {library.instruction_set()}; load {os.getloadavg()[0]:.1f}")
    print("| | neighbors | features | moments | products | step | rows | step in torch | error of energies, forces |")
    for name, part in parts.items():
        if options.only in (None, name):
            part(options.repeats)


if __name__ == "__main__":
    main()
