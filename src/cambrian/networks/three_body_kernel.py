"""Three-body part of a GAP: a sparse Gaussian process of the triangles of an atom with two neighbors.

    E = Σ_i Σ_{j<k} f(r_ij) f(r_ik) Σ_s c_s exp(-½ Σ_α (q_α - q_sα)² / θ_α²)
    q = ( r_ij + r_ik,  (r_ij - r_ik)²,  r_jk )          the same when j and k change places
    c ~ N(0, δ² K_MM⁻¹)

for every element of the center and pair of elements of its neighbors.
A. P. Bartók, G. Csányi, Int. J. Quantum Chem. 115, 1051 (2015).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.evaluate import Prediction, assemble, evaluate, stress_of
from cambrian.contracts.fused import Watched
from cambrian.contracts.linear import Linear, Rows, force_and_stress_rows
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_structures
from cambrian.math.envelopes import Envelope, PolynomialEnvelope
from cambrian.math.piece_table import PieceTable
from cambrian.math.sparse_points import FarthestPoints, PointChoice
from cambrian.native.triangles import TriangleArrays, TriangleKernel, available

CHOSEN_FROM = 20000  # triangles of a kind that points are chosen from
AT_ONCE = 4096  # triangles; bounds the memory of rows


@dataclass(frozen=True)
class Triangles:
    """Some triangles of one kind: their two edges (indices), and the lengths of the three sides in Å."""

    first: Int[Tensor, "triangles"]
    second: Int[Tensor, "triangles"]
    sides: tuple[Tensor, Tensor, Tensor]

    def part(self, some: slice) -> "Triangles":
        """Some of them."""
        a, b, c = (side[some] for side in self.sides)
        return Triangles(self.first[some], self.second[some], (a, b, c))


class ThreeBodyKernel(Potential):
    """Triangles within `cutoff` (Å) like `n_points` of the training set, for each kind of triangle.

    lengths: θ of the three coordinates, Å, Å² and Å.
    delta: δ, how much the energy of a triangle varies, eV.
    choice: how the points are chosen.
    jitter: added to the diagonal of K_MM, which is 1.
    """

    delta: Tensor
    points: Float[Tensor, "points 3"]
    kinds: Int[Tensor, "points"]

    def __init__(
        self,
        *,
        cutoff: float = 4.0,
        n_points: int = 100,
        lengths: tuple[float, float, float] = (1.0, 2.0, 1.0),
        delta: float = 0.1,
        envelope: Envelope = PolynomialEnvelope(),  # noqa: B008 - immutable
        choice: PointChoice = FarthestPoints(),  # noqa: B008 - immutable
        jitter: float = 1e-10,
    ):
        super().__init__()
        if not (cutoff > 0 and delta > 0 and jitter > 0 and n_points > 0 and min(lengths) > 0 and len(lengths) == 3):
            raise UserError("cutoff, the three lengths, delta, jitter and n_points of a three-body kernel are above 0")
        self.cutoff, self.n_points, self.envelope = cutoff, n_points, envelope
        self.choice, self.jitter = choice, jitter
        self._lengths = torch.tensor(lengths, dtype=torch.float64)
        self.register_buffer("delta", torch.tensor(float(delta), dtype=torch.float64))
        self.register_buffer("points", torch.zeros(0, 3, dtype=torch.float64))
        self.register_buffer("kinds", torch.zeros(0, dtype=torch.int64))
        self.weights = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self._watched: Watched | None = None
        self._loops: TriangleKernel | None = None

    @property
    def n_kinds(self) -> int:
        """Kinds of triangles: the element of the center, and the two of its neighbors."""
        n = len(self.elements)
        return n * n * (n + 1) // 2

    def setup(self, train: Dataset) -> None:
        """Choose the points of every kind that occurs; all coefficients are zero."""
        super().setup(train)
        found: list[list[Tensor]] = [[] for _ in range(self.n_kinds)]
        for graph in train.graphs(self.cutoff):
            for kind, triangles in self.triangles(graph):
                found[kind].append(_coordinates(*triangles.sides) / self._lengths)
        points, kinds = [], []
        for kind, parts in enumerate(found):
            if parts:
                rows = torch.cat(parts)
                rows = rows[:: max(1, len(rows) // CHOSEN_FROM)]
                points.append(rows[self.choice.choose(rows.numpy(), self.n_points)] * self._lengths)
                kinds.append(torch.full((len(points[-1]),), kind))
        self.points = torch.cat(points) if points else self.points[:0]
        self.kinds = torch.cat(kinds) if kinds else self.kinds[:0]
        self.weights = nn.Parameter(self.points.new_zeros(len(self.points)))

    def triangles(self, graph: Graph) -> Iterator[tuple[int, Triangles]]:
        """Those of each kind that occurs in a graph."""
        near = graph.within(self.cutoff)
        first, second = near.triplets(self.cutoff)
        species, n = torch.searchsorted(self.elements, near.numbers), len(self.elements)
        one, two = species[near.neighbor[first]], species[near.neighbor[second]]
        low, high = torch.minimum(one, two), torch.maximum(one, two)
        pair = low * n - low * (low - 1) // 2 + high - low
        kinds = species[near.center[first]] * (n * (n + 1) // 2) + pair
        a, b = near.r_ij[first], near.r_ij[second]
        sides = a.norm(dim=1), b.norm(dim=1), (b - a).norm(dim=1)
        for kind in torch.unique(kinds).tolist():
            own = torch.nonzero(kinds == kind)[:, 0]
            yield kind, Triangles(first[own], second[own], (sides[0][own], sides[1][own], sides[2][own]))

    def curves(self, a: Tensor, b: Tensor, c: Tensor, kind: int) -> Float[Tensor, "triangles points"]:
        """f(a) f(b) times the kernel with the points of one kind, for sides a, b and the opposite side c."""
        points, lengths = self.points[self.kinds == kind].to(a), self._lengths.to(a)
        away = (_coordinates(a, b, c)[:, None] - points) / lengths
        fade = self.envelope(a, self.cutoff) * self.envelope(b, self.cutoff)
        return fade[:, None] * torch.exp(-0.5 * away.square().sum(dim=2))

    def forward(self, graph: Graph) -> Terms:
        """The energy of a triangle belongs to its center."""
        near = graph.within(self.cutoff)
        energies = near.r_ij.new_zeros(near.n_atoms)
        for kind, triangles in self.triangles(near):
            values = self.curves(*triangles.sides, kind) @ self.weights[self.kinds == kind]
            energies = energies.index_add(0, near.center[triangles.first], values)
        return Terms.of_atoms(energies, graph)

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """What the loops over triangles read."""
        known = self.triangle_arrays()
        return None if known is None else [CompiledPart.of("triangles", **vars(known))]

    def native(self) -> Callable[[Graph], Prediction] | None:
        """Compiled loops over triangles and points; renewed when a coefficient changes."""
        if not available() or self.weights.device.type != "cpu" or self._compiled_loops() is None:
            return None

        def predict(graph: Graph) -> Prediction:
            loops, near = self._compiled_loops(), graph.within(self.cutoff)
            if loops is None:
                return evaluate(self, near)
            species = torch.searchsorted(self.elements, near.numbers)
            r_ij = np.ascontiguousarray(near.r_ij.detach().numpy(), np.float64)
            stars = near.first_edge.numpy(), r_ij, near.neighbor.numpy(), species.numpy()
            energies, pull = (torch.from_numpy(x) for x in loops.energies_and_pull(*stars))
            forces, dE_dstrain = assemble(near, pull * near.owned[near.center, None])
            energy = sum_over_structures(energies, near)
            return Prediction(energy, forces, stress_of(dE_dstrain, near), atomic_energies=energies)

        return predict

    def _compiled_loops(self) -> TriangleKernel | None:
        tensors = [self.weights, self.points, self.kinds, self.elements]
        if self._watched is None or not self._watched.unchanged(tensors):
            arrays = self.triangle_arrays()
            self._watched = Watched(tensors)
            self._loops = None if arrays is None else TriangleKernel(len(self.elements), arrays)
        return self._loops

    def triangle_arrays(self) -> TriangleArrays | None:
        """What the compiled loops read; None where no table follows the envelope."""

        def fade(r: NDArray) -> NDArray:
            return self.envelope(torch.from_numpy(r), self.cutoff).numpy()[:, None]

        table = PieceTable.of(fade, {0.0, getattr(self.envelope, "inner_fraction", 0.0) * self.cutoff, self.cutoff})
        if table is None:
            return None
        order = torch.argsort(self.kinds, stable=True)
        counts = torch.bincount(self.kinds, minlength=self.n_kinds).numpy()
        return TriangleArrays(
            knots=table.knots,
            counts=table.counts,
            table=np.ascontiguousarray(table.coefficients[:, :, 0]),
            lengths=self._lengths.numpy(),
            first=np.concatenate([[0], counts.cumsum()]).astype(np.int64),
            points=np.ascontiguousarray((self.points[order] / self._lengths).numpy()),
            weights=np.ascontiguousarray(self.weights.detach()[order].numpy()),
        )

    def linear(self) -> "ThreeBodyRows":
        """Linear in the c of all kinds."""
        return ThreeBodyRows(self)

    @classmethod
    def example(cls) -> "ThreeBodyKernel":
        """Two points of each kind of triangle of hydrogen, carbon and oxygen."""
        potential = cls(cutoff=3.0, n_points=2)
        potential.elements = torch.tensor([1, 6, 8])
        sides = torch.tensor([[1.2, 1.9, 1.6], [2.0, 2.2, 2.9]], dtype=torch.float64)
        potential.points = _coordinates(*sides.unbind(dim=1)).repeat(potential.n_kinds, 1)
        potential.kinds = torch.repeat_interleave(torch.arange(potential.n_kinds), 2)
        potential.weights = nn.Parameter(torch.sin(1.0 + torch.arange(2 * potential.n_kinds).double()))
        return potential


class ThreeBodyRows(Linear):
    """The linear view: coefficients kind by kind."""

    def __init__(self, potential: ThreeBodyKernel):
        self.potential = potential

    @property
    def coefficients(self) -> Float[Tensor, "coefficients"]:
        """The c of all kinds."""
        return self.potential.weights.detach().clone()

    @coefficients.setter
    def coefficients(self, values: Float[Tensor, "coefficients"]) -> None:
        with torch.no_grad():
            self.potential.weights.copy_(values)

    def prior(self) -> Float[Tensor, "coefficients coefficients"]:
        """U/δ, kind by kind."""
        own, blocks = self.potential, []
        for kind in torch.unique(own.kinds).tolist():
            q = own.points[own.kinds == kind] / own._lengths
            K = torch.exp(-0.5 * (q[:, None] - q).square().sum(dim=2)) + own.jitter * torch.eye(len(q)).to(q)
            blocks.append(torch.linalg.cholesky(K).mT / own.delta)
        return torch.block_diag(*blocks)

    def scale_prior(self, factor: float) -> None:
        """Multiply δ."""
        self.potential.delta = self.potential.delta * factor

    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Rows by the chain rule through the three sides."""
        own, near = self.potential, graph.within(self.potential.cutoff)
        n_points = len(own.points)
        energies = near.r_ij.new_zeros(near.n_atoms, n_points)
        push = near.r_ij.new_zeros(near.n_edges, 3, n_points if derivatives else 0)
        with torch.no_grad():
            for kind, triangles in own.triangles(near):
                columns = torch.nonzero(own.kinds == kind)[:, 0]
                for start in range(0, len(triangles.first), AT_ONCE):
                    part = triangles.part(slice(start, start + AT_ONCE))
                    placed = near.r_ij.new_zeros(near.n_atoms, len(columns))
                    values = own.curves(*part.sides, kind)
                    energies[:, columns] += placed.index_add(0, near.center[part.first], values)
                    if derivatives:
                        push[:, :, columns] += self._push(near, part, kind)
            energy = sum_over_structures(energies, near)
            if not derivatives:
                return Rows(energy)
            push = push * near.owned[near.center, None, None]
            return Rows(energy, *force_and_stress_rows(near, push))

    def _push(self, graph: Graph, part: Triangles, kind: int) -> Float[Tensor, "edges 3 points"]:
        slopes = []
        for k in range(3):
            tangents = tuple(torch.full_like(side, float(k == m)) for m, side in enumerate(part.sides))
            forward = torch.func.jvp(lambda a, b, c: self.potential.curves(a, b, c, kind), part.sides, tangents)
            slopes.append(forward[1][:, None])
        a, b, c = (side[:, None] for side in part.sides)
        one, two = graph.r_ij[part.first], graph.r_ij[part.second]
        across = ((two - one) / c)[:, :, None] * slopes[2]
        found = graph.r_ij.new_zeros(graph.n_edges, 3, across.shape[2])
        found = found.index_add(0, part.first, (one / a)[:, :, None] * slopes[0] - across)
        return found.index_add(0, part.second, (two / b)[:, :, None] * slopes[1] + across)


def _coordinates(a: Tensor, b: Tensor, c: Tensor) -> Float[Tensor, "triangles 3"]:
    return torch.stack([a + b, (a - b) ** 2, c], dim=1)
