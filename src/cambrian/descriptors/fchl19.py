"""FCHL19: distributions of distances and angles around each atom, weighted by powers of distance.

    two-body    X_i,sk  = Σ_j∈s f(r) r^-N₂ exp(-(ln R_k - μ)²/2σ²) / (σ √2π R_k)     σ² = ln(1 + η₂/r²), μ = ln r - σ²/2
    three-body  X_i,stk = Σ_j∈s Σ_k∈t f f' exp(-η₃ ((r + r')/2 - R_k)²) ξ (2 cos θ, 2 sin θ) exp(-ζ²/2)
                ξ = w √(η₃/π) (1 + 3 cos θ cos θ' cos θ'') / (r r' r'')^N₃

r, r' from atom i to j and k, r'' between these, θ the angle at i, θ' and θ'' the others; f the envelope. Radii R_k are
evenly spaced up to the cutoff. Columns: two-body by element of the neighbor, then three-body by pair of elements, each
by radius, cosine before sine. Forces jump where three atoms are in line, as the slope of sin θ does.

A. S. Christensen, L. A. Bratholm, F. A. Faber, O. A. von Lilienfeld, J. Chem. Phys. 152, 044107 (2020).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.descriptor import Descriptor
from cambrian.data.dataset import Dataset
from cambrian.graph import Graph
from cambrian.math.envelopes import CosineEnvelope, Envelope

IN_LINE = 1e-12  # Å⁴, (r r' sin θ)² below which three atoms count as in line: far above rounding, far below any effect


class FCHL19(Descriptor):
    """Features (atoms, elements · n_two + elements · (elements + 1) · n_three); widths and powers as published.

    cutoff: Å; n_two, n_three: radii of the two- and three-body terms; two_width, three_width: η₂ in Å² and η₃ in Å⁻²;
    two_power, three_power: N₂ and N₃; three_weight: w; angular_width: ζ.
    """

    elements: Int[Tensor, "elements"]

    def __init__(
        self,
        *,
        cutoff: float = 8.0,
        n_two: int = 24,
        n_three: int = 20,
        two_width: float = 0.32,
        three_width: float = 2.7,
        two_power: float = 1.8,
        three_power: float = 0.57,
        three_weight: float = 13.4,
        angular_width: float = math.pi,
        envelope: Envelope = CosineEnvelope(),  # noqa: B008 - immutable
    ):
        super().__init__()
        self.cutoff, self.n_two, self.n_three, self.envelope = cutoff, n_two, n_three, envelope
        self.two_width, self.three_width = two_width, three_width
        self.two_power, self.three_power = two_power, three_power
        self.factor = 2 * three_weight * math.sqrt(three_width / math.pi) * math.exp(-(angular_width**2) / 2)
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))

    @property
    def n_features(self) -> int:
        """Columns, once the elements are known."""
        n = len(self.elements)
        return n * self.n_two + n * (n + 1) * self.n_three

    def setup(self, train: Dataset) -> None:
        """Note the elements."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Sums over edges and over pairs of edges of each atom."""
        place_two, place_three, first, second = self._places(graph)
        r = graph.r_ij.norm(dim=-1)
        two = r.new_zeros(graph.n_atoms * len(self.elements), self.n_two)
        two = two.index_add(0, graph.center * len(self.elements) + place_two, self._two(r))
        a, b = graph.r_ij[first], graph.r_ij[second]
        values = self._three(r[first], r[second], (b - a).norm(dim=-1), _sine(a, b))
        three = r.new_zeros(graph.n_atoms * self._n_pairs, 2 * self.n_three)
        three = three.index_add(0, graph.center[first] * self._n_pairs + place_three, values)
        return torch.cat([two.reshape(graph.n_atoms, -1), three.reshape(graph.n_atoms, -1)], dim=1)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features and their derivatives in closed form."""
        place_two, place_three, first, second = self._places(graph)
        r = graph.r_ij.norm(dim=-1)
        along = graph.r_ij / r[:, None]
        two = along.new_zeros(graph.n_edges, len(self.elements), 3, self.n_two)
        two[torch.arange(graph.n_edges), place_two] = along[:, :, None] * self._two_slope(r)[:, None]
        three = along.new_zeros(graph.n_edges * self._n_pairs, 3, 2 * self.n_three)
        by_first, by_second = self._three_slopes(graph.r_ij[first], graph.r_ij[second])
        three.index_add_(0, first * self._n_pairs + place_three, by_first)
        three.index_add_(0, second * self._n_pairs + place_three, by_second)
        three = three.reshape(graph.n_edges, self._n_pairs, 3, 2 * self.n_three)
        columns = [part.transpose(1, 2).flatten(2) for part in (two, three)]
        with torch.no_grad():
            return self.features(graph), torch.cat(columns, dim=2)

    @property
    def _n_pairs(self) -> int:
        n = len(self.elements)
        return n * (n + 1) // 2

    def _places(self, graph: Graph) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Element of each edge's neighbor; pair of elements, first and second edge of each triplet."""
        kind = torch.searchsorted(self.elements, graph.numbers[graph.neighbor])
        first, second = graph.triplets(self.cutoff)
        low, high = torch.minimum(kind[first], kind[second]), torch.maximum(kind[first], kind[second])
        return kind, len(self.elements) * low - low * (low + 1) // 2 + high, first, second

    def _two(self, r: Float[Tensor, "edges"]) -> Float[Tensor, "edges radii"]:
        return self.envelope(r, self.cutoff)[:, None] * self._shape(r[:, None])[0]

    def _shape(self, r: Float[Tensor, "edges 1"]) -> tuple[Tensor, Tensor, Tensor]:
        """Two-body values without the envelope, ln R - μ and σ²."""
        radii = self._radii(self.n_two, r)
        variance = torch.log1p(self.two_width / r**2)
        away = radii.log() - r.log() + variance / 2
        shape = torch.exp(-(away**2) / (2 * variance)) / ((2 * math.pi * variance).sqrt() * radii)
        return r**-self.two_power * shape, away, variance

    def _two_slope(self, r: Float[Tensor, "edges"]) -> Float[Tensor, "edges radii"]:
        """Derivatives of the two-body values by distance."""
        f, (f_slope,) = _with_slopes(lambda x: self.envelope(x, self.cutoff), r)
        f, f_slope, r = f[:, None], f_slope[:, None], r[:, None]
        values, u, v = self._shape(r)
        v_slope = -2 * self.two_width / (r * (r**2 + self.two_width))
        u_slope = -1 / r + v_slope / 2
        logarithmic = -self.two_power / r - u * u_slope / v + (u**2 / v - 1) * v_slope / (2 * v)
        return values * (f_slope + f * logarithmic)

    def _three(self, r: Tensor, other: Tensor, across: Tensor, sine: Tensor) -> Float[Tensor, "triplets columns"]:
        """Cosine and sine of each radius, from two sides and the one across, and the sine of the angle between."""
        radial = self._radial(r, other) * self._screen(r, other, across)[:, None]
        return torch.stack([radial * _cosine(across, r, other)[:, None], radial * sine[:, None]], dim=-1).flatten(1)

    def _radial(self, r: Tensor, other: Tensor) -> Float[Tensor, "triplets radii"]:
        return torch.exp(-self.three_width * (0.5 * (r + other)[:, None] - self._radii(self.n_three, r)) ** 2)

    def _screen(self, r: Tensor, other: Tensor, across: Tensor) -> Float[Tensor, "triplets"]:
        cosines = _cosine(across, r, other) * _cosine(r, other, across) * _cosine(other, across, r)
        near = self.envelope(r, self.cutoff) * self.envelope(other, self.cutoff)
        return self.factor * near * (1 + 3 * cosines) * (r * other * across) ** -self.three_power

    def _three_slopes(self, a: Float[Tensor, "triplets 3"], b: Float[Tensor, "triplets 3"]) -> tuple[Tensor, Tensor]:
        """Derivatives of the three-body values by the two edges (triplets, 3, columns)."""
        sides = [v.norm(dim=-1) for v in (a, b, b - a)]
        towards = [v / n[:, None] for v, n in zip((a, b, b - a), sides, strict=True)]
        radial, sine = self._radial(sides[0], sides[1])[..., None], _sine(a, b)
        bend = 0.5 * (sides[0] + sides[1])[:, None] - self._radii(self.n_three, sides[0])
        radial_slope = -self.three_width * bend[..., None] * radial  # by either of the two sides
        screen, of_screen = _with_slopes(self._screen, *sides)
        cosine, of_cosine = _with_slopes(lambda r, other, across: _cosine(across, r, other), *sides)
        angular = torch.stack([cosine, sine], dim=-1)
        slopes = []
        for k in range(3):  # by each side at a fixed sine
            factor = of_screen[k][:, None] * angular
            factor[:, 0] += screen * of_cosine[k]
            total = radial * factor[:, None]
            if k < 2:
                total = total + radial_slope * (screen[:, None] * angular)[:, None]
            slopes.append(total.flatten(1)[:, None])
        of_sine = torch.stack([torch.zeros_like(screen), screen], dim=-1)
        of_sine = (radial * of_sine[:, None]).flatten(1)[:, None]
        by_a, by_b = _sine_slopes(a, b)
        across = towards[2][..., None] * slopes[2]
        return (
            towards[0][..., None] * slopes[0] - across + by_a[..., None] * of_sine,
            towards[1][..., None] * slopes[1] + across + by_b[..., None] * of_sine,
        )

    def _radii(self, n: int, like: Tensor) -> Float[Tensor, "radii"]:
        return torch.linspace(0.0, self.cutoff, n + 1, dtype=like.dtype, device=like.device)[1:]

    @classmethod
    def example(cls) -> "FCHL19":
        """Few radii, for hydrogen, carbon and oxygen."""
        descriptor = cls(cutoff=4.0, n_two=6, n_three=4)
        descriptor.elements = torch.tensor([1, 6, 8])
        return descriptor


def _cosine(far: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """The cosine of the angle between two sides of a triangle, opposite to the far one."""
    return (one**2 + other**2 - far**2) / (2 * one * other)


def _sine(a: Float[Tensor, "triplets 3"], b: Float[Tensor, "triplets 3"]) -> Float[Tensor, "triplets"]:
    """The sine of the angle between two vectors, with a slope of zero where they are in line."""
    normal = torch.linalg.cross(a, b).square().sum(dim=-1).add(IN_LINE).sqrt()
    return normal / (a.norm(dim=-1) * b.norm(dim=-1))


def _sine_slopes(a: Float[Tensor, "triplets 3"], b: Float[Tensor, "triplets 3"]) -> tuple[Tensor, Tensor]:
    """Derivatives of the sine by the two vectors."""
    normal = torch.linalg.cross(a, b)
    normal = normal / normal.square().sum(dim=-1, keepdim=True).add(IN_LINE).sqrt()
    aa, bb = (v.square().sum(dim=-1, keepdim=True) for v in (a, b))
    area, sine = (aa * bb).sqrt(), _sine(a, b)[:, None]
    return torch.linalg.cross(b, normal) / area - sine * a / aa, torch.linalg.cross(normal, a) / area - sine * b / bb


def _with_slopes(function: Callable[..., Tensor], *values: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A function of one number per row, and its derivatives by each argument."""
    with torch.enable_grad():
        leaves = [v.detach().requires_grad_() for v in values]
        found = function(*leaves)
        slopes = torch.autograd.grad(found.sum(), leaves) if len(found) else tuple(torch.zeros_like(v) for v in leaves)
    return found.detach(), slopes
