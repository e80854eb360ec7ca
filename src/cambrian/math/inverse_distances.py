"""Inverse distances of all pairs of points, D_ab = 1 / |x_a - x_b|, as a descriptor of a whole molecule.

    ∂D_ab/∂x_a = -(x_a - x_b) D_ab³ = -∂D_ab/∂x_b

Pairs run (1, 0), (2, 0), (2, 1), (3, 0) ...: the lower triangle, row by row.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def pairs_of(n_points: int) -> Int[Tensor, "2 pairs"]:
    """The two points of each pair, the later one first."""
    return torch.tril_indices(n_points, n_points, -1)


def inverse_distances(points: Float[Tensor, "... points 3"]) -> Float[Tensor, "... pairs"]:
    """D of all pairs, differentiable to any order."""
    a, b = pairs_of(points.shape[-2])
    return (points[..., a, :] - points[..., b, :]).square().sum(dim=-1).rsqrt()


def gradients(points: Float[Tensor, "... points 3"]) -> Float[Tensor, "... pairs 3"]:
    """∂D/∂x of the first point of each pair; of the second point it is the opposite, of all others zero."""
    a, b = pairs_of(points.shape[-2])
    along = points[..., a, :] - points[..., b, :]
    return -along * along.square().sum(dim=-1, keepdim=True).pow(-1.5)


def jacobian(points: Float[Tensor, "... points 3"]) -> Float[Tensor, "... pairs coordinates"]:
    """J = ∂D/∂x, the coordinates of each point next to each other."""
    n_points = points.shape[-2]
    first, second = pairs_of(n_points)
    slopes = gradients(points)
    found = slopes.new_zeros(*slopes.shape[:-1], n_points, 3)
    pair = torch.arange(len(first))
    found[..., pair, first, :], found[..., pair, second, :] = slopes, -slopes
    return found.flatten(-2)


def push_forward(
    points: Float[Tensor, "... points 3"], moves: Float[Tensor, "... points 3"]
) -> Float[Tensor, "... pairs"]:
    """J v: how D changes when the points move."""
    a, b = pairs_of(points.shape[-2])
    return (gradients(points) * (moves[..., a, :] - moves[..., b, :])).sum(dim=-1)


def pull_back(
    points: Float[Tensor, "... points 3"], slopes: Float[Tensor, "... pairs"]
) -> Float[Tensor, "... points 3"]:
    """Jᵀ w: the gradient by the points from that by D."""
    a, b = pairs_of(points.shape[-2])
    along = gradients(points) * slopes[..., None]
    return torch.zeros_like(along[..., :1, :]).expand(points.shape).index_add(-2, a, along).index_add(-2, b, -along)


def reordered_pairs(orders: Int[Tensor, "orders points"]) -> Int[Tensor, "orders pairs"]:
    """Which pair stands where once the points are reordered: D(x[order]) = D(x)[..., reordered]."""
    n_points = orders.shape[-1]
    a, b = pairs_of(n_points)
    place = torch.zeros(n_points, n_points, dtype=torch.int64)
    place[a, b] = place[b, a] = torch.arange(len(a))
    return place[orders[:, a], orders[:, b]]
