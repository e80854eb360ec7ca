"""A descriptor's features and Jacobian, computed once, so that an epoch costs a few matrix products.

    dE/dr_ij = Σ_k (dE_i/dG_ik) (dG_ik/dr_ij)

Between two given elements most functions of other elements do not change at all: such columns of the Jacobian are not
stored where that saves a fifth of the memory.

One component of a force needs nothing but the atoms in whose stars its atom stands,

    F_ax = Σ_i v_i · ∇E_i(G_i),      v_i = -dG_i/dR_ax

which is what a filter that learns from single components looks at.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.evaluate import Prediction, assemble, stress_of
from cambrian.contracts.prepared import Component, Observed, Prepared, concatenated
from cambrian.errors import UserError
from cambrian.graph import Graph, batch

if TYPE_CHECKING:
    from cambrian.contracts.descriptor_potential import DescriptorPotential

WORTH_IT = 0.8  # share of the dense Jacobian below which only columns that are not zero are stored


@dataclass(frozen=True)
class JacobianBlock:
    """Some edges and the columns of their Jacobian that are not zero."""

    edges: Int[Tensor, "some"]
    columns: Int[Tensor, "columns"]
    values: Float[Tensor, "some 3 columns"]


@dataclass(frozen=True)
class StoredJacobian:
    """dG_i/dr_ij of every edge, whole or by kinds of edges (element of the center, element of the neighbor)."""

    n_edges: int
    n_features: int
    blocks: dict[tuple[int, int] | None, JacobianBlock]

    @classmethod
    def of(cls, graph: Graph, dense: Float[Tensor, "edges 3 features"]) -> "StoredJacobian":
        """Store what is not zero, where leaving out the rest is worth it."""
        n_edges, _, n_features = dense.shape
        centers, neighbors = graph.numbers[graph.center], graph.numbers[graph.neighbor]
        elements = torch.unique(graph.numbers).tolist()
        blocks: dict[tuple[int, int] | None, JacobianBlock] = {}
        for kind in product(elements, elements):
            edges = torch.nonzero((centers == kind[0]) & (neighbors == kind[1]))[:, 0]
            part = dense[edges]
            columns = torch.nonzero((part != 0).flatten(0, 1).any(dim=0))[:, 0]
            blocks[kind] = JacobianBlock(edges, columns, part[:, :, columns])
        if sum(b.values.numel() for b in blocks.values()) > WORTH_IT * dense.numel():
            blocks = {None: JacobianBlock(torch.arange(n_edges), torch.arange(n_features), dense)}
        return cls(n_edges, n_features, blocks)

    @property
    def n_bytes(self) -> int:
        """Memory in bytes."""
        return sum(b.values.nbytes + b.edges.nbytes + b.columns.nbytes for b in self.blocks.values())

    def pull(self, slopes: Float[Tensor, "atoms features"], graph: Graph) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge from dE_i/dG_ik."""
        if None in self.blocks:
            return torch.einsum("exk,ek->ex", self.blocks[None].values, slopes[graph.center])
        found = slopes.new_zeros(self.n_edges, 3)
        for b in self.blocks.values():
            of_edges = slopes[graph.center[b.edges][:, None], b.columns]
            found = found.index_copy(0, b.edges, torch.einsum("exk,ek->ex", b.values, of_edges))
        return found

    def rows(self, edges: Int[Tensor, "some"], axis: int) -> Float[Tensor, "some features"]:
        """Derivatives of some edges along one direction."""
        if None in self.blocks:
            return self.blocks[None].values[edges, axis]
        place = torch.full((self.n_edges,), -1)
        place[edges] = torch.arange(len(edges))
        found = next(iter(self.blocks.values())).values.new_zeros(len(edges), self.n_features)
        for b in self.blocks.values():
            inside = torch.nonzero(place[b.edges] >= 0)[:, 0]
            found[place[b.edges[inside]][:, None], b.columns] = b.values[inside, axis]
        return found

    @classmethod
    def joined(cls, parts: "list[StoredJacobian]") -> "StoredJacobian":
        """The Jacobians of several graphs as that of their batch."""
        if len({None in p.blocks for p in parts}) > 1:
            parts = [p.whole() for p in parts]
        starts = [sum(p.n_edges for p in parts[:k]) for k in range(len(parts))]
        blocks = {}
        for kind in dict.fromkeys(kind for p in parts for kind in p.blocks):
            members = [(p.blocks[kind], s) for p, s in zip(parts, starts, strict=True) if kind in p.blocks]
            columns = torch.unique(torch.cat([b.columns for b, _ in members]))
            values = torch.cat([_widened(b, columns) for b, _ in members])
            blocks[kind] = JacobianBlock(torch.cat([b.edges + s for b, s in members]), columns, values)
        return cls(sum(p.n_edges for p in parts), parts[0].n_features, blocks)

    def whole(self) -> "StoredJacobian":
        """The same as one block with all columns."""
        if None in self.blocks or not self.blocks:
            dense = torch.zeros(self.n_edges, 3, self.n_features, dtype=torch.float64)
            dense = self.blocks[None].values if self.blocks else dense
        else:
            dense = next(iter(self.blocks.values())).values.new_zeros(self.n_edges, 3, self.n_features)
            for b in self.blocks.values():
                dense[b.edges] = _widened(b, torch.arange(self.n_features))
        every = JacobianBlock(torch.arange(self.n_edges), torch.arange(self.n_features), dense)
        return StoredJacobian(self.n_edges, self.n_features, {None: every})


def _widened(block: JacobianBlock, columns: Int[Tensor, "columns"]) -> Tensor:
    if len(block.columns) == len(columns):
        return block.values
    values = block.values.new_zeros(*block.values.shape[:2], len(columns))
    values[:, :, torch.searchsorted(columns, block.columns)] = block.values
    return values


@dataclass(frozen=True)
class PreparedFeatures(Prepared):
    """Features and Jacobian of a fixed descriptor; the Jacobian is None where no derivatives are asked for."""

    potential: "DescriptorPotential"
    graph: Graph
    features: Float[Tensor, "atoms features"]
    jacobian: StoredJacobian | None

    @property
    def n_bytes(self) -> int:
        """Memory of features and Jacobian."""
        return self.features.nbytes + (0 if self.jacobian is None else self.jacobian.n_bytes)

    def predict(self) -> Prediction:
        """Energies by the regressor, forces by the chain rule."""
        features = self.features.detach().requires_grad_()
        terms = self.potential.terms_of(features, self.graph)
        if self.jacobian is None:
            return Prediction(**vars(terms))
        slopes = torch.autograd.grad(terms.energy.sum(), features, create_graph=True)[0]
        forces, dE_dstrain = assemble(self.graph, self.jacobian.pull(slopes, self.graph))
        return Prediction(**vars(terms), forces=forces, stress=stress_of(dE_dstrain, self.graph))

    def join(self, others: list["PreparedFeatures"]) -> "PreparedFeatures":
        """Concatenate graphs, features and Jacobians."""
        parts = [self, *others]
        jacobians = [p.jacobian for p in parts if p.jacobian is not None]
        jacobian = StoredJacobian.joined(jacobians) if len(jacobians) == len(parts) else None
        graph, features = batch([p.graph for p in parts]), torch.cat([p.features for p in parts])
        return PreparedFeatures(self.potential, graph, features, jacobian)

    @cached_property
    def _species(self) -> Tensor:
        return self.potential.species(self.graph)

    @cached_property
    def _edges(self) -> list[tuple[Tensor, list[int]]]:
        """Edges sorted by their center and by their neighbor, each with where those of every atom begin."""
        found = []
        for atoms in (self.graph.center, self.graph.neighbor):
            counts = torch.bincount(atoms, minlength=self.graph.n_atoms)
            found.append((torch.argsort(atoms, stable=True), [0, *counts.cumsum(0).tolist()]))
        return found

    def observe(self, component: Component | None = None) -> "ObservedFeatures":
        """All atoms for an energy; for a force on an atom, those in whose stars it stands."""
        species = self._species
        if component is None:
            rows = torch.nonzero(self.graph.owned)[:, 0]
            return ObservedFeatures(self.potential, self.features[rows], None, species[rows], (len(rows),))
        if self.jacobian is None:
            raise UserError("no structure has forces, so features were prepared for energies alone")
        atom, axis = component
        outward, inward = (order[starts[atom] : starts[atom + 1]] for order, starts in self._edges)
        rows = torch.cat([self.graph.center.new_tensor([atom]), self.graph.center[inward]])
        own = self.jacobian.rows(outward, axis).sum(dim=0, keepdim=True)
        directions = torch.cat([own, -self.jacobian.rows(inward, axis)])
        directions = directions * self.graph.owned[rows, None]
        return ObservedFeatures(self.potential, self.features[rows], directions, species[rows], (len(rows),))


@dataclass(frozen=True)
class ObservedFeatures(Observed):
    """Energies of rows of features, or their derivatives along directions, summed over the rows of each observation."""

    potential: "DescriptorPotential"
    features: Float[Tensor, "rows features"]
    directions: Float[Tensor, "rows features"] | None
    species: Int[Tensor, "rows"]
    counts: tuple[int, ...]

    def values(self) -> Float[Tensor, "observations"]:
        """Energies by the regressor, forces by the chain rule."""
        features = self.features.detach().requires_grad_(self.directions is not None)
        by_row = self.potential.regressor(features, self.species)
        if self.directions is not None:
            slopes = torch.autograd.grad(by_row.sum(), features, create_graph=True)[0]
            by_row = (self.directions * slopes).sum(dim=1)
        return torch.stack([part.sum() for part in by_row.split(self.counts)])

    def join(self, others: list["ObservedFeatures"]) -> "ObservedFeatures":
        """Concatenate the rows."""
        parts = [self, *others]
        return ObservedFeatures(
            self.potential,
            torch.cat([p.features for p in parts]),
            concatenated(p.directions for p in parts),
            torch.cat([p.species for p in parts]),
            tuple(n for p in parts for n in p.counts),
        )
