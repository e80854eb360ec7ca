"""A user's own descriptor in a file of their own."""

import torch

from cambrian.contracts import Descriptor, DescriptorPotential
from cambrian.fit.least_squares import LeastSquares
from cambrian.graph import sum_over_neighbors
from cambrian.regressors.linear import LinearRegressor


class InversePowers(Descriptor):
    """G_ik = Σ_j r_ij^-k (1 - (r_ij/r_c)²)³: a few inverse powers with an envelope."""

    def __init__(self, *, cutoff: float = 6.0, powers: list[int] = (6, 12)):
        super().__init__()
        self.cutoff, self.powers, self.n_features = cutoff, list(powers), len(powers)

    def features(self, graph):
        distance = graph.r_ij.norm(dim=-1)
        envelope = (1 - (distance / self.cutoff) ** 2) ** 3
        return sum_over_neighbors(torch.stack([(3.4 / distance) ** k * envelope for k in self.powers], dim=-1), graph)

    @classmethod
    def example(cls):
        return cls()


def powers(*, cutoff: float = 6.0, solver: LeastSquares = LeastSquares()) -> tuple[DescriptorPotential, LeastSquares]:  # noqa: B008
    """Inverse powers by least squares."""
    return DescriptorPotential(InversePowers(cutoff=cutoff), LinearRegressor()), solver
