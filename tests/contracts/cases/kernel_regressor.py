"""Sparse Gaussian process on any descriptor: E_i = Σ_s α_s k(x_i, x_s), linear in α with the prior K_MM = UᵀU.

k(x, x') = δ² exp(-|x - x'|² / 2θ²) where the elements are equal, else 0; θ is in units of the typical distance between
training environments. METHODS 20.2.
"""

import torch
from torch import nn

from cambrian.contracts import BasisRegressor


class KernelRegressor(BasisRegressor):
    """`n_points` environments of the training set, evenly spaced through it, are the sparse points."""

    def __init__(self, *, n_points: int = 10, length: float = 1.0, delta: float = 1.0, jitter: float = 1e-10):
        super().__init__()
        self.n_points, self.length, self.delta, self.jitter = n_points, length, delta, jitter
        self.coefficients = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.register_buffer("width", torch.tensor(1.0, dtype=torch.float64))
        self.register_buffer("points", torch.zeros(0, 0, dtype=torch.float64))
        self.register_buffer("point_species", torch.zeros(0, dtype=torch.int64))

    def setup(self, features, species, n_species):
        self.width = self.length * (2 * features.var(dim=0).sum()).sqrt()
        chosen = torch.linspace(0, len(features) - 1, min(self.n_points, len(features))).round().long()
        self.points, self.point_species = features[chosen].clone(), species[chosen].clone()
        self.coefficients = nn.Parameter(features.new_zeros(len(chosen)))

    def basis(self, features, species):
        squared = (features[:, None] - self.points).square().sum(dim=-1)
        same = species[:, None] == self.point_species
        return self.delta**2 * torch.exp(-squared / (2 * self.width**2)) * same

    def push(self, features, jacobian, species):
        away = (self.points - features[:, None]) / self.width**2
        return torch.einsum("exk,esk,es->exs", jacobian, away, self.basis(features, species))

    def prior(self):
        K = self.basis(self.points, self.point_species)
        return torch.linalg.cholesky(K + self.jitter * torch.eye(len(K), dtype=K.dtype)).T

    @classmethod
    def example(cls):
        return cls(n_points=6)
