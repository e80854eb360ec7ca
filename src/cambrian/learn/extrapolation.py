"""The trigger by the ranges of the training set's features: outside them a potential was never shown anything.

    u_i = max_k max( G_ik - G_k^max, G_k^min - G_ik, 0 ) / ( G_k^max - G_k^min )          contracts/extrapolation.py

A. Singraber, J. Behler, C. Dellago, J. Chem. Theory Comput. 15, 1827 (2019) (extrapolation warnings).
"""

import torch
from torch import Tensor

from cambrian.contracts.extrapolation import FeatureRange, described
from cambrian.contracts.potential import Potential
from cambrian.contracts.trigger import Measure, Trigger, limits
from cambrian.data.dataset import Dataset
from cambrian.graph import Graph


class Extrapolation(Trigger):
    """How far outside their range in the training set the features of an atom lie, in widths of that range.

    Any potential with a descriptor will do, a single one too; a committee's first member lends its own.
    """

    def __init__(self, *, low: float = 0.05, high: float = 1.0):
        self.low, self.high = limits(low, high)

    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The excess over the ranges that the potential keeps; those of `known` where it keeps none."""
        ranges = [FeatureRange.of(term, known) for term in described(potential)]

        def excess(graph: Graph) -> Tensor:
            return torch.stack([r.excess(graph) for r in ranges]).amax(dim=0)

        return excess

    @classmethod
    def example(cls) -> "Extrapolation":
        """The usual limits."""
        return cls()
