"""Radial functions as a table: quintic Hermite pieces between equidistant nodes, twice continuously differentiable.

    f(r) = Σ_d h^d [ f_k^(d) H_d(t) + (-1)^d f_{k+1}^(d) H_d(1 - t) ],     d = 0, 1, 2,     r = (k + t) h
    H_0 = (1 - t)³ (1 + 3t + 6t²)      H_1 = t (1 - t)³ (1 + 3t)      H_2 = t² (1 - t)³ / 2

The error of a piece is h⁶ max|f⁽⁶⁾| / 46080. Nodes are h, 2h ... cutoff: no function is asked for its value at r = 0,
and below h the first piece goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

# distance (edges,) Å, species of center and of neighbor (edges,) -> values (edges, n_radial)
RadialFunctions = Callable[[Tensor, Tensor, Tensor], Tensor]

NEAREST = 0.5  # Å; nearer, a table need not be exact
FEWEST, MOST = 256, 8192  # pieces
ACCURACY = 1e-12  # of values, relative to the largest; of slopes twenty times that
REFUSED = 1e-9


@dataclass(frozen=True)
class RadialTable:
    """n_radial functions for each pair of species (center, neighbor), each zero from the pair's cutoff on.

    cutoffs: (species, species), Å.
    nodes: (species, species, pieces, 3, n_radial): f, h f' and h² f'' at r = h, 2h ... cutoff with h = cutoff / pieces.
    """

    cutoffs: Float[Tensor, "species species"]
    nodes: Float[Tensor, "species species pieces 3 radial"]

    @property
    def n_radial(self) -> int:
        """Number of functions of each pair."""
        return self.nodes.shape[-1]

    @property
    def pieces(self) -> int:
        """Number of nodes; the first two pieces share one polynomial."""
        return self.nodes.shape[2]

    @classmethod
    def of(
        cls, function: RadialFunctions, cutoffs: Float[Tensor, "species species"], pieces: int | None = None
    ) -> "RadialTable":
        """The table of a torch function, as fine as 1e-12 of its largest values and 2e-11 of its slopes need.

        `function` must be smooth inside the cutoff (where its third derivative jumps, a node should lie: give
        `pieces`), finite above 0, and differentiable twice in forward mode. Its gradient is not followed.
        Raises ValueError where 8192 pieces do not reach 1e-9.
        """
        cutoffs = cutoffs.detach().double()
        if pieces is not None:
            return cls(cutoffs, _nodes(function, cutoffs, pieces))
        pieces = FEWEST
        while True:
            table = cls(cutoffs, _nodes(function, cutoffs, pieces))
            value_error, slope_error = table._errors(function)
            if value_error < ACCURACY and slope_error < 20 * ACCURACY:
                return table
            if pieces == MOST:
                if max(value_error, slope_error) < REFUSED:
                    return table
                raise ValueError(
                    f"the radial functions are not smooth: {pieces} pieces leave an error of {slope_error:.0e}"
                )
            pieces *= 2

    def __call__(
        self, distance: Float[Tensor, "edges"], center: Int[Tensor, "edges"], neighbor: Int[Tensor, "edges"]
    ) -> Float[Tensor, "edges radial"]:
        """Values at distances (Å); differentiable in them twice."""
        cutoff = self.cutoffs.to(distance)[center, neighbor]
        x = distance * (self.pieces / cutoff)
        piece = x.detach().floor().clamp(1, self.pieces - 1)
        weights = _hermite(x - piece)
        left = piece.long() - 1
        nodes = self.nodes.to(distance)
        ends = torch.cat([nodes[center, neighbor, left], nodes[center, neighbor, left + 1]], dim=1)
        values = torch.einsum("ed,edn->en", weights, ends)
        return torch.where((distance < cutoff)[:, None], values, torch.zeros_like(values))

    def _errors(self, function: RadialFunctions) -> tuple[float, float]:
        """Largest error between nodes of values and of slopes, relative to the largest of each function."""
        worst = torch.zeros(2, dtype=torch.float64)
        for s, t in _pairs(self.cutoffs):
            cutoff = float(self.cutoffs[s, t])
            piece = torch.arange(self.pieces, dtype=torch.float64)
            between = torch.cat([piece + 0.276, piece + 0.5]) * (
                cutoff / self.pieces
            )  # where slopes and values are worst
            r = between[between > min(NEAREST, 0.1 * cutoff)]
            exact, mine = _derivatives(function, r, s, t)[:2], _derivatives(self, r, s, t)[:2]
            for k, (e, m) in enumerate(zip(exact, mine, strict=True)):
                scale = e.abs().amax(dim=0).clamp(min=1e-300)
                worst[k] = torch.maximum(worst[k], ((m - e).abs().amax(dim=0) / scale).max())
        return float(worst[0]), float(worst[1])


def _pairs(cutoffs: Tensor) -> list[tuple[int, int]]:
    return [(s, t) for s in range(cutoffs.shape[0]) for t in range(cutoffs.shape[1])]


def _nodes(function: RadialFunctions, cutoffs: Tensor, pieces: int) -> Tensor:
    rows = []
    for s, t in _pairs(cutoffs):
        cutoff = float(cutoffs[s, t])
        h = cutoff / pieces
        r = torch.arange(1, pieces + 1, dtype=torch.float64) * h
        r = r.clamp(max=cutoff * (1 - 1e-15))  # at the cutoff, from inside
        value, slope, curvature = _derivatives(function, r, s, t)
        rows.append(torch.stack([value, h * slope, h * h * curvature], dim=1))
    return torch.stack(rows).unflatten(0, tuple(cutoffs.shape)).contiguous()


def _derivatives(function: RadialFunctions, r: Tensor, s: int, t: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values, first and second derivatives (points, n_radial)."""
    species = torch.full(r.shape, s), torch.full(r.shape, t)
    one = torch.ones_like(r)

    def slope(r: Tensor) -> tuple[Tensor, Tensor]:
        return cast(tuple[Tensor, Tensor], torch.func.jvp(lambda x: function(x, *species), (r,), (one,)))

    with torch.no_grad():
        (value, first), (_, second) = cast(tuple, torch.func.jvp(slope, (r,), (one,)))
    return value.double(), first.double(), second.double()


def _hermite(t: Float[Tensor, "edges"]) -> Float[Tensor, "edges six"]:
    """Weights of f, h f' and h² f'' at the left node and at the right one."""
    u = 1 - t
    u3, t3 = u**3, t**3
    left = [u3 * (1 + 3 * t + 6 * t * t), t * u3 * (1 + 3 * t), 0.5 * t * t * u3]
    right = [t3 * (1 + 3 * u + 6 * u * u), -u * t3 * (1 + 3 * u), 0.5 * u * u * t3]
    return torch.stack(left + right, dim=-1)
