"""An environment outside the range of the training set's features is one the potential was never shown.

    u_i = max_k max( G_ik - G_k^max, G_k^min - G_ik, 0 ) / w_k          w_k = G_k^max - G_k^min

with the range of each element's features over the training set. A feature that hardly varies there counts with a
thousandth of the widest range, so that any sight of what was absent is seen.

A. Singraber, J. Behler, C. Dellago, J. Chem. Theory Comput. 15, 1827 (2019) (extrapolation warnings).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.compose import Committee, DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.trigger import Measure, Trigger, limits
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph

LEAST_WIDTH = 1e-3  # of the widest range of an element


class Extrapolation(Trigger):
    """How far outside their range in the training set the features of an atom lie, in widths of that range.

    Any potential with a descriptor will do, a single one too; a committee's first member lends its own.
    """

    def __init__(self, *, low: float = 0.05, high: float = 1.0):
        self.low, self.high = limits(low, high)

    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The excess over the ranges of `known`, which are computed here."""
        ranges = [FeatureRange.of(term, known) for term in described(potential)]

        def excess(graph: Graph) -> Tensor:
            return torch.stack([r.excess(graph) for r in ranges]).amax(dim=0)

        return excess

    @classmethod
    def example(cls) -> "Extrapolation":
        """The usual limits."""
        return cls()


def described(potential: Potential) -> list[DescriptorPotential]:
    """The terms with a descriptor of atoms; raises UserError where there is none."""
    terms = [inner for term in potential.terms() for inner in _terms_of(term)]
    found = [t for t in terms if isinstance(t, DescriptorPotential) and t.descriptor.per == "atom"]
    if not found:
        raise UserError(
            "extrapolation is measured on the features of a descriptor of atoms, which this potential does not have; "
            "take CommitteeDisagreement"
        )
    return found


def _terms_of(term: Potential) -> list[Potential]:
    return list(term.members[0].terms()) if isinstance(term, Committee) else [term]


@dataclass(frozen=True)
class FeatureRange:
    """Lowest and highest value of every feature for each element of a term."""

    term: DescriptorPotential
    lowest: Float[Tensor, "elements features"]
    highest: Float[Tensor, "elements features"]

    @classmethod
    def of(cls, term: DescriptorPotential, known: Dataset) -> "FeatureRange":
        """The ranges over all atoms of `known`."""
        features, species = [], []
        with torch.no_grad():
            for graph, _ in known.batches(term.cutoff):
                features.append(term.fastest.features(graph))
                species.append(term.species(graph))
        rows, kinds = torch.cat(features), torch.cat(species)
        by_element = [rows[kinds == k] for k in range(len(term.elements))]
        return cls(
            term,
            torch.stack([r.amin(dim=0) for r in by_element]),
            torch.stack([r.amax(dim=0) for r in by_element]),
        )

    def excess(self, graph: Graph) -> Float[Tensor, "atoms"]:
        """How far outside the range, in its widths, the worst feature of each atom lies."""
        near = graph.within(self.term.cutoff)
        with torch.no_grad():
            features, species = self.term.fastest.features(near), self.term.species(near)
        width = self.highest - self.lowest
        width = torch.maximum(width, LEAST_WIDTH * width.amax(dim=1, keepdim=True)).clamp(min=1e-12)[species]
        outside = torch.maximum(features - self.highest[species], self.lowest[species] - features)
        return (outside / width).clamp(min=0.0).amax(dim=1)
