"""The immutable graph that every potential reads: one structure is a batch of one.

An edge runs from `center` i to `neighbor` j, r_ij = r_j - r_i + shift @ cell. The list is full (i -> j and j -> i both
stand in it) and sorted by (center, neighbor, shift), so the edges of one atom are contiguous and sums are
deterministic.
`r_ij` is a stored field: `evaluate` makes it a leaf of differentiation, independent of `positions`.
"""

from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Inexact, Int
from torch import Tensor


class Triplets(NamedTuple):
    """Unordered pairs of edges with one center: indices into the edges of `graph.within(cutoff)`, first < second."""

    first: Int[Tensor, "triplets"]
    second: Int[Tensor, "triplets"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A batch of structures with their neighbor lists; lengths in Å, charges in e."""

    positions: Float[Tensor, "atoms 3"]
    numbers: Int[Tensor, "atoms"]
    structure: Int[Tensor, "atoms"]
    cell: Float[Tensor, "structures 3 3"]
    pbc: Bool[Tensor, "structures 3"]
    center: Int[Tensor, "edges"]
    neighbor: Int[Tensor, "edges"]
    shift: Int[Tensor, "edges 3"]
    r_ij: Float[Tensor, "edges 3"]
    total_charge: Float[Tensor, "structures"]
    spin: Float[Tensor, "structures"]
    owned: Bool[Tensor, "atoms"]
    cutoff: float
    _views: dict = field(default_factory=dict, repr=False)

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the batch, ghosts included."""
        return self.numbers.shape[0]

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return self.center.shape[0]

    @property
    def n_structures(self) -> int:
        """Number of structures in the batch."""
        return self.cell.shape[0]

    @property
    def atoms_per_structure(self) -> Int[Tensor, "structures"]:
        """Number of owned atoms of each structure."""
        return torch.bincount(self.structure[self.owned], minlength=self.n_structures)

    @property
    def first_edge(self) -> Int[Tensor, "atoms_plus_one"]:
        """Offsets of each atom's edges: those of atom i are first_edge[i] to first_edge[i + 1]."""
        counts = torch.bincount(self.center, minlength=self.n_atoms)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    @property
    def volume(self) -> Float[Tensor, "structures"]:
        """Cell volumes in Å³; NaN where a structure is not periodic in all three directions."""
        volume = torch.linalg.det(self.cell).abs()
        return torch.where(self.pbc.all(dim=-1), volume, torch.nan)

    def within(self, cutoff: float) -> "Graph":
        """The same structures with only the edges shorter than `cutoff` (Å).

        Raises ValueError when the list was built for a shorter cutoff, since edges would be missing.
        """
        if cutoff > self.cutoff + 1e-12:
            raise ValueError(f"the graph holds edges up to {self.cutoff} Å, fewer than the {cutoff} Å asked for")
        if cutoff >= self.cutoff:
            return self
        if cutoff not in self._views:
            r_ij = self.r_ij.detach()
            squared = torch.linalg.vecdot(r_ij, r_ij) if cutoff > 0 else r_ij.new_empty(0)
            kept = torch.nonzero(squared < cutoff**2)[:, 0]
            self._views[cutoff] = (kept, {})
        kept, views = self._views[cutoff]
        return replace(
            self,
            center=self.center.index_select(0, kept),
            neighbor=self.neighbor.index_select(0, kept),
            shift=self.shift.index_select(0, kept),
            r_ij=self.r_ij.index_select(0, kept),
            cutoff=cutoff,
            _views=views,
        )

    def triplets(self, cutoff: float) -> Triplets:
        """Pairs of edges of one center, both shorter than `cutoff`; indices into `within(cutoff)`."""
        near = self.within(cutoff)
        if "triplets" not in near._views:
            first_edge = near.first_edge
            edge = torch.arange(near.n_edges, device=near.center.device)
            n_after = first_edge[near.center + 1] - edge - 1
            first = torch.repeat_interleave(edge, n_after)
            start = torch.repeat_interleave(n_after.cumsum(0) - n_after, n_after)
            second = first + 1 + torch.arange(first.shape[0], device=first.device) - start
            near._views["triplets"] = Triplets(first, second)
        return near._views["triplets"]

    def around(self, chosen: Bool[Tensor, "atoms"]) -> "Graph":
        """Only the chosen atoms with their edges; those that these lead to stay, as ghosts without edges."""
        edges = torch.nonzero(chosen[self.center])[:, 0]
        kept = chosen.clone()
        kept[self.neighbor[edges]] = True
        place = kept.cumsum(0) - 1
        return replace(
            self,
            positions=self.positions[kept],
            numbers=self.numbers[kept],
            structure=self.structure[kept],
            center=place[self.center[edges]],
            neighbor=place[self.neighbor[edges]],
            shift=self.shift[edges],
            r_ij=self.r_ij[edges],
            owned=(self.owned & chosen)[kept],
            _views={},
        )

    def with_leaves(self, *, positions: Tensor, cell: Tensor, r_ij: Tensor) -> "Graph":
        """The same geometry with other tensors to differentiate by; cached views stay valid."""
        return replace(self, positions=positions, cell=cell, r_ij=r_ij)

    def to(self, target: torch.dtype | torch.device | str) -> "Graph":
        """Floating tensors in another precision, or all tensors on another device."""
        moved = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor) and not (isinstance(target, torch.dtype) and not value.is_floating_point()):
                moved[entry.name] = value.to(target)
        return replace(self, **moved, _views={})


def batch(graphs: list[Graph]) -> Graph:
    """Join graphs into one; atoms and structures keep their order, and edges reach as far as the shortest list."""
    if len(graphs) == 1:
        return graphs[0]
    cutoff = min(g.cutoff for g in graphs)
    graphs = [g.within(cutoff) for g in graphs]
    atom_start = _starts([g.n_atoms for g in graphs])
    structure_start = _starts([g.n_structures for g in graphs])

    def joined(name: str, start: list[int] | None = None) -> Tensor:
        parts = [getattr(g, name) for g in graphs]
        return torch.cat(parts if start is None else [p + s for p, s in zip(parts, start, strict=True)])

    return Graph(
        positions=joined("positions"),
        numbers=joined("numbers"),
        structure=joined("structure", structure_start),
        cell=joined("cell"),
        pbc=joined("pbc"),
        center=joined("center", atom_start),
        neighbor=joined("neighbor", atom_start),
        shift=joined("shift"),
        r_ij=joined("r_ij"),
        total_charge=joined("total_charge"),
        spin=joined("spin"),
        owned=joined("owned"),
        cutoff=cutoff,
    )


def _starts(counts: list[int]) -> list[int]:
    return [sum(counts[:k]) for k in range(len(counts))]


def sum_over_neighbors(values: Inexact[Tensor, "edges ..."], graph: Graph) -> Inexact[Tensor, "atoms ..."]:
    """Sum edge values onto the center of each edge."""
    return values.new_zeros(graph.n_atoms, *values.shape[1:]).index_add(0, graph.center, values)


def sum_over_structures(values: Float[Tensor, "atoms ..."], graph: Graph) -> Float[Tensor, "structures ..."]:
    """Sum atomic values of owned atoms over each structure; ghosts are left out."""
    mask = graph.owned.reshape(-1, *[1] * (values.dim() - 1))
    owned = torch.where(mask, values, torch.zeros_like(values))
    return values.new_zeros(graph.n_structures, *values.shape[1:]).index_add(0, graph.structure, owned)
