"""A problem small enough for every solver: clusters of Lennard-Jones argon, and a network of some thirty weights."""

import numpy as np
import torch
from ase import Atoms

from cambrian.classical.lennard_jones import LennardJones
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.graph import graph_of, sum_over_neighbors
from cambrian.regressors.neural import NeuralRegressor


class Shells(Descriptor):
    """Gaussian shells of distances under a cosine."""

    def __init__(self, *, cutoff: float = 7.0, n: int = 4):
        super().__init__()
        self.cutoff, self.n_features = cutoff, n
        self.register_buffer("centers", torch.linspace(3.2, 5.5, n, dtype=torch.float64))

    def features(self, graph):
        distance = graph.r_ij.norm(dim=-1)[:, None]
        shells = torch.exp(-(((distance - self.centers) / 0.8) ** 2))
        return sum_over_neighbors(shells * 0.5 * (1 + torch.cos(np.pi * distance / self.cutoff)), graph)

    @classmethod
    def example(cls):
        return cls()


def clusters(n: int, seed: int, n_atoms: int = 4, noise: float = 0.0) -> Dataset:
    """Labelled clusters with ε = 1 eV; `noise` is the standard deviation of that on forces (eV/Å), energies half."""
    rng, truth = np.random.default_rng(seed), LennardJones(epsilon=1.0, sigma=3.4, cutoff=7.0)
    truth.setup(Dataset([Structure(Atoms("Ar"))]))
    sites = 3.9 * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.87, 0], [0.5, 0.29, 0.82], [0.5, 0.29, -0.82]])[:n_atoms]
    found = []
    for _ in range(n):
        atoms = Atoms(f"Ar{n_atoms}", positions=sites * rng.uniform(0.97, 1.25) + rng.normal(0, 0.15, sites.shape))
        p = evaluate(truth, graph_of(atoms, truth.cutoff))
        forces = p.forces.numpy() + noise * rng.normal(size=sites.shape)
        energy = p.energy.item() + 0.5 * noise * rng.normal()
        found.append(Structure(atoms, energy=energy, forces=forces))
    return Dataset(found)


def network(seed: int = 0, hidden: tuple[int, ...] = (5,)) -> DescriptorPotential:
    return DescriptorPotential(Shells(), NeuralRegressor(hidden=hidden, seed=seed))
