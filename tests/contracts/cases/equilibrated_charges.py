"""4G in miniature: charges of the whole molecule from one linear solve, fed into a short-range network.

    [A 1; 1ᵀ 0][Q; λ] = [-χ; Q_tot]      A_ii = J_i + k_e/(σ_i√π)      A_ij = k_e erf(r/√2γ)/r,  γ² = σ_i² + σ_j²
    E = ½ Qᵀ(A - diag A)Q + Σ_i NN(G_i, Q_i)

J_i stands for the element's hardness, χ_i for its electronegativity, which its neighbors shift. METHODS 33.2-33.4,
without periodicity and without screening. Ko et al., Nat. Commun. 12, 398 (2021).
"""

import math

import numpy as np
import torch
from ase import Atoms
from torch import nn

from cambrian.contracts import Potential, Terms
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.units import COULOMB


class EquilibratedCharges(Potential):
    """Molecules of any size; lengths in Å, hardness and electronegativity in V."""

    scope = "global"
    extensive = False

    def __init__(self, *, cutoff: float = 3.0, n_hidden: int = 5, width: float = 0.6, seed: int = 0):
        super().__init__()
        self.cutoff, self.width = cutoff, width
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape):
            return nn.Parameter(0.5 * torch.randn(*shape, generator=generator, dtype=torch.float64))

        self.electronegativity = drawn(119, 4)
        self.hardness = nn.Parameter(torch.full((119,), 3.0, dtype=torch.float64))
        self.hidden, self.out = drawn(5, n_hidden), drawn(n_hidden)

    def surroundings(self, graph: Graph):
        """Four radial features per atom."""
        distance = graph.r_ij.norm(dim=-1, keepdim=True)
        centers = torch.linspace(0.8, self.cutoff, 4, dtype=distance.dtype)
        envelope = (0.5 + 0.5 * torch.cos(math.pi * distance / self.cutoff)) ** 2
        weight = graph.numbers[graph.neighbor, None].to(distance.dtype).sqrt()
        return sum_over_neighbors(weight * envelope * torch.exp(-4 * (distance - centers) ** 2), graph)

    def forward(self, graph):
        if bool(graph.pbc.any()):
            raise UserError("this miniature of 4G is for molecules")
        features = self.surroundings(graph)
        chi = (self.electronegativity[graph.numbers] * features).sum(dim=-1)
        A, place, present = self.interaction(graph)
        charges = self.equilibrate(A, self.padded(chi, place, present), present, graph.total_charge)[place]
        pairs = A - torch.diag_embed(A.diagonal(dim1=1, dim2=2))
        Q = self.padded(charges, place, present)
        electrostatic = 0.5 * torch.einsum("si,sij,sj->s", Q, pairs, Q)
        hidden = torch.tanh(torch.cat([features, charges[:, None]], dim=-1) @ self.hidden)
        short = Terms.of_atoms(hidden @ self.out, graph)
        center = torch.zeros_like(graph.cell[:, 0]).index_add(0, graph.structure, charges[:, None] * graph.positions)
        return Terms(short.energy + electrostatic, charges=charges, dipole=center)

    def interaction(self, graph):
        """A padded to the largest molecule (structures, n, n), each atom's place in it, and which places are real."""
        size = graph.atoms_per_structure
        start = size.cumsum(0) - size
        place = (graph.structure, torch.arange(graph.n_atoms) - start[graph.structure])
        n = int(size.max())
        present = torch.arange(n) < size[:, None]
        positions = torch.zeros(len(size), n, 3, dtype=graph.positions.dtype).index_put(place, graph.positions)
        squared = (positions[:, :, None] - positions[:, None]).square().sum(dim=-1)
        apart = present[:, :, None] & present[:, None] & ~torch.eye(n, dtype=torch.bool)
        distance = torch.where(apart, squared, 1.0).sqrt()
        coulomb = COULOMB * torch.erf(distance / (2 * self.width)) / distance
        diagonal = self.padded(self.hardness[graph.numbers], place, present)
        diagonal = torch.where(present, diagonal + COULOMB / (self.width * math.sqrt(math.pi)), 1.0)
        return torch.where(apart, coulomb, 0.0) + torch.diag_embed(diagonal), place, present

    def padded(self, values, place, present):
        return values.new_zeros(present.shape).index_put(place, values)

    def equilibrate(self, A, chi, present, total):
        """Charges (structures, n) that minimise the energy at the given total charge."""
        border = present.to(A.dtype)
        n = A.shape[1]
        matrix = A.new_zeros(len(A), n + 1, n + 1)
        matrix[:, :n, :n], matrix[:, :n, n], matrix[:, n, :n] = A, border, border
        return torch.linalg.solve(matrix, torch.cat([-chi, total[:, None]], dim=1))[:, :n]

    @classmethod
    def example(cls):
        return cls()

    @classmethod
    def example_atoms(cls):
        rng = np.random.default_rng(4)
        chain = np.arange(5)[:, None] * np.array([1.1, 0.3, 0.1]) + rng.normal(scale=0.1, size=(5, 3))
        return [Atoms("HCOHC", chain), Atoms("OHH", [[0, 0, 0], [0.9, 0.2, 0], [-0.3, 0.9, 0.1]]), Atoms("H")]
