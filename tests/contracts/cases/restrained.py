"""A potential with a penalty of its own: bumps whose heights should stay small, E = ½ Σ_ij c_k exp(-(r - r_k)²) f."""

import math

import torch
from torch import nn

from cambrian.contracts import Potential, Terms
from cambrian.graph import sum_over_neighbors


class Restrained(Potential):
    """Adds `strength` |c|² to the loss of every structure."""

    def __init__(self, *, strength: float = 1.0, cutoff: float = 3.0):
        super().__init__()
        self.cutoff, self.strength = cutoff, strength
        self.c = nn.Parameter(torch.tensor([0.4, -0.2, 0.3], dtype=torch.float64))

    def forward(self, graph):
        distance = graph.r_ij.norm(dim=-1, keepdim=True)
        envelope = (0.5 + 0.5 * torch.cos(math.pi * distance / self.cutoff)) ** 2
        bumps = envelope * torch.exp(-((distance - torch.tensor([1.0, 1.7, 2.4], dtype=distance.dtype)) ** 2))
        penalty = (self.strength * self.c.square().sum()).expand(graph.n_structures)
        return Terms.of_atoms(sum_over_neighbors(0.5 * bumps @ self.c, graph), graph, penalty=penalty)

    @classmethod
    def example(cls):
        return cls()
