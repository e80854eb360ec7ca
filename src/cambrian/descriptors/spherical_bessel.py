"""Spherical Bessel descriptors: the neighbor density in orthonormal functions of distance and angle, made invariant.

    p_nl^st(i) = (2l+1)/4π Σ_{j∈s, k∈t} g_n-l,l(r_ij) g_n-l,l(r_ik) P_l(cos θ_ijk)         0 <= l <= n <= n_max, s <= t
               = (2l+1)/4π Σ_m c_nlm^s c_nlm^t            c_nlm^s = Σ_{j∈s} g_n-l,l(r_ij) Y_lm(r_ij / r_ij)

The second line costs a time that grows with the number of neighbors, not of their pairs; j = k is part of the sum. The
functions g (math/spherical_bessel.py) go to zero at the cutoff with slope and curvature.
E. Kocer, J. K. Mason, H. Erturk, AIP Advances 10, 015021 (2020); H. Montes-Campos, J. Carrete, S. Bichelmaier,
L. M. Varela, G. K. H. Madsen, J. Chem. Inf. Model. 62, 88 (2022) (NeuralIL).
"""

import math
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.descriptor import Descriptor
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.spherical_bessel import SphericalBesselBasis
from cambrian.math.spherical_harmonics import spherical_harmonics, spherical_harmonics_and_gradient

MAX_ORDER = 12
EDGES_AT_ONCE = 4096  # bounds the memory of intermediate derivatives


class SphericalBessel(Descriptor):
    """(n_max + 1)(n_max + 2)/2 features for each pair of elements among the neighbors within `cutoff` (Å).

    Columns run by pair of elements (by atomic number), then n = 0 ... n_max, then l = 0 ... n.
    Raises UserError where n_max is not within 0 and 12.
    """

    def __init__(self, *, cutoff: float = 4.0, n_max: int = 6):
        super().__init__()
        if not 0 <= n_max <= MAX_ORDER:
            raise UserError(f"SphericalBessel: n_max must be within 0 and {MAX_ORDER}, not {n_max}; 4 to 8 is usual")
        if not cutoff > 0:
            raise UserError(f"SphericalBessel: the cutoff must be positive, not {cutoff} Å")
        self.cutoff, self.n_max = cutoff, n_max
        self.basis = SphericalBesselBasis(n_max, cutoff)
        degrees = torch.tensor([degree for _, degree in self.basis.orders])
        self._column = torch.repeat_interleave(torch.arange(len(degrees)), 2 * degrees + 1)  # of each moment
        self._harmonic = torch.cat([torch.arange(degree**2, (degree + 1) ** 2) for degree in degrees.tolist()])
        self._weight = torch.nn.functional.one_hot(self._column).double() * (2 * degrees + 1) / (4 * math.pi)
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))

    def setup(self, train: Dataset) -> None:
        """Take the elements of the training set."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of species indices in the order of the columns."""
        n = len(self.elements)
        return [(s, t) for s in range(n) for t in range(s, n)]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.pairs) * len(self.basis.orders)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Power spectra of every atom; raises UserError for an element that was not in `setup`."""
        species = self._species(graph)[graph.neighbor]
        moments = self._summed(self._moments(graph.r_ij), species, graph)
        weight = self._weight.to(moments)
        return torch.cat(
            [(moments[:, s] * moments[:, t]) @ weight for s, t in self.pairs] or [moments[:, :0, 0]], dim=1
        )

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and each neighbor's dc against the summed c of every element."""
        species = self._species(graph)[graph.neighbor]
        with torch.no_grad():
            derivative = graph.r_ij.new_zeros(graph.n_edges, 3, self.n_features)
            weight, columns = self._weight.to(graph.r_ij), len(self.basis.orders)
            moments = self._summed(self._moments(graph.r_ij), species, graph)
            for start in range(0, graph.n_edges, EDGES_AT_ONCE):
                chunk = slice(start, start + EDGES_AT_ONCE)
                slopes, kinds = self._slopes(graph.r_ij[chunk]), species[chunk]
                partners = moments[graph.center[chunk]]
                for k, (s, t) in enumerate(self.pairs):
                    target = derivative[chunk, :, k * columns : (k + 1) * columns]
                    for own, other in {(s, t), (t, s)}:
                        rows = torch.nonzero(kinds == own)[:, 0]
                        target[rows] += (slopes[rows] * partners[rows, None, other]) @ weight * (2 if s == t else 1)
            return self.features(graph), derivative

    def _moments(self, r_ij: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges moments"]:
        """The products g Y of every edge."""
        distance = r_ij.norm(dim=-1)
        harmonics = spherical_harmonics(r_ij / distance[:, None], self.n_max)
        return self.basis(distance)[:, self._column] * harmonics[:, self._harmonic]

    def _slopes(self, r_ij: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges 3 moments"]:
        """d(g Y)/dr of every edge: along it by g', across it by the slopes of Y."""
        distance = r_ij.norm(dim=-1)
        direction = (r_ij / distance[:, None])[:, :, None]
        forward = torch.func.jvp(self.basis, (distance,), (torch.ones_like(distance),))
        radial, slopes = cast(tuple[Tensor, Tensor], forward)
        harmonics, gradient = spherical_harmonics_and_gradient(direction[:, :, 0], self.n_max)
        across = gradient - direction * (direction * gradient).sum(dim=1, keepdim=True)
        along = slopes[:, self._column] * harmonics[:, self._harmonic]
        sideways = (radial / distance[:, None])[:, None, self._column] * across[:, :, self._harmonic]
        return direction * along[:, None] + sideways

    def _summed(self, moments: Tensor, species: Tensor, graph: Graph) -> Float[Tensor, "atoms species moments"]:
        n = len(self.elements)
        places = graph.center * n + species
        summed = moments.new_zeros(graph.n_atoms * n, moments.shape[1]).index_add(0, places, moments)
        return summed.unflatten(0, (graph.n_atoms, n))

    def _species(self, graph: Graph) -> Int[Tensor, "atoms"]:
        known = torch.isin(graph.numbers, self.elements)
        if not bool(known.all()):
            strange = symbol(int(graph.numbers[~known][0]))
            names = ", ".join(symbols(self.elements)) or "no element"
            raise UserError(f"these Bessel descriptors know {names}, not {strange}")
        return torch.searchsorted(self.elements, graph.numbers)

    @classmethod
    def example(cls) -> "SphericalBessel":
        """Order 3 on hydrogen, carbon and oxygen."""
        descriptor = cls(cutoff=3.5, n_max=3)
        descriptor.elements = torch.tensor([1, 6, 8])
        return descriptor
