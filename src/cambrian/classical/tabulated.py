"""Curves of pairs given point by point: energies and forces at some distances, cubic pieces between them.

    V(r) = E_k H(t) - w F_k G(t) + E_k+1 H(1 - t) + w F_k+1 G(1 - t),      t = (r - r_k)/w,  w = r_k+1 - r_k
    H = (1 - t)² (1 + 2 t)        G = t (1 - t)²                           E = ½ Σ_ij V(r_ij),  F = -dV/dr

Values and slopes are those of the table; nearer than its first point a curve goes on as a straight line, from its last
point on it is zero.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors


class Tabulated(Potential):
    """Curves as files bring them (`cambrian import tables`); there is nothing to fit.

    cutoff: Å; no curve may reach further.
    """

    points: Float[Tensor, "points 3"]
    first: Int[Tensor, "pairs_plus_one"]

    def __init__(self, *, cutoff: float = 5.0):
        super().__init__()
        if cutoff <= 0:
            raise UserError(f"the cutoff of tables must be above 0 Å, not {cutoff}")
        self.cutoff = cutoff
        self.register_buffer("points", torch.zeros(0, 3, dtype=torch.float64))
        self.register_buffer("first", torch.zeros(1, dtype=torch.int64))

    def take(self, elements: list[int], curves: dict[tuple[int, int], Float[NDArray, "points 3"]]) -> None:
        """Curves (r in Å, E in eV, F in eV/Å) by atomic numbers, smaller first; a pair without one has no energy.

        Raises UserError where distances do not rise, or reach beyond the cutoff.
        """
        self.elements = torch.tensor(sorted(elements), dtype=torch.int64)
        numbers = self.elements.tolist()
        pairs = [(a, b) for k, a in enumerate(numbers) for b in numbers[k:]]
        tables = [np.asarray(curves.get(pair, np.zeros((0, 3))), dtype=np.float64) for pair in pairs]
        for table in tables:
            r = table[:, 0]
            if len(table) == 1 or not np.isfinite(table).all() or (np.diff(r) <= 0).any() or (r <= 0).any():
                raise UserError("a table needs two points or more, whose distances rise, and finite numbers")
            if len(r) and r[-1] > self.cutoff * (1 + 1e-12):
                raise UserError(f"a table reaches {r[-1]} Å, beyond the cutoff of {self.cutoff} Å")
        self.points = torch.from_numpy(np.concatenate(tables))
        self.first = torch.tensor(np.concatenate([[0], np.cumsum([len(t) for t in tables])]), dtype=torch.int64)

    def setup(self, train: Dataset) -> None:
        """Check that every element of the data has a place in the tables."""
        strange = sorted(set(train.numbers) - set(self.elements.tolist()))
        if strange:
            raise UserError(f"these tables have no element {strange[0]}; they are read from files, not fitted")

    def forward(self, graph: Graph) -> Terms:
        """Half of each pair's energy to each of its atoms."""
        distance, n = graph.r_ij.norm(dim=-1), len(self.elements)
        species = torch.searchsorted(self.elements, graph.numbers)
        one, two = species[graph.center], species[graph.neighbor]
        low, high = torch.minimum(one, two), torch.maximum(one, two)
        pair = low * n - low * (low - 1) // 2 + high - low
        energies = torch.zeros_like(distance)
        for row, (start, end) in enumerate(zip(self.first[:-1].tolist(), self.first[1:].tolist(), strict=True)):
            edges = torch.nonzero(pair == row)[:, 0] if end > start else pair[:0]
            energies = energies.index_add(0, edges, 0.5 * self._curve(distance[edges], self.points[start:end]))
        return Terms.of_atoms(sum_over_neighbors(energies, graph), graph)

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """The points themselves."""
        return [CompiledPart.of("curves", points=self.points, first=self.first, cutoff=[self.cutoff])]

    def _curve(self, distance: Float[Tensor, "edges"], table: Float[Tensor, "points 3"]) -> Float[Tensor, "edges"]:
        if not len(distance):
            return distance
        table = table.to(distance)
        r, E, F = table.unbind(dim=1)
        k = (torch.searchsorted(r.contiguous(), distance.detach(), right=True) - 1).clamp(0, len(r) - 2)
        width = r[k + 1] - r[k]
        t = (distance - r[k]) / width
        u = 1 - t
        left = E[k] * u**2 * (1 + 2 * t) - width * F[k] * t * u**2
        right = E[k + 1] * t**2 * (1 + 2 * u) + width * F[k + 1] * u * t**2
        near = E[0] + F[0] * (r[0] - distance)
        inside = torch.where(distance < r[0], near, left + right)
        return torch.where(distance < r[-1], inside, torch.zeros_like(inside))

    @classmethod
    def example(cls) -> "Tabulated":
        """Soft repulsion between hydrogen, carbon and oxygen, but none between hydrogen and hydrogen."""
        potential = cls(cutoff=3.5)
        r = np.linspace(0.5, 3.5, 150)
        curve = np.stack([r, (3.5 - r) ** 4, 4 * (3.5 - r) ** 3], axis=1)
        pairs = [(1, 6), (1, 8), (6, 6), (6, 8), (8, 8)]
        potential.take([1, 6, 8], {pair: curve * [1, 0.01 * pair[1], 0.01 * pair[1]] for pair in pairs})
        return potential
