"""Structures near given ones, and labels made by a potential whose parameters are known."""

from dataclasses import replace

from ase import Atoms

from cambrian.contracts import Potential, evaluate
from cambrian.data import Dataset, Structure
from cambrian.graph import graph_of


def rattled(atoms: list[Atoms], n: int) -> list[Structure]:
    """Each of the atoms `n` times, moved at random."""
    found = []
    for k in range(n):
        for a in atoms:
            other = a.copy()
            other.rattle(0.1, seed=17 * k + len(a))
            found.append(Structure(other, source="rattled", frame=len(found)))
    return found


def labelled(truth: Potential, structures: list[Structure]) -> Dataset:
    """The same structures with energy, forces and (where periodic) stress from `truth`."""

    def label(s: Structure) -> Structure:
        p = evaluate(truth, graph_of(s.atoms, truth.cutoff))
        stress = p.stress[0].numpy() if s.atoms.pbc.all() else None
        return replace(s, energy=float(p.energy[0]), forces=p.forces.numpy(), stress=stress)

    return Dataset(label(s) for s in structures)
