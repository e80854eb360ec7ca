"""Two-body part of a GAP: a sparse Gaussian process on distances.

    E = ½ Σ_ij f(r_ij) Σ_s α_s exp(-(r_ij - r_s)² / 2θ²)        K_ss' the same kernel between the sparse distances

with the cosine f as part of the energy, not of the kernel's argument. METHODS 20.2.
"""

import math

import torch
from torch import nn

from cambrian.contracts import Linear, Potential, Rows, Terms
from cambrian.contracts.linear import force_and_stress_rows
from cambrian.graph import sum_over_neighbors, sum_over_structures


class PairKernel(Potential):
    """One curve for all pairs, on `n_points` distances spread evenly over those of the training set (Å)."""

    def __init__(self, *, cutoff: float = 4.0, n_points: int = 12, length: float = 0.6, delta: float = 1.0):
        super().__init__()
        self.cutoff, self.n_points, self.length, self.delta = cutoff, n_points, length, delta
        self.alpha = nn.Parameter(torch.zeros(n_points, dtype=torch.float64))
        self.register_buffer("points", torch.linspace(0.5, cutoff, n_points, dtype=torch.float64))

    def setup(self, train):
        super().setup(train)
        shortest = min(float(g.r_ij.norm(dim=-1).min()) for g in train.graphs(self.cutoff) if g.n_edges)
        self.points = torch.linspace(shortest, self.cutoff, self.n_points, dtype=torch.float64)

    def basis(self, r_ij):
        """½ f(r) k(r, r_s) for each edge and sparse point."""
        distance = r_ij.norm(dim=-1, keepdim=True)
        cosine = 0.5 + 0.5 * torch.cos(math.pi * distance / self.cutoff)
        return 0.5 * cosine * self.kernel(distance, self.points)

    def kernel(self, first, second):
        return self.delta**2 * torch.exp(-((first - second) ** 2) / (2 * self.length**2))

    def forward(self, graph):
        return Terms.of_atoms(sum_over_neighbors(self.basis(graph.r_ij) @ self.alpha, graph), graph)

    def linear(self):
        return PairKernelRows(self)

    @classmethod
    def example(cls):
        potential = cls()
        potential.alpha.data = torch.sin(3.0 * potential.points.detach())
        return potential


class PairKernelRows(Linear):
    def __init__(self, potential):
        self.potential = potential

    @property
    def coefficients(self):
        return self.potential.alpha.detach().clone()

    @coefficients.setter
    def coefficients(self, values):
        self.potential.alpha.data = values.clone()

    def prior(self):
        K = self.potential.kernel(self.potential.points[:, None], self.potential.points)
        return torch.linalg.cholesky(K + 1e-10 * torch.eye(len(K), dtype=K.dtype)).T

    def rows(self, graph, *, derivatives=True):
        near = graph.within(self.potential.cutoff)
        energy = sum_over_structures(sum_over_neighbors(self.potential.basis(near.r_ij), near), near)
        if not derivatives:
            return Rows(energy.detach())
        slope = torch.func.vmap(torch.func.jacrev(self.potential.basis))(near.r_ij) if near.n_edges else None
        push = near.r_ij.new_zeros(0, 3, len(self.potential.points)) if slope is None else slope.transpose(1, 2)
        push = push * near.owned[near.center, None, None]
        return Rows(energy.detach(), *force_and_stress_rows(near, push.detach()))
