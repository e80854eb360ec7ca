"""Symmetry functions of padded neighborhoods, many at a time, with their derivatives; tensors only.

A block holds functions that share their factors (math/symmetry_windows.py): every channel's window on distances with
every combination's factor of angles, for every group of neighbors, or pair of groups. Groups are the elements; weighted
functions have one group, to which every neighbor belongs as many times as its atomic number says.

Wide Gaussian functions of whole ζ need no triplets. With (1 + λt)^ζ = Σ_l c_l P_l(t) and the addition theorem,

    Σ_{j,k} (1 + λ cos θ_jk)^ζ w_j w_k = Σ_l c_l Σ_m A_lm B_lm,      A_lm = Σ_j w_j Y_lm(r_j / r_j)

so all ζ and λ share one set of moments, at a cost that grows with the number of neighbors alone; the pairs j = k are
subtracted.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre, polynomial
from torch import Tensor

from cambrian.math.spherical_harmonics import degrees, spherical_harmonics, spherical_harmonics_and_gradient
from cambrian.math.symmetry_windows import Angles, Combination, Windows

SAME_PLACE = 1e-5  # Å: nearer than this two slots are one neighbor (distinct atoms that near are refused earlier)


class Stars(NamedTuple):
    """Neighborhoods padded to one number of slots: padding lies beyond the cutoff and belongs to no group."""

    vectors: Float[Tensor, "stars slots 3"]
    membership: Float[Tensor, "stars slots groups"]  # one-hot by element, or the atomic number in a single column

    @property
    def distances(self) -> Float[Tensor, "stars slots"]:
        """Lengths of the vectors, Å."""
        return self.vectors.norm(dim=-1)


class Block(ABC):
    """Functions of one kind; their columns run by group (or pair of groups), channel, combination."""

    @abstractmethod
    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """All functions of every star, differentiable in the vectors."""

    @abstractmethod
    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """Derivatives of each star's functions by each of its vectors."""


class RadialBlock(Block):
    """Σ_j w_j for each group of neighbors."""

    def __init__(self, windows: Windows):
        self.windows = windows

    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """Sums of the windows."""
        return (stars.membership.mT @ self.windows.values(stars.distances)).flatten(1)

    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """Slopes along the directions."""
        distances = stars.distances
        slopes = self.windows.values_and_slopes(distances)[1]
        columns = (stars.membership[..., None] * slopes[..., None, :]).flatten(2)
        return (stars.vectors / distances[..., None])[..., None] * columns[..., None, :]


class MomentBlock(Block):
    """Wide functions of whole ζ by moments."""

    def __init__(self, windows: Windows, combinations: list[Combination]):
        self.windows = windows
        self.l_max = int(max(zeta for zeta, _ in combinations))
        by_degree = np.zeros((self.l_max + 1, len(combinations)))
        for q, (zeta, lam) in enumerate(combinations):
            coefficients = legendre.poly2leg(polynomial.polypow([1.0, lam], int(zeta)))
            by_degree[: len(coefficients), q] = 2 ** (1 - zeta) * coefficients
        self.expansion = torch.from_numpy(by_degree)[degrees(self.l_max)]  # (harmonics, combinations)
        own = [2 ** (1 - zeta) * (1 + lam) ** zeta for zeta, lam in combinations]
        self.own = torch.tensor(own, dtype=torch.float64)

    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """Products of the moments of two groups, contracted with the expansion."""
        distances = stars.distances
        windows = _by_group(stars, self.windows.values(distances))
        harmonics = spherical_harmonics(stars.vectors / distances[..., None], self.l_max)
        moments = self._moments(stars, windows, harmonics)
        squares = (windows**2).sum(dim=1).unflatten(1, moments.shape[1:3])
        values = []
        for a, b in pairs(moments.shape[1]):
            full = (moments[:, a] * moments[:, b]) @ self.expansion.to(harmonics)
            values.append(full if a != b else 0.5 * (full - squares[:, a, :, None] * self.own.to(full)))
        return torch.stack(values, dim=1).flatten(1)

    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """Each vector against the moments of the other group."""
        distances, n_groups = stars.distances, stars.membership.shape[2]
        direction = stars.vectors / distances[..., None]
        windows, slopes = self.windows.values_and_slopes(distances)
        harmonics, gradient = spherical_harmonics_and_gradient(direction, self.l_max)
        moments = self._moments(stars, _by_group(stars, windows), harmonics)
        partner = (moments[..., None] * self.expansion.to(moments)).movedim(3, 1).flatten(2)
        both = torch.cat([harmonics[:, :, None], gradient], dim=2)
        shape = (n_groups, len(self.windows.channels), self.expansion.shape[1])
        pulled = (both.flatten(1, 2) @ partner).unflatten(1, both.shape[1:3]).unflatten(3, shape)
        value, change = pulled[:, :, 0], pulled[:, :, 1:]  # (stars, slots, [3,] groups, channels, combinations)
        along = torch.einsum("ijx,ijx...->ij...", direction, change)
        radial = slopes[:, :, None, :, None] * value - (windows / distances[..., None])[:, :, None, :, None] * along
        sideways = (windows / distances[..., None])[:, :, None, None, :, None] * change
        derivative = direction[:, :, :, None, None, None] * radial[:, :, None] + sideways
        own = (windows * slopes)[..., None] * self.own.to(windows)
        return _by_pair(stars, derivative, direction[:, :, :, None, None] * own[:, :, None])

    def _moments(self, stars: Stars, windows: Tensor, harmonics: Tensor) -> Tensor:
        """Moments A_lm: (stars, groups, channels, harmonics)."""
        return (windows.mT @ harmonics).unflatten(1, (stars.membership.shape[2], len(self.windows.channels)))


class TripletBlock(Block):
    """Angular functions by pairs of neighbors; `narrow` ones have the window of the third side too."""

    def __init__(self, windows: Windows, angles: Angles, *, narrow: bool):
        self.windows, self.angles, self.narrow = windows, angles, narrow

    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """Quadratic forms w · M · w of every channel and combination."""
        windows = self.windows.values(stars.distances)
        cosines, apart, distinct = _sides(stars)
        factors = [self.angles.values(cosines, c) * distinct for c in self.angles.combinations]
        third = self.windows.values(apart) if self.narrow else None
        forms = []
        for k in range(windows.shape[-1]):
            weights = stars.membership * windows[..., k, None]
            for factor in factors:
                middle = factor if third is None else factor * third[..., k]
                forms.append(weights.mT @ middle @ weights)
        full = torch.stack(forms, dim=-1)  # of one group each pair stands in it twice
        return torch.cat([full[:, a, b] * (1.0 if a != b else 0.5) for a, b in pairs(full.shape[1])], dim=1)

    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """By the chain rule over r_j, cos θ_jk and r_jk."""
        distances = stars.distances[..., None]
        direction = (stars.vectors / distances)[:, :, None]
        windows, slopes = self.windows.values_and_slopes(stars.distances)
        cosines, apart, distinct = _sides(stars)
        factors = [[t * distinct for t in self.angles.values_and_slopes(cosines, c)] for c in self.angles.combinations]
        third, third_slopes = self.windows.values_and_slopes(apart) if self.narrow else (None, None)
        columns = []
        for k in range(windows.shape[-1]):
            weights = stars.membership * windows[..., k, None]  # (stars, slots, groups)
            aimed = (weights[..., None] * direction).flatten(2)
            placed = (weights[..., None] * stars.vectors[:, :, None]).flatten(2)
            for factor, turn in factors:
                middle = factor if third is None else factor * third[..., k]
                turn = turn if third is None else turn * third[..., k]
                turned = (turn @ aimed).unflatten(2, (-1, 3)) - ((turn * cosines) @ weights)[..., None] * direction
                sideways = turned / distances[..., None]
                if third_slopes is not None:
                    stretch = factor * third_slopes[..., k] / apart
                    pushed = (stretch @ weights)[..., None] * stars.vectors[:, :, None]
                    sideways = sideways + pushed - (stretch @ placed).unflatten(2, (-1, 3))
                along = slopes[..., k, None, None] * (middle @ weights)[..., None] * direction
                columns.append(along + windows[..., k, None, None] * sideways)
        derivative = torch.stack(columns, dim=-1).movedim(3, 2)  # (stars, slots, 3, groups, columns)
        return _by_pair(stars, derivative.unflatten(4, (windows.shape[-1], len(factors))), None)


def pairs(n_groups: int) -> list[tuple[int, ...]]:
    """Unordered pairs of groups in the order of the columns."""
    return [(a, b) for a in range(n_groups) for b in range(a, n_groups)]


def _by_group(stars: Stars, windows: Tensor) -> Float[Tensor, "stars slots columns"]:
    return (stars.membership[..., None] * windows[..., None, :]).flatten(2)


def _sides(stars: Stars) -> tuple[Tensor, Tensor, Tensor]:
    """The cosine of θ_jk and r_jk (Å) of every two slots, and whether they are two neighbors; 1 Å where not."""
    vectors, distances = stars.vectors, stars.distances
    cosines = (vectors @ vectors.mT) / (distances[:, :, None] * distances[:, None])
    squared = ((vectors[:, :, None] - vectors[:, None]) ** 2).sum(dim=-1)
    distinct = squared > SAME_PLACE**2
    return cosines, torch.where(distinct, squared, torch.ones_like(squared)).sqrt(), distinct


def _by_pair(
    stars: Stars, derivative: Float[Tensor, "stars slots 3 groups channels combinations"], own: Tensor | None
) -> Float[Tensor, "stars slots 3 columns"]:
    """Columns by pair of groups, from derivatives by partner: a neighbor counts in the pairs that hold its group."""
    member = stars.membership[:, :, None, :, None, None]
    columns = []
    for a, b in pairs(stars.membership.shape[2]):
        if a != b:
            columns.append(member[:, :, :, a] * derivative[:, :, :, b] + member[:, :, :, b] * derivative[:, :, :, a])
        elif own is None:
            columns.append(member[:, :, :, a] * derivative[:, :, :, a])
        else:
            columns.append(member[:, :, :, a] * (derivative[:, :, :, a] - member[:, :, :, a] * own))
    return torch.stack(columns, dim=3).flatten(3)
