"""Potentials as files for the compiled library, run as LAMMPS would: longer edges, images as ghosts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from cambrian.contracts import Committee, Potential, evaluate
from cambrian.deploy.compiled import write_compiled
from cambrian.elements import number
from cambrian.graph import Graph, graph_of
from cambrian.native.deployed import DeployedPotential

MARGIN = 0.7  # Å that edges reach beyond the cutoff


@dataclass(frozen=True)
class Domain:
    """What a domain of LAMMPS hands over; `parent` (species,) is the atom that each number is an image of."""

    first: np.ndarray
    r_ij: np.ndarray
    neighbor: np.ndarray
    species: np.ndarray
    parent: np.ndarray

    @property
    def arrays(self):
        return self.first, self.r_ij, self.neighbor, self.species

    @property
    def center(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


def domain(graph: Graph, elements: list[str]) -> Domain:
    """A graph whose neighbors in other cells have numbers of their own beyond the centers."""
    numbers = [number(symbol) for symbol in elements]
    shifted = graph.shift.abs().sum(dim=1).numpy() > 0
    keys = np.concatenate([graph.neighbor.numpy()[:, None], graph.shift.numpy().astype(np.int64)], axis=1)[shifted]
    images, which = np.unique(keys, axis=0, return_inverse=True)
    neighbor = graph.neighbor.numpy().copy()
    neighbor[shifted] = graph.n_atoms + which.reshape(-1)
    parent = np.concatenate([np.arange(graph.n_atoms), images[:, 0]]).astype(np.int64)
    species = np.array([numbers.index(z) for z in graph.numbers.tolist()], dtype=np.int64)[parent]
    return Domain(graph.first_edge.numpy(), np.ascontiguousarray(graph.r_ij.numpy()), neighbor, species, parent)


def truth(potential: Potential, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Atomic energies and dE/dr_ij of every edge by differentiating the potential itself."""
    r_ij = graph.r_ij.clone().requires_grad_()
    leaves = graph.with_leaves(positions=graph.positions, cell=graph.cell, r_ij=r_ij)
    terms = potential(leaves.within(potential.cutoff))
    energies = terms.atomic_energies
    if not energies.requires_grad:
        return energies.numpy(), np.zeros(r_ij.shape)
    pull = torch.autograd.grad(energies.sum(), r_ij, allow_unused=True, materialize_grads=True)[0]
    return energies.detach().numpy(), pull.numpy()


def close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Relative to the largest value expected, or to 1."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max(initial=1.0))


def opened(potential: Potential, folder: Path) -> DeployedPotential:
    return DeployedPotential(write_compiled(potential, folder / "potential.cambrian"))


def members(potential: Potential) -> list[Potential]:
    return list(potential.members) if isinstance(potential, Committee) else [potential]


def require_same(potential: Potential, atoms: list[Atoms], folder: Path, tolerance: float = 1e-10) -> DeployedPotential:
    """The file gives the energies, the pull and the forces of every member."""
    deployed = opened(potential, folder)
    assert deployed.n_members == len(members(potential))
    assert deployed.cutoff <= potential.cutoff + 1e-12
    for a in atoms:
        graph = graph_of(a, potential.cutoff + MARGIN)
        given = domain(graph, deployed.elements)
        for k, member in enumerate(members(potential)):
            found = deployed.evaluate(*given.arrays, member=k)
            energies, pull = truth(member, graph)
            close(found.energies, energies, tolerance)
            close(found.pull, pull, tolerance)
            forces = np.zeros((len(a), 3))
            np.add.at(forces, given.center, found.pull)
            np.add.at(forces, given.parent[given.neighbor], -found.pull)
            close(forces, evaluate(member, graph_of(a, member.cutoff)).forces.numpy(), tolerance)
    return deployed
