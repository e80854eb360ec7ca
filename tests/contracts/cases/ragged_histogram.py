"""A descriptor whose elements differ in their number of features: distances in bins, as many as the element has."""

import math

import torch

from cambrian.contracts import Descriptor
from cambrian.elements import number
from cambrian.graph import sum_over_neighbors


class RaggedHistogram(Descriptor):
    """`bins` by element; columns that an element does not use are zero."""

    def __init__(self, *, bins: dict[str, int], cutoff: float = 4.0):
        super().__init__()
        self.cutoff, self.n_features = cutoff, max(bins.values())
        self.register_buffer("used", torch.zeros(119, dtype=torch.int64), persistent=False)
        for symbol, n in bins.items():
            self.used[number(symbol)] = n

    def features(self, graph):
        distance = graph.r_ij.norm(dim=-1, keepdim=True)
        centers = torch.linspace(0.8, self.cutoff, self.n_features, dtype=distance.dtype)
        envelope = (0.5 + 0.5 * torch.cos(math.pi * distance / self.cutoff)) ** 2
        weight = graph.numbers[graph.neighbor, None].to(distance.dtype).sqrt()
        counts = sum_over_neighbors(weight * envelope * torch.exp(-2 * (distance - centers) ** 2), graph)
        return torch.where(torch.arange(self.n_features) < self.used[graph.numbers, None], counts, 0.0)

    @classmethod
    def example(cls):
        return cls(bins={"H": 3, "C": 5, "O": 2})
