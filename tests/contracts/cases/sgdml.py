"""sGDML in miniature: a force kernel on a whole molecule, with an energy and no atomic energies.

    D = 1/r_ij (pairs),  Δ_j = D - D_j,  d = |Δ_j|,  q = √5/σ
    E = -Σ_j (q²/3)(1 + q d) exp(-q d) Δ_j · (J_j α_j) + c

summed over `permutations` of like atoms applied to the training geometries. J_j = dD/dR at geometry j, α_j one number
per coordinate of geometry j: the energy is linear in α and c. S. Chmiela et al., Nat. Commun. 9, 3887 (2018).
"""

import math

import numpy as np
import torch
from ase.build import molecule
from torch import nn

from cambrian.contracts import Linear, Potential, Terms
from cambrian.contracts.linear import rows_by_differentiation
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError


class SGDML(Potential):
    """A kernel of length `sigma` on inverse distances; `permutations` lists the orders of atoms that are equivalent."""

    scope = "global"
    extensive = False

    def __init__(self, *, sigma: float = 2.0, permutations: list[list[int]] | None = None):
        super().__init__()
        self.cutoff = 0.0  # it reads positions
        self.sigma, self.permutations = sigma, permutations
        self.register_buffer("order", torch.zeros(0, dtype=torch.int64))  # atomic numbers of the molecule
        self.register_buffer("inverse", torch.zeros(0, 0, dtype=torch.float64))  # D_j (geometries, pairs)
        self.register_buffer("jacobian", torch.zeros(0, 0, 0, dtype=torch.float64))  # J_j (geometries, pairs, coords)
        self.coefficients = nn.Parameter(torch.zeros(0, dtype=torch.float64))  # α, then c

    def setup(self, train):
        super().setup(train)
        self.order = torch.from_numpy(train[0].atoms.numbers.astype(np.int64))
        positions = torch.stack([torch.from_numpy(s.atoms.positions) for s in train])
        self.inverse = self.describe_geometry(positions)
        slopes = [torch.autograd.functional.jacobian(self.describe_geometry, p[None])[0, :, 0] for p in positions]
        self.jacobian = torch.stack(slopes).flatten(2)
        self.coefficients = nn.Parameter(positions.new_zeros(positions.numel() + 1))

    def describe_geometry(self, positions):
        """1/r of every pair: (molecules, pairs)."""
        i, j = torch.tril_indices(positions.shape[1], positions.shape[1], -1)
        return 1 / (positions[:, i] - positions[:, j]).norm(dim=-1)

    def columns(self, graph):
        """dE/dcoefficients (structures, coefficients)."""
        n = len(self.order)
        if graph.n_atoms != n * graph.n_structures or not torch.equal(
            graph.numbers, self.order.repeat(graph.n_structures)
        ):
            raise UserError("this potential is for one molecule, with its atoms in the order of the training data")
        molecules = graph.positions.reshape(-1, n, 3)
        total = 0.0
        for order in self.permutations or [list(range(n))]:
            # a permutation of the molecule: α belongs to the coordinates of the training geometry, which stay
            delta = self.describe_geometry(molecules[:, order])[:, None] - self.inverse
            distance = (delta.square().sum(dim=-1) + 1e-30).sqrt()
            q = math.sqrt(5) / self.sigma
            radial = -(q**2) / 3 * (1 + q * distance) * torch.exp(-q * distance)
            total = total + torch.einsum("mj,mjp,jpc->mjc", radial, delta, self.jacobian).flatten(1)
        return torch.cat([total, total.new_ones(len(molecules), 1)], dim=-1)

    def forward(self, graph):
        return Terms(self.columns(graph) @ self.coefficients)

    def linear(self):
        return SGDMLRows(self)

    @classmethod
    def example(cls):
        potential = cls(permutations=[[0, 1, 2], [0, 2, 1]])
        potential.setup(Dataset(Structure(a) for a in cls.training_atoms()))
        generator = torch.Generator().manual_seed(0)
        potential.coefficients.data = torch.randn(46, generator=generator, dtype=torch.float64)
        return potential

    @classmethod
    def training_atoms(cls):
        return waters(5)

    @classmethod
    def example_atoms(cls):
        return waters(3, seed=9)


class SGDMLRows(Linear):
    def __init__(self, potential):
        self.potential = potential

    @property
    def coefficients(self):
        return self.potential.coefficients.detach().clone()

    @coefficients.setter
    def coefficients(self, values):
        self.potential.coefficients.data = values.clone()

    def rows(self, graph, *, derivatives=True):
        return rows_by_differentiation(self.potential.columns, graph.within(0.0), derivatives=derivatives)


def waters(n, seed=0):
    """Distorted water molecules."""
    rng = np.random.default_rng(seed)
    found = [molecule("H2O") for _ in range(n)]
    for atoms in found:
        atoms.positions += rng.normal(scale=0.08, size=(3, 3))
    return found
