"""Atom-centered symmetry functions of padded neighborhoods, with their derivatives; tensors only.

    w_j = e^(-η (r_j - r_s)²) f(r_j)
    radial    G = Σ_j w_j
    wide      G = 2^(1-ζ) Σ_{j<k} (1 + λ cos θ_jk)^ζ w_j w_k
    narrow    the same with a third window e^(-η (r_jk - r_s)²) f(r_jk)

Wide functions of whole ζ need no triplets. With (1 + λt)^ζ = Σ_l c_l P_l(t) and the addition theorem,

    Σ_{j,k} (1 + λ cos θ_jk)^ζ w_j w_k = Σ_l c_l Σ_m A_lm B_lm,      A_lm = Σ_j w_j Y_lm(r_j / r_j)

so all ζ and λ share one set of moments, at a cost that grows with the number of neighbors alone; the pairs j = k are
subtracted. J. Behler, J. Chem. Phys. 134, 074106 (2011).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre, polynomial
from torch import Tensor

from cambrian.math.envelopes import Envelope
from cambrian.math.spherical_harmonics import degrees, spherical_harmonics, spherical_harmonics_and_gradient

Kind = Literal["radial", "narrow", "wide"]
Combination = tuple[float, float]  # ζ, λ
Channel = tuple[float, float]  # η in 1/Å², r_s in Å


@dataclass(frozen=True)
class SymmetryFunction:
    """One function: which neighbors it counts (one or two species indices, ascending) and its parameters (1/Å², Å)."""

    kind: Kind
    neighbors: tuple[int, ...]
    eta: float
    shift: float
    cutoff: float
    zeta: float = 0.0
    lam: float = 0.0


class Stars(NamedTuple):
    """Neighborhoods padded to one number of slots: padding lies beyond the cutoff and belongs to no species."""

    vectors: Float[Tensor, "stars slots 3"]
    species: Float[Tensor, "stars slots species"]  # one-hot

    @property
    def distances(self) -> Float[Tensor, "stars slots"]:
        """Lengths of the vectors, Å."""
        return self.vectors.norm(dim=-1)


class Block(ABC):
    """Functions that share a kind, a cutoff and their combinations; columns run by neighbors, channel, combination."""

    def __init__(self, channels: list[Channel], combinations: list[Combination], cutoff: float, envelope: Envelope):
        self.channels, self.combinations = channels, combinations
        self.cutoff, self.envelope = cutoff, envelope

    @abstractmethod
    def neighbors(self, n_species: int) -> list[tuple[int, ...]]:
        """The species or pairs of species, in the order of the columns."""

    @abstractmethod
    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """All functions of every star, differentiable in the vectors."""

    @abstractmethod
    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """Derivatives of each star's functions by each of its vectors."""

    def windows(self, distances: Float[Tensor, "..."]) -> Float[Tensor, "... channels"]:
        """e^(-η (r - r_s)²) f(r) of every channel."""
        eta, shift = distances.new_tensor(self.channels).unbind(-1)
        gaussians = torch.exp(-eta * (distances[..., None] - shift) ** 2)
        return gaussians * self.envelope(distances, self.cutoff)[..., None]

    def windows_and_slopes(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """The windows and their derivatives by the distance."""
        with torch.enable_grad():
            leaf = distances.detach().requires_grad_()
            envelope = self.envelope(leaf, self.cutoff)
            slope = torch.autograd.grad(envelope.sum(), leaf)[0]
        eta, shift = distances.new_tensor(self.channels).unbind(-1)
        offset = distances[..., None] - shift
        gaussians = torch.exp(-eta * offset**2)
        envelope = envelope.detach()[..., None]
        return gaussians * envelope, gaussians * (slope[..., None] - 2 * eta * offset * envelope)


class RadialBlock(Block):
    """Σ_j w_j for each species of neighbor."""

    def neighbors(self, n_species: int) -> list[tuple[int, ...]]:
        """One species after the other."""
        return [(s,) for s in range(n_species)]

    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """Sums of the windows."""
        return (stars.species.mT @ self.windows(stars.distances)).flatten(1)

    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """Slopes along the directions."""
        distances = stars.distances
        slopes = self.windows_and_slopes(distances)[1]
        columns = (stars.species[..., None] * slopes[..., None, :]).flatten(2)
        return (stars.vectors / distances[..., None])[..., None] * columns[..., None, :]


class WideBlock(Block):
    """Wide angular functions of whole ζ by moments."""

    def __init__(self, channels: list[Channel], combinations: list[Combination], cutoff: float, envelope: Envelope):
        super().__init__(channels, combinations, cutoff, envelope)
        self.l_max = int(max(zeta for zeta, _ in combinations))
        by_degree = np.zeros((self.l_max + 1, len(combinations)))
        for q, (zeta, lam) in enumerate(combinations):
            coefficients = legendre.poly2leg(polynomial.polypow([1.0, lam], int(zeta)))
            by_degree[: len(coefficients), q] = 2 ** (1 - zeta) * coefficients
        self.expansion = torch.from_numpy(by_degree)[degrees(self.l_max)]  # (harmonics, combinations)
        self.own = torch.tensor(
            [2 ** (1 - zeta) * (1 + lam) ** zeta for zeta, lam in combinations], dtype=torch.float64
        )

    def neighbors(self, n_species: int) -> list[tuple[int, ...]]:
        """Unordered pairs of species."""
        return _pairs(n_species)

    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """Products of the moments of two species, contracted with the expansion."""
        distances = stars.distances
        windows = self._by_species(stars, self.windows(distances))
        harmonics = spherical_harmonics(stars.vectors / distances[..., None], self.l_max)
        moments = self._moments(stars, windows, harmonics)
        squares = (windows**2).sum(dim=1).unflatten(1, moments.shape[1:3])
        values = []
        for a, b in _pairs(moments.shape[1]):
            full = (moments[:, a] * moments[:, b]) @ self.expansion.to(harmonics)
            values.append(full if a != b else 0.5 * (full - squares[:, a, :, None] * self.own.to(full)))
        return torch.stack(values, dim=1).flatten(1)

    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """Each vector against the moments of the other species."""
        distances, n_species = stars.distances, stars.species.shape[2]
        direction = stars.vectors / distances[..., None]
        windows, slopes = self.windows_and_slopes(distances)
        harmonics, gradient = spherical_harmonics_and_gradient(direction, self.l_max)
        moments = self._moments(stars, self._by_species(stars, windows), harmonics)
        partner = (moments[..., None] * self.expansion.to(moments)).movedim(3, 1).flatten(2)
        both = torch.cat([harmonics[:, :, None], gradient], dim=2)
        shape = (n_species, len(self.channels), len(self.combinations))
        pulled = (both.flatten(1, 2) @ partner).unflatten(1, both.shape[1:3]).unflatten(3, shape)
        value, change = pulled[:, :, 0], pulled[:, :, 1:]  # (stars, slots, [3,] species, channels, combinations)
        along = torch.einsum("ijx,ijx...->ij...", direction, change)
        radial = slopes[:, :, None, :, None] * value - (windows / distances[..., None])[:, :, None, :, None] * along
        sideways = (windows / distances[..., None])[:, :, None, None, :, None] * change
        derivative = direction[:, :, :, None, None, None] * radial[:, :, None] + sideways
        own = (windows * slopes)[..., None] * self.own.to(windows)
        own = direction[:, :, :, None, None] * own[:, :, None]
        return _by_pair(stars, derivative, own)

    def _by_species(self, stars: Stars, windows: Tensor) -> Float[Tensor, "stars slots columns"]:
        return (stars.species[..., None] * windows[..., None, :]).flatten(2)

    def _moments(self, stars: Stars, windows: Tensor, harmonics: Tensor) -> Tensor:
        """Moments A_lm: (stars, species, channels, harmonics)."""
        return (windows.mT @ harmonics).unflatten(1, (stars.species.shape[2], len(self.channels)))


class TripletBlock(Block):
    """Angular functions by pairs of neighbors: narrow ones, and wide ones of broken ζ (see the subclasses)."""

    def neighbors(self, n_species: int) -> list[tuple[int, ...]]:
        """Unordered pairs of species."""
        return _pairs(n_species)

    @abstractmethod
    def third(self, distances: Tensor) -> Float[Tensor, "... channels"]:
        """Window of the third side."""

    @abstractmethod
    def third_and_slopes(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Window of the third side and its derivative."""

    def features(self, stars: Stars) -> Float[Tensor, "stars columns"]:
        """Quadratic forms w · M · w of every channel and combination."""
        windows = self.windows(stars.distances)
        cosines, apart, distinct = _sides(stars)
        third = self.third(apart) * distinct[..., None]
        forms = []
        for k in range(len(self.channels)):
            weights = stars.species * windows[..., k, None]
            forms += [weights.mT @ (_angular(cosines, *c)[0] * third[..., k]) @ weights for c in self.combinations]
        full = torch.stack(forms, dim=-1)  # of like species each pair stands in it twice
        return torch.cat([full[:, a, b] * (1.0 if a != b else 0.5) for a, b in _pairs(full.shape[1])], dim=1)

    def jacobian(self, stars: Stars) -> Float[Tensor, "stars slots 3 columns"]:
        """By the chain rule over r_j, cos θ_jk and r_jk."""
        distances = stars.distances[..., None]
        direction = (stars.vectors / distances)[:, :, None]
        windows, slopes = self.windows_and_slopes(stars.distances)
        cosines, apart, distinct = _sides(stars)
        third, third_slopes = (t * distinct[..., None] for t in self.third_and_slopes(apart))
        columns = []
        for k in range(len(self.channels)):
            weights = stars.species * windows[..., k, None]  # (stars, slots, species)
            aimed = (weights[..., None] * direction).flatten(2)
            placed = (weights[..., None] * stars.vectors[:, :, None]).flatten(2)
            for combination in self.combinations:
                power, power_slope = _angular(cosines, *combination)
                turn, stretch = power_slope * third[..., k], power * third_slopes[..., k] / apart
                value = (power * third[..., k]) @ weights
                turned = (turn @ aimed).unflatten(2, (-1, 3)) - ((turn * cosines) @ weights)[..., None] * direction
                pushed = (stretch @ weights)[..., None] * stars.vectors[:, :, None]
                pulled = (stretch @ placed).unflatten(2, (-1, 3))
                sideways = windows[..., k, None, None] * (turned / distances[..., None] + pushed - pulled)
                columns.append(slopes[..., k, None, None] * value[..., None] * direction + sideways)
        derivative = torch.stack(columns, dim=-1).movedim(3, 2)  # (stars, slots, 3, species, columns)
        return _by_pair(stars, derivative.unflatten(4, (len(self.channels), len(self.combinations))), None)


class NarrowBlock(TripletBlock):
    """Angular functions that also fade with the third side."""

    def third(self, distances: Tensor) -> Float[Tensor, "... channels"]:
        """The same windows as for the other two sides."""
        return self.windows(distances)

    def third_and_slopes(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """The same windows as for the other two sides."""
        return self.windows_and_slopes(distances)


class WideTripletBlock(TripletBlock):
    """Wide angular functions of broken ζ, which moments cannot express."""

    def third(self, distances: Tensor) -> Float[Tensor, "... channels"]:
        """One everywhere."""
        return torch.ones_like(distances)[..., None].expand(*distances.shape, len(self.channels))

    def third_and_slopes(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """One and zero."""
        ones = self.third(distances)
        return ones, torch.zeros_like(ones)


SAME_PLACE = 1e-5  # Å: nearer than this two slots are one neighbor (distinct atoms that near are refused earlier)


def _pairs(n_species: int) -> list[tuple[int, ...]]:
    return [(a, b) for a in range(n_species) for b in range(a, n_species)]


def _angular(cosines: Tensor, zeta: float, lam: float) -> tuple[Tensor, Tensor]:
    """2^(1-ζ) (1 + λc)^ζ and its derivative by c."""
    base = 1 + lam * cosines
    inside = torch.ones_like(base, dtype=torch.bool)
    if zeta != int(zeta):
        inside = base > 1e-15  # rounding may leave less than zero, and the powers of zero have no derivative
        base = torch.where(inside, base, torch.ones_like(base))
    lower = 2 ** (1 - zeta) * base ** (zeta - 1) * inside
    return lower * base, zeta * lam * lower


def _sides(stars: Stars) -> tuple[Tensor, Tensor, Tensor]:
    """The cosine of θ_jk and r_jk (Å) of every two slots, and whether they are two neighbors; 1 Å where not."""
    vectors, distances = stars.vectors, stars.distances
    cosines = (vectors @ vectors.mT) / (distances[:, :, None] * distances[:, None])
    squared = ((vectors[:, :, None] - vectors[:, None]) ** 2).sum(dim=-1)
    distinct = squared > SAME_PLACE**2
    return cosines, torch.where(distinct, squared, torch.ones_like(squared)).sqrt(), distinct


def _by_pair(
    stars: Stars, derivative: Float[Tensor, "stars slots 3 species channels combinations"], own: Tensor | None
) -> Float[Tensor, "stars slots 3 columns"]:
    """Columns by pair of species, from derivatives by partner: a neighbor counts in the pairs that hold its species."""
    is_species = stars.species[:, :, None, :, None, None]
    columns = []
    for a, b in _pairs(stars.species.shape[2]):
        column = is_species[:, :, :, a] * (derivative[:, :, :, b] - (own if own is not None and a == b else 0.0))
        columns.append(column if a == b else column + is_species[:, :, :, b] * derivative[:, :, :, a])
    return torch.stack(columns, dim=3).flatten(3)
