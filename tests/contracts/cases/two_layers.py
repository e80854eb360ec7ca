"""Two layers of message passing with scalars and vectors, after PaiNN (arXiv:2102.03150), in miniature.

s_i += Σ_j φ(s_j) W(r_ij)        v_i += Σ_j ( ψ(s_j) r̂_ij + v_j ) W'(r_ij)        s_i += |v_i|²
"""

import math

import torch
from torch import nn

from cambrian.contracts import Potential, Terms
from cambrian.graph import sum_over_neighbors


class TwoLayers(Potential):
    """Messages travel twice, so an atom feels those within 2 `cutoff` (Å)."""

    scope = "message passing"

    def __init__(self, *, cutoff: float = 2.4, n_channels: int = 3, seed: int = 0):
        super().__init__()
        self.cutoff = cutoff
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape):
            return nn.Parameter(0.4 * torch.randn(*shape, generator=generator, dtype=torch.float64))

        self.embedding, self.readout = drawn(119, n_channels), drawn(n_channels)
        self.send, self.filter = drawn(2, n_channels, 2 * n_channels), drawn(2, 4, 3 * n_channels)

    @property
    def receptive_field(self):
        return 2 * self.cutoff

    def forward(self, graph):
        distance = graph.r_ij.norm(dim=-1, keepdim=True)
        direction = (graph.r_ij / distance)[:, None]
        centers = torch.linspace(0.8, self.cutoff, 4, dtype=distance.dtype)
        envelope = (0.5 + 0.5 * torch.cos(math.pi * distance / self.cutoff)) ** 2
        radial = envelope * torch.exp(-3 * (distance - centers) ** 2)
        scalars = self.embedding[graph.numbers]
        vectors = scalars.new_zeros(*scalars.shape, 3)
        for send, filters in zip(self.send, self.filter, strict=True):
            a, b = torch.tanh(scalars @ send)[graph.neighbor].chunk(2, dim=-1)
            w, w_direction, w_vector = (radial @ filters).chunk(3, dim=-1)
            pointing = (b * w_direction)[..., None] * direction + w_vector[..., None] * vectors[graph.neighbor]
            vectors = vectors + sum_over_neighbors(pointing, graph)
            scalars = scalars + sum_over_neighbors(a * w, graph) + vectors.square().sum(dim=-1)
        return Terms.of_atoms(torch.tanh(scalars) @ self.readout, graph)

    @classmethod
    def example(cls):
        return cls()
