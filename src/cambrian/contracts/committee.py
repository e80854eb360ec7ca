"""Several potentials as one: their mean, and by their spread how sure it is."""

from collections.abc import Sequence
from dataclasses import fields
from typing import cast

import torch
from torch import Tensor, nn

from cambrian.contracts.potential import Potential, Sum, Terms, everywhere, widest_scope
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph


class Committee(Potential):
    """The mean of several potentials of one kind; their spread tells how sure it is."""

    def __init__(self, members: list[Potential]):
        super().__init__()
        if not members:
            raise UserError("a committee needs at least one member")
        self.members = cast(Sequence[Potential], nn.ModuleList(members))
        self.elements = members[0].elements.clone()
        self.cutoff = max(m.cutoff for m in members)
        self.scope = widest_scope(members)
        self.extensive = all(m.extensive for m in members)
        self.differentiable = all(m.differentiable for m in members)

    @property
    def receptive_field(self) -> float:
        """The longest of the members', Å."""
        return max(m.receptive_field for m in self.members)

    def setup(self, train: Dataset) -> None:
        """Set up every member."""
        super().setup(train)
        for member in self.members:
            member.setup(train)

    def widen(self, train: Dataset) -> None:
        """Widen every member."""
        for member in self.members:
            member.widen(train)

    def forward(self, graph: Graph) -> Terms:
        """Mean of energies, atomic energies, charges and dipoles."""
        terms = [m(graph.within(m.cutoff)) for m in self.members]

        def mean(name: str) -> Tensor | None:
            values = everywhere(getattr(t, name) for t in terms)
            return None if values is None else torch.stack(values).mean(dim=0)

        energy = torch.stack([t.energy for t in terms]).mean(dim=0)
        return Terms(energy, **{f.name: mean(f.name) for f in fields(Terms) if f.name != "energy"})

    @classmethod
    def example(cls) -> "Committee":
        """Two empty sums."""
        return cls([Sum.example(), Sum.example()])
