"""Two-body part of a GAP: one curve per pair of elements, each a sparse Gaussian process of the distance.

    E = ½ Σ_ij f(r_ij) Σ_s c_s exp(-(r_ij - r_s)² / 2θ²)          r_s: even distances up to the cutoff
    c ~ N(0, δ² K_MM⁻¹),  K_ss' = exp(-(r_s - r_s')² / 2θ²)

A. P. Bartók, G. Csányi, Int. J. Quantum Chem. 115, 1051 (2015).
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart, fading, fading_arrays
from cambrian.contracts.evaluate import Prediction, evaluate
from cambrian.contracts.fused import Watched
from cambrian.contracts.linear import Linear, Rows, force_and_stress_rows
from cambrian.contracts.pair_route import PairRoute
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors, sum_over_structures
from cambrian.math.envelopes import CosineEnvelope, Envelope

NEAREST = 0.8  # of the shortest distance in the data: nearer, there is no table


class TwoBodyKernel(Potential):
    """Curves on `n_points` distances each, from the shortest of the training set to the cutoff.

    cutoff: Å.
    length: θ, Å, over which a curve bends.
    delta: δ, how much the energy of a bond varies, eV.
    jitter: added to the diagonal of K_MM, which is 1.
    """

    points: Float[Tensor, "pairs points"]
    length: Tensor
    delta: Tensor

    def __init__(
        self,
        *,
        cutoff: float = 5.0,
        n_points: int = 20,
        length: float = 1.0,
        delta: float = 1.0,
        envelope: Envelope = CosineEnvelope(),  # noqa: B008 - immutable
        jitter: float = 1e-10,
    ):
        super().__init__()
        if not (cutoff > 0 and length > 0 and delta > 0 and jitter > 0 and n_points > 0):
            raise UserError("cutoff, length, delta, jitter and n_points of a two-body kernel must be above 0")
        self.cutoff, self.n_points = cutoff, n_points
        self.envelope, self.jitter = envelope, jitter
        self.register_buffer("length", torch.tensor(float(length), dtype=torch.float64))
        self.register_buffer("delta", torch.tensor(float(delta), dtype=torch.float64))
        self.register_buffer("points", torch.zeros(0, n_points, dtype=torch.float64))
        self.weights = nn.Parameter(torch.zeros(0, n_points, dtype=torch.float64))
        self._watched: Watched | None = None
        self._route: PairRoute | None = None

    def setup(self, train: Dataset) -> None:
        """Place the points of every pair of elements; all coefficients are zero."""
        super().setup(train)
        n = len(self.elements)
        shortest = np.full(n * (n + 1) // 2, np.inf)
        for graph in train.graphs(self.cutoff):
            np.minimum.at(shortest, self.pair_of_edges(graph).numpy(), graph.r_ij.norm(dim=-1).numpy())
        shortest = np.where(np.isfinite(shortest), shortest, 0.5 * self.cutoff)
        self.points = torch.from_numpy(np.linspace(shortest, self.cutoff, self.n_points, axis=1))
        self.weights = nn.Parameter(torch.zeros_like(self.points))

    def pair_of_edges(self, graph: Graph) -> Int[Tensor, "edges"]:
        """Row of each edge's pair of elements: (1,1), (1,2) ... (2,2) ..."""
        species = torch.searchsorted(self.elements, graph.numbers)
        return self._row(species[graph.center], species[graph.neighbor])

    def _row(self, first: Int[Tensor, "edges"], second: Int[Tensor, "edges"]) -> Int[Tensor, "edges"]:
        n = len(self.elements)
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        return low * n - low * (low - 1) // 2 + high - low

    def curves(self, distance: Float[Tensor, "edges"], pair: Int[Tensor, "edges"]) -> Float[Tensor, "edges points"]:
        """½ f(r) k(r, r_s)."""
        away = distance[:, None] - self.points.to(distance)[pair]
        return 0.5 * self.envelope(distance, self.cutoff)[:, None] * torch.exp(-(away**2) / (2 * self.length**2))

    def forward(self, graph: Graph) -> Terms:
        """Half of each pair's energy to each of its atoms."""
        distance, pair = graph.r_ij.norm(dim=-1), self.pair_of_edges(graph)
        energies = (self.curves(distance, pair) * self.weights[pair]).sum(dim=1)
        return Terms.of_atoms(sum_over_neighbors(energies, graph), graph)

    def native(self) -> Callable[[Graph], Prediction] | None:
        """The curves as a table, whose cost does not grow with the points; renewed when a coefficient changes."""
        if self.weights.device.type != "cpu" or self._tabulated() is None:
            return None

        def predict(graph: Graph) -> Prediction:
            route = self._tabulated()
            found = None if route is None else route(graph)
            return evaluate(self, graph) if found is None else found

        return predict

    def _tabulated(self) -> PairRoute | None:
        tensors = [self.weights, self.points, self.length, self.elements]
        if self._watched is None or not self._watched.unchanged(tensors):
            plateau = getattr(self.envelope, "inner_fraction", 0.0) * self.cutoff
            nearest = NEAREST * float(self.points.min()) if self.points.numel() else 0.0
            n = len(self.weights)
            self._watched = Watched(tensors)
            self._route = PairRoute.of(self._curve, n, nearest, self.cutoff, [plateau], self.pair_of_edges)
        return self._route

    def _curve(self, distance: NDArray, row: int) -> NDArray:
        """Half a pair's energy, in extended precision where the machine has it: large coefficients cancel."""
        points, weights = (x[row].detach().numpy().astype(np.longdouble) for x in (self.points, self.weights))
        away = distance.astype(np.longdouble)[:, None] - points
        fade = self.envelope(torch.from_numpy(distance), self.cutoff).numpy()
        return 0.5 * fade * (np.exp(-(away**2) / (2 * float(self.length) ** 2)) @ weights)

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """The sums of Gaussians themselves; None where the envelope is not known there."""
        known = fading(self.envelope)
        if known is None or not numbers:
            return None
        points, weights, length = self.points, self.weights.detach(), self.length
        sums = {"points": points, "weights": weights, "length": [float(length)], "cutoff": [self.cutoff]}
        return [CompiledPart.of("gaussians", **sums, **fading_arrays(known))]

    def linear(self) -> "TwoBodyRows":
        """Linear in the c of all pairs."""
        return TwoBodyRows(self)

    @classmethod
    def example(cls) -> "TwoBodyKernel":
        """Six points for each pair of hydrogen, carbon and oxygen."""
        potential = cls(cutoff=3.5, n_points=6, length=0.8)
        potential.elements = torch.tensor([1, 6, 8])
        potential.points = torch.linspace(0.9, 3.5, 6, dtype=torch.float64).repeat(6, 1)
        potential.weights = nn.Parameter(torch.sin(2 * potential.points + torch.arange(6)[:, None]))
        return potential


class TwoBodyRows(Linear):
    """The linear view: coefficients pair by pair."""

    def __init__(self, potential: TwoBodyKernel):
        self.potential = potential

    @property
    def coefficients(self) -> Float[Tensor, "coefficients"]:
        """The c of all pairs."""
        return self.potential.weights.detach().flatten().clone()

    @coefficients.setter
    def coefficients(self, values: Float[Tensor, "coefficients"]) -> None:
        with torch.no_grad():
            self.potential.weights.copy_(values.reshape(self.potential.weights.shape))

    def prior(self) -> Float[Tensor, "coefficients coefficients"]:
        """U/δ, pair by pair."""
        own = self.potential
        away = own.points[:, :, None] - own.points[:, None]
        K = torch.exp(-(away**2) / (2 * own.length**2)) + own.jitter * torch.eye(own.n_points).to(away)
        return torch.block_diag(*torch.linalg.cholesky(K).mT / own.delta)

    def scale_prior(self, factor: float) -> None:
        """Multiply δ."""
        self.potential.delta = self.potential.delta * factor

    @property
    def shape(self) -> float:
        """θ, Å."""
        return float(self.potential.length)

    @shape.setter
    def shape(self, value: float) -> None:
        self.potential.length = torch.tensor(float(value), dtype=torch.float64)

    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Rows in closed form: a curve pulls along its edge."""
        own, near = self.potential, graph.within(self.potential.cutoff)
        distance, pair = near.r_ij.norm(dim=-1), own.pair_of_edges(near)
        tangent = torch.ones_like(distance)
        with torch.no_grad():
            forward = torch.func.jvp(lambda r: own.curves(r, pair), (distance,), (tangent,))
            values, slopes = cast(tuple[Tensor, Tensor], forward)
            energy = sum_over_structures(sum_over_neighbors(self._placed(values, pair), near), near)
            if not derivatives:
                return Rows(energy)
            slopes = slopes * near.owned[near.center, None]
            direction = near.r_ij / distance[:, None]
            push = direction[:, :, None] * self._placed(slopes, pair)[:, None]
            return Rows(energy, *force_and_stress_rows(near, push))

    def _placed(self, values: Float[Tensor, "edges points"], pair: Int[Tensor, "edges"]) -> Tensor:
        """Values in the columns of their pair."""
        n_pairs = len(self.potential.points)
        if n_pairs == 1:
            return values
        chosen = torch.nn.functional.one_hot(pair, n_pairs).to(values)
        return (chosen[:, :, None] * values[:, None]).flatten(1)
