"""What of an environment lies outside all sparse points, at a cost that does not grow with them.

    u_i = √(x̂_iᵀ A x̂_i)        A = 1 - X̂ᵀ (X̂ X̂ᵀ + ε)⁻¹ X̂          x̂: features of unit length, X̂: those of the points

which is the unlikeness (learn/unlikeness.py) of the same points under the exponent 1, made into one matrix beforehand.
It can only tell as long as there are fewer points than features; it never exceeds that of a higher exponent.

Y. Xie et al., npj Comput. Mater. 7, 40 (2021); Y. Xie et al., npj Comput. Mater. 9, 36 (2023) (mapped variances).
"""

import torch
from torch import Tensor

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.trigger import Measure, Trigger, limits
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.regressors.sparse_kernel import SparseKernel


class MappedUnlikeness(Trigger):
    """The share of each environment, from 0 to 1, that no combination of sparse points of `gap` or `flare` makes up.

    Its values are smaller than those of `Unlikeness`; look at those of structures that are known before setting the
    limits.
    """

    def __init__(self, *, low: float = 0.005, high: float = 0.1):
        self.low, self.high = limits(low, high)

    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The largest over the kernels; raises UserError where there is none, or too many points to tell."""
        terms = [t for t in potential.terms() if isinstance(t, DescriptorPotential)]
        pairs = [(t, t.regressor) for t in terms if isinstance(t.regressor, SparseKernel)]
        if not pairs:
            raise UserError("only sparse kernels (gap, flare) have points to compare environments with")
        forms = []
        for _, regressor in pairs:
            of_species = [regressor.outside(s) for s in range(int(regressor.n_species))]
            if any(form is None for form in of_species):
                raise UserError(
                    "there are as many sparse points as features, so that these tell nothing; take Unlikeness"
                )
            forms.append(torch.stack([form for form in of_species if form is not None]))

        def unlikeness(graph: Graph) -> Tensor:
            found = []
            for (term, regressor), form in zip(pairs, forms, strict=True):
                near, species = graph.within(term.cutoff), term.species(graph)
                with torch.no_grad():
                    x = regressor.kernel.coordinates(term.fastest.features(near))
                    squares = x.new_zeros(len(x))
                    for s in range(len(form)):
                        own = torch.nonzero(species == s)[:, 0]
                        squares[own] = ((x[own] @ form[s]) * x[own]).sum(dim=1)
                    found.append(squares.clamp(min=0.0).sqrt())
            return torch.stack(found).amax(dim=0)

        return unlikeness

    @classmethod
    def example(cls) -> "MappedUnlikeness":
        """The usual limits."""
        return cls()
