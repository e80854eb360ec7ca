"""An environment unlike all sparse points of a Gaussian process is one that its energies say nothing about.

    u_i = √(1 - k_M(x_i) K_MM⁻¹ k_M(x_i))          0: a sparse point, 1: like none of them

A measure of the environment alone, without labels and without noise, as FLARE has it.

J. Vandermause, Y. Xie, J. S. Lim, C. J. Owen, B. Kozinsky, Nat. Commun. 13, 5183 (2022).
"""

import torch
from torch import Tensor

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.regressor import BasisRegressor
from cambrian.contracts.trigger import Measure, Trigger, limits
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph


class Unlikeness(Trigger):
    """How unlike the sparse points of `gap` or `flare` each environment is, from 0 to 1.

    The values depend on the exponent of the kernel and on the descriptor: look at those of structures that are known
    before setting the limits. FLARE's 0.02 belongs to its descriptor with the exponent 2.
    """

    def __init__(self, *, low: float = 0.02, high: float = 0.3):
        self.low, self.high = limits(low, high)

    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The largest over the kernels that the potential has."""
        terms = [t for t in potential.terms() if isinstance(t, DescriptorPotential) and t.descriptor.per == "atom"]
        pairs = [(t, t.regressor) for t in terms if isinstance(t.regressor, BasisRegressor)]
        pairs = [(term, regressor) for term, regressor in pairs if _has_points(term, regressor)]
        if not pairs:
            raise UserError(
                "only sparse kernels (gap, flare) can tell how unlike their points an environment is; take another "
                "trigger: Extrapolation suits any potential with a descriptor"
            )

        def unlikeness(graph: Graph) -> Tensor:
            found = [_of(term, regressor, graph) for term, regressor in pairs]
            return torch.stack([value for value in found if value is not None]).amax(dim=0)

        return unlikeness

    @classmethod
    def example(cls) -> "Unlikeness":
        """The usual limits."""
        return cls()


def _has_points(term: DescriptorPotential, regressor: BasisRegressor) -> bool:
    none = torch.zeros(0, dtype=torch.float64)
    return regressor.unlikeness(none.reshape(0, term.descriptor.n_features), none.long()) is not None


def _of(term: DescriptorPotential, regressor: BasisRegressor, graph: Graph) -> Tensor | None:
    near, species = graph.within(term.cutoff), term.species(graph)
    with torch.no_grad():
        return regressor.unlikeness(term.fastest.features(near), species)
