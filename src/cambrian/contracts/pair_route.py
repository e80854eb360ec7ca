"""Short routes that need no graph of derivatives: curves of pairs by a table, and energies without forces.

E = Σ_i Σ_j V_st(r_ij)          dE/dr_ij = V'_st(r_ij) r̂_ij          V a polynomial on pieces (math/piece_table.py)
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.evaluate import Prediction, assemble, stress_of
from cambrian.graph import Graph, sum_over_neighbors, sum_over_structures
from cambrian.math.piece_table import PieceTable

# distances (points,) in Å and the row of a pair of elements -> energies (points,) in eV, as precise as can be
Curves = Callable[[NDArray, int], NDArray]


def without_forces(graph: Graph, energies: Float[Tensor, "atoms"]) -> Prediction:
    """Energies of atoms that do not depend on where anything is."""
    total = sum_over_structures(energies, graph)
    stress = stress_of(torch.zeros_like(graph.cell), graph)
    return Prediction(total, torch.zeros_like(graph.positions), stress, atomic_energies=energies)


class PairRoute:
    """Curves of rows 0 ... n_rows - 1 up to one cutoff (Å); `rows` says which row an edge belongs to.

    Tables begin at `nearest` (Å): a curve may be so steep nearer than that, that a table would not be precise beyond.
    """

    def __init__(
        self, tables: list[PieceTable], nearest: float, cutoff: float, rows: Callable[[Graph], Int[Tensor, "edges"]]
    ):
        self.tables, self.nearest, self.cutoff, self.rows = tables, nearest, cutoff, rows

    @classmethod
    def of(
        cls,
        curves: Curves,
        n_rows: int,
        nearest: float,
        cutoff: float,
        knots: Iterable[float],
        rows: Callable[[Graph], Int[Tensor, "edges"]],
    ) -> "PairRoute | None":
        """Tables of smooth curves, with knots (Å) where derivatives jump; None where 1e-10 is not reached."""
        edges = {nearest, cutoff, *(knot for knot in knots if nearest < knot < cutoff)}
        tables = [PieceTable.of(lambda r, row=row: curves(r, row)[:, None], edges) for row in range(n_rows)]
        known = [table for table in tables if table is not None]
        return cls(known, nearest, cutoff, rows) if len(known) == n_rows else None

    def __call__(self, graph: Graph) -> Prediction | None:
        """Energies, forces and stress; the energy of an edge belongs to its center. None where two atoms are nearer."""
        near = graph.within(self.cutoff)
        distance = near.r_ij.detach().norm(dim=-1)
        if near.n_edges and float(distance.min()) < self.nearest:
            return None
        values, slopes = self._read(distance, near)
        energies = sum_over_neighbors(values, near)
        pull = (slopes * near.owned[near.center] / distance)[:, None] * near.r_ij.detach()
        forces, dE_dstrain = assemble(near, pull)
        total = sum_over_structures(energies, near)
        return Prediction(total, forces, stress_of(dE_dstrain, near), atomic_energies=energies)

    def _read(self, distance: Float[Tensor, "edges"], graph: Graph) -> tuple[Tensor, Tensor]:
        r = distance.numpy()
        if len(self.tables) == 1:
            value, slope = self.tables[0](r)
            return torch.from_numpy(value[:, 0]), torch.from_numpy(slope[:, 0])
        rows, found = self.rows(graph).numpy(), np.zeros((2, len(r)))
        for row, table in enumerate(self.tables):
            chosen = np.flatnonzero(rows == row)
            value, slope = table(r[chosen])
            found[0, chosen], found[1, chosen] = value[:, 0], slope[:, 0]
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])
