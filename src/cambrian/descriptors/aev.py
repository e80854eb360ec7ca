"""AEV: the atomic environment vectors of the ANI potentials, shells of neighbors and shells of angles.

    radial    G_i = Σ_j ¼ e^(-η (r_ij - r_s)²) f(r_ij)
    angular   G_i = Σ_{j<k} 2^(1-ζ) (1 + cos(θ - θ_s))^ζ e^(-η ((r_ij + r_ik)/2 - r_s)²) f(r_ij) f(r_ik)
              θ = arccos(0.95 cos θ_ijk)

one function for each element (radial) or unordered pair of elements (angular) among the neighbors. The factors ¼ and
0.95 are those of the published networks. No arccos is needed: cos(θ - θ_s) = c cos θ_s + (1 - c²)^½ sin θ_s with
c = 0.95 cos θ_ijk, which has a derivative everywhere.
J. S. Smith, O. Isayev, A. E. Roitberg, Chem. Sci. 8, 3192 (2017); X. Gao et al., J. Chem. Inf. Model. 60, 3408 (2020).
"""

import math
from itertools import combinations_with_replacement
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart, fading, fading_arrays
from cambrian.contracts.descriptor import Descriptor
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.envelopes import CosineEnvelope, Envelope

SHRINK = 0.95  # of cosines, so that angles stay away from 0 and π


class AEV(Descriptor):
    """Shells of the published form; distances in Å, eta in 1/Å².

    Radial: `n_radial` shells from `first` towards `cutoff`. Angular, up to `angular_cutoff`: `n_shells` shells from
    `angular_first` times `n_angles` angles. Columns run by element and shell, then by pair of elements, shell and
    angle. The elements stand in the order of `elements`; without it, in the order of Z, as the training set has them.
    """

    def __init__(
        self,
        *,
        cutoff: float = 5.2,
        n_radial: int = 16,
        first: float = 0.9,
        eta: float = 16.0,
        angular_cutoff: float = 3.5,
        n_shells: int = 4,
        angular_first: float = 0.9,
        angular_eta: float = 8.0,
        n_angles: int = 8,
        zeta: float = 32.0,
        envelope: Envelope = CosineEnvelope(),  # noqa: B008 - immutable
        elements: list[str] | None = None,
    ):
        super().__init__()
        if angular_cutoff > cutoff:
            raise UserError(f"angular_cutoff ({angular_cutoff} Å) cannot exceed cutoff ({cutoff} Å)")
        if min(n_radial, n_shells, n_angles) < 1 or zeta < 1:
            raise UserError("n_radial, n_shells, n_angles and zeta are at least 1")
        self.cutoff, self.angular_cutoff, self.envelope = cutoff, angular_cutoff, envelope
        self.eta, self.angular_eta, self.zeta = eta, angular_eta, zeta
        self.given = None if elements is None else [number(s) for s in elements]
        self.shells = _spread(first, cutoff, n_radial)
        self.angular_shells = _spread(angular_first, angular_cutoff, n_shells)
        self.angles = torch.tensor([math.pi * (k + 0.5) / n_angles for k in range(n_angles)], dtype=torch.float64)
        self.register_buffer("elements", torch.tensor(self.given or [], dtype=torch.int64))

    @classmethod
    def like_1x(cls, elements: list[str] | None = None) -> "AEV":
        """The parameters of ANI-1x and ANI-1ccx: 384 features for H, C, N and O."""
        return cls(elements=elements)

    @classmethod
    def like_2x(cls, elements: list[str] | None = None) -> "AEV":
        """The parameters of ANI-2x: 1008 features for H, C, N, O, S, F and Cl."""
        return cls(
            cutoff=5.1,
            first=0.8,
            eta=19.7,
            n_shells=8,
            angular_first=0.8,
            angular_eta=12.5,
            n_angles=4,
            zeta=14.1,
            elements=elements,
        )

    def setup(self, train: Dataset) -> None:
        """Take the elements of the training set, where none were given."""
        if self.given is None:
            self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    @property
    def n_features(self) -> int:
        """Radial and angular columns together."""
        n = len(self.elements)
        return n * len(self.shells) + n * (n + 1) // 2 * self._n_angular

    @property
    def _n_angular(self) -> int:
        return len(self.angular_shells) * len(self.angles)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Values of all functions of every atom; raises UserError for an element that is not in the list."""
        species, n = self._species(graph), len(self.elements)
        radial = self._radial(graph.r_ij.norm(dim=-1))
        block = graph.center * n + species[graph.neighbor]
        found = radial.new_zeros(graph.n_atoms * n, radial.shape[1]).index_add(0, block, radial)
        near, pairs = graph.within(self.angular_cutoff), self._pairs(graph, species)
        sides = _Sides.of(near, pairs.first, pairs.second)
        values = self._window(sides)[:, :, None] * self._angular(sides.cosine)[:, None]
        block = near.center[pairs.first] * pairs.n_kinds + pairs.kind
        angular = radial.new_zeros(graph.n_atoms * pairs.n_kinds, self._n_angular)
        angular = angular.index_add(0, block, values.flatten(1))
        return torch.cat([found.reshape(graph.n_atoms, -1), angular.reshape(graph.n_atoms, -1)], dim=1)

    def compiled(self, numbers: list[int]) -> CompiledPart | None:
        """Shells and angles, and where the columns of each element stand; None for other envelopes."""
        known, own = fading(self.envelope), self.elements.tolist()
        if known is None or not set(numbers) <= set(own):
            return None
        return CompiledPart.of(
            "shells",
            shells=self.shells,
            angular_shells=self.angular_shells,
            angles=self.angles,
            eta=float(self.eta),
            angular_eta=float(self.angular_eta),
            zeta=float(self.zeta),
            cutoff=float(self.cutoff),
            angular_cutoff=float(self.angular_cutoff),
            n_elements=len(own),
            place=[own.index(z) for z in numbers],
            **fading_arrays(known),
        )

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and the analytic derivative of each edge's center features with respect to r_ij of that edge."""
        with torch.no_grad():
            species, n = self._species(graph), len(self.elements)
            distance = graph.r_ij.norm(dim=-1)
            slopes = self._radial_slope(distance)
            radial = distance.new_zeros(graph.n_edges, 3, n, slopes.shape[1])
            edge = torch.arange(graph.n_edges, device=distance.device)
            direction = graph.r_ij / distance[:, None]
            radial[edge, :, species[graph.neighbor]] = direction[:, :, None] * slopes[:, None]
            angular = distance.new_zeros(graph.n_edges, 3, self._pair_count() * self._n_angular)
            angular[torch.nonzero(distance < self.angular_cutoff)[:, 0]] = self._angular_jacobian(graph, species)
            return self.features(graph), torch.cat([radial.flatten(2), angular], dim=2)

    def _angular_jacobian(self, graph: Graph, species: Int[Tensor, "atoms"]) -> Float[Tensor, "edges 3 columns"]:
        """Of the edges within the angular cutoff: each triplet pulls both of its edges."""
        near, pairs = graph.within(self.angular_cutoff), self._pairs(graph, species)
        sides = _Sides.of(near, pairs.first, pairs.second)
        window, angular = self._window(sides), self._angular(sides.cosine)
        turn = self._angular_slope(sides.cosine)
        total = window.new_zeros(near.n_edges * pairs.n_kinds, 3, self._n_angular)
        both = ((pairs.first, sides, sides.first), (pairs.second, sides.swapped(), sides.second))
        for edges, seen, distance in both:
            stretch = self._window_slope(seen)
            along = (stretch[:, :, None] * angular[:, None]).flatten(1)
            across = (window[:, :, None] * turn[:, None]).flatten(1) / distance[:, None]
            sideways = seen.toward_second - seen.cosine[:, None] * seen.toward_first
            pull = seen.toward_first[:, :, None] * along[:, None] + sideways[:, :, None] * across[:, None]
            total.index_add_(0, edges * pairs.n_kinds + pairs.kind, pull)
        return total.reshape(near.n_edges, pairs.n_kinds, 3, -1).transpose(1, 2).flatten(2)

    def _radial(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges shells"]:
        return self._shell(distance) * self.envelope(distance, self.cutoff)[:, None]

    def _radial_slope(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges shells"]:
        offset = distance[:, None] - self.shells.to(distance)
        fade, slope = _with_slope(self.envelope, distance, self.cutoff)
        return self._shell(distance) * (slope[:, None] - 2 * self.eta * offset * fade[:, None])

    def _shell(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges shells"]:
        return 0.25 * torch.exp(-self.eta * (distance[:, None] - self.shells.to(distance)) ** 2)

    def _angular(self, cosine: Float[Tensor, "triplets"]) -> Float[Tensor, "triplets angles"]:
        return 2 * self._half_turned(SHRINK * cosine[:, None]) ** self.zeta

    def _angular_slope(self, cosine: Float[Tensor, "triplets"]) -> Float[Tensor, "triplets angles"]:
        c, angles = SHRINK * cosine[:, None], self.angles.to(cosine)
        turn = torch.cos(angles) - torch.sin(angles) * c / (1 - c**2).sqrt()
        return SHRINK * self.zeta * self._half_turned(c) ** (self.zeta - 1) * turn

    def _half_turned(self, c: Float[Tensor, "triplets 1"]) -> Float[Tensor, "triplets angles"]:
        """(1 + cos(θ - θ_s))/2, above 0 since θ keeps away from 0 and π."""
        angles = self.angles.to(c)
        return (1 + c * torch.cos(angles) + (1 - c**2).sqrt() * torch.sin(angles)) / 2

    def _window(self, sides: "_Sides") -> Float[Tensor, "triplets shells"]:
        fade = self.envelope(sides.first, self.angular_cutoff) * self.envelope(sides.second, self.angular_cutoff)
        return torch.exp(-self.angular_eta * self._offset(sides) ** 2) * fade[:, None]

    def _window_slope(self, sides: "_Sides") -> Float[Tensor, "triplets shells"]:
        """Derivative of the window by the first side."""
        offset = self._offset(sides)
        fade, slope = _with_slope(self.envelope, sides.first, self.angular_cutoff)
        other = self.envelope(sides.second, self.angular_cutoff)
        both = (slope * other)[:, None] - self.angular_eta * offset * (fade * other)[:, None]
        return torch.exp(-self.angular_eta * offset**2) * both

    def _offset(self, sides: "_Sides") -> Float[Tensor, "triplets shells"]:
        return 0.5 * (sides.first + sides.second)[:, None] - self.angular_shells.to(sides.first)

    def _pairs(self, graph: Graph, species: Int[Tensor, "atoms"]) -> "_Pairs":
        """Pairs of edges of one center within the angular cutoff, with the number of their pair of elements."""
        near, n = graph.within(self.angular_cutoff), len(self.elements)
        first, second = graph.triplets(self.angular_cutoff)
        kinds = species.new_zeros(n, n)
        for k, (a, b) in enumerate(combinations_with_replacement(range(n), 2)):
            kinds[a, b] = kinds[b, a] = k
        of_edge = species[near.neighbor]
        return _Pairs(first, second, kinds[of_edge[first], of_edge[second]], self._pair_count())

    def _pair_count(self) -> int:
        n = len(self.elements)
        return n * (n + 1) // 2

    def _species(self, graph: Graph) -> Int[Tensor, "atoms"]:
        same = graph.numbers[:, None] == self.elements
        known = same.any(dim=1)
        if not bool(known.all()):
            strange = symbol(int(graph.numbers[~known][0]))
            raise UserError(f"these AEVs know {', '.join(symbols(self.elements)) or 'no element'}, not {strange}")
        return same.to(torch.int64).argmax(dim=1)

    @classmethod
    def example(cls) -> "AEV":
        """Few shells for hydrogen, carbon and oxygen."""
        return cls(
            cutoff=4.0,
            n_radial=3,
            eta=2.0,
            angular_cutoff=3.0,
            n_shells=2,
            angular_eta=1.5,
            n_angles=3,
            zeta=6.5,
            elements=["H", "C", "O"],
        )


class _Pairs(NamedTuple):
    """Triplets: two edges of one center, and which of the `n_kinds` pairs of elements they lead to."""

    first: Int[Tensor, "triplets"]
    second: Int[Tensor, "triplets"]
    kind: Int[Tensor, "triplets"]
    n_kinds: int


class _Sides(NamedTuple):
    """Lengths (Å) and directions of the two sides of each triplet, and the cosine between them."""

    first: Float[Tensor, "triplets"]
    second: Float[Tensor, "triplets"]
    toward_first: Float[Tensor, "triplets 3"]
    toward_second: Float[Tensor, "triplets 3"]
    cosine: Float[Tensor, "triplets"]

    @classmethod
    def of(cls, near: Graph, first: Int[Tensor, "triplets"], second: Int[Tensor, "triplets"]) -> "_Sides":
        distance = near.r_ij.norm(dim=-1)
        direction = near.r_ij / distance[:, None]
        toward = direction[first], direction[second]
        return cls(distance[first], distance[second], *toward, torch.linalg.vecdot(*toward))

    def swapped(self) -> "_Sides":
        return _Sides(self.second, self.first, self.toward_second, self.toward_first, self.cosine)


def _spread(first: float, cutoff: float, n: int) -> Float[Tensor, "shells"]:
    """Shells from `first` in equal steps; the next one would stand at the cutoff."""
    return torch.tensor([first + (cutoff - first) * k / n for k in range(n)], dtype=torch.float64)


def _with_slope(envelope: Envelope, distance: Float[Tensor, "rows"], cutoff: float) -> tuple[Tensor, Tensor]:
    """The envelope and its derivative."""
    with torch.enable_grad():
        leaf = distance.detach().requires_grad_()
        value = envelope(leaf, cutoff)
        return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]
