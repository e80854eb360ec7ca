"""The neighborhoods of atoms as padded arrays, some atoms at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cambrian.graph.graph import Graph
from cambrian.math.symmetry_blocks import Stars

SLOTS_AT_ONCE = 4096  # neighbors worked on together: bounds memory, and stays in cache


@dataclass(frozen=True)
class Chunk:
    """Some stars, and where they come from: their atoms, and for each edge its row and slot among the stars."""

    stars: Stars
    atoms: Tensor
    edges: Tensor
    row: Tensor
    slot: Tensor


def chunks(
    graph: Graph, membership: Float[Tensor, "atoms groups"], centers: Bool[Tensor, "atoms"], cutoff: float
) -> Iterator[Chunk]:
    """The neighborhoods of the atoms in `centers`, some at a time, each set padded to its own most neighbors.

    Atoms without a neighbor within `cutoff` (Å) are left out; `membership` says to which groups neighbors belong.
    """
    near = (graph.r_ij.detach() ** 2).sum(dim=-1) < cutoff**2
    edges = torch.nonzero(near & centers[graph.center])[:, 0]
    counts = torch.bincount(graph.center[edges], minlength=graph.n_atoms)
    atoms = torch.nonzero(counts)[:, 0]
    counts = counts[atoms]
    first = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    for start, stop in _spans(counts.tolist()):
        chosen = edges[first[start] : first[stop]]
        row = torch.repeat_interleave(torch.arange(stop - start, device=edges.device), counts[start:stop])
        slot = torch.arange(len(chosen), device=edges.device) - (first[start:stop] - first[start])[row]
        shape = (stop - start, int(counts[start:stop].max()))
        outside = graph.r_ij.new_tensor([2 * cutoff, 0.0, 0.0]).expand(*shape, 3)
        vectors = outside.index_put((row, slot), graph.r_ij[chosen])
        nowhere = vectors.new_zeros(*shape, membership.shape[1])
        groups = nowhere.index_put((row, slot), membership[graph.neighbor[chosen]])
        yield Chunk(Stars(vectors, groups), atoms[start:stop], chosen, row, slot)


def _spans(counts: list[int]) -> Iterator[tuple[int, int]]:
    """Ranges of stars that together have about SLOTS_AT_ONCE slots, padding included."""
    start, most = 0, 0
    for k, count in enumerate(counts):
        most = max(most, count)
        if k > start and most * (k + 1 - start) > SLOTS_AT_ONCE:
            yield start, k
            start, most = k, count
    if counts:
        yield start, len(counts)
