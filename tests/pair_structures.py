"""Structures that try pair potentials: skewed cells smaller than the cutoff, two elements, few atoms, atoms alone."""

import numpy as np
from ase import Atoms

from cambrian.contracts import Potential, evaluate
from cambrian.data import Dataset, Structure
from cambrian.graph import graph_of


def skewed(symbols: str = "Ar4Kr4", *, length: float = 7.0, seed: int = 3, rattle: float = 0.3, sign: int = 1) -> Atoms:
    """Eight rattled atoms in a triclinic cell; `sign` -1 makes it left-handed."""
    cell = length * np.array([[1.0, 0.1, -0.05], [-0.3, 1.1, 0.2], [0.25, -0.2, sign * 0.95]])
    grid = np.array([[i, j, k] for i in (0.1, 0.6) for j in (0.2, 0.7) for k in (0.3, 0.8)])
    atoms = Atoms(symbols, scaled_positions=grid, cell=cell, pbc=True)
    atoms.positions += np.random.default_rng(seed).normal(scale=rattle, size=atoms.positions.shape)
    return atoms


def cluster(symbols: str = "Ar3Kr2", *, spacing: float = 3.5, seed: int = 5) -> Atoms:
    """A few atoms without a cell, none nearer than about 0.7 `spacing`."""
    sites = spacing * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0.2], [1, 0.1, 1], [0, 1, 1.1]])
    atoms = Atoms(symbols)
    atoms.positions = sites[: len(atoms)]
    atoms.positions += np.random.default_rng(seed).normal(scale=0.08 * spacing, size=atoms.positions.shape)
    return atoms


def labelled(potential: Potential, structures: list[Atoms]) -> Dataset:
    """A dataset whose labels are what `potential` says."""
    found = []
    for k, atoms in enumerate(structures):
        p = evaluate(potential, graph_of(atoms, potential.cutoff))
        stress = p.stress[0].numpy() if atoms.pbc.all() else None
        found.append(Structure(atoms, energy=p.energy.item(), forces=p.forces.numpy(), stress=stress, frame=k))
    return Dataset(found)


def assert_equals_lammps(potential: Potential, atoms: Atoms, run, *, scale: float = 1.0, offset: float = 0.0) -> None:
    """Energy, forces and stress to 1e-10 of their size; `scale`, `offset` (eV) turn the energy of LAMMPS into ours."""
    found = evaluate(potential, graph_of(atoms, potential.cutoff))
    pairs = [
        (found.energy.numpy(), np.array([run.energy * scale + offset])),
        (found.forces.numpy(), run.forces * scale),
    ]
    if atoms.pbc.all():
        pairs.append((found.stress[0].numpy(), run.stress * scale))
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * np.abs(theirs).max())
        assert np.abs(theirs).max() > 1e-6


def assert_forces_are_slopes(potential: Potential, atoms: Atoms, *, step: float = 1e-3) -> None:
    """Forces against central differences of fourth order of the energy, 1e-7 eV/Å."""

    def energy(i: int, x: int, shift: float) -> float:
        moved = atoms.copy()
        moved.positions[i, x] += shift
        return evaluate(potential, graph_of(moved, potential.cutoff)).energy.item()

    forces = evaluate(potential, graph_of(atoms, potential.cutoff)).forces.numpy()
    for i, x in [(0, 0), (1, 2), (len(atoms) - 1, 1)]:
        near, far = (energy(i, x, -k * step) - energy(i, x, k * step) for k in (1, 2))
        assert abs(forces[i, x] - (8 * near - far) / (12 * step)) < 1e-7
