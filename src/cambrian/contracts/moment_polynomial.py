"""Polynomials of neighbor moments: what ACE, moment tensors and their kin are, as plain arrays.

    A_v(i) = Σ_{j of species t_v} R_{q_v}(r_ij) Y_{k_v}(r_ij / r_ij)           moments: nodes 0 ... moments - 1
    N_n(i) = Σ_{terms of n} c · N_left(i) · N_right(i)                         products of nodes with smaller numbers
    B_f(i) = Σ_n w_fn N_n(i)                                                   features

A node may sum several products: a coupled or contracted quantity is one node, used as often as wanted.
`features`, `jacobian` and `energies` here are the truth, in plain torch; the compiled loops (contracts/moment_route.py)
evaluate the same arrays.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.graph import Graph, sum_over_neighbors
from cambrian.math.monomials import exponents, monomials
from cambrian.math.radial_table import RadialFunctions, RadialTable
from cambrian.math.spherical_harmonics import spherical_harmonics

ANY = -1  # species of a moment that sums over all neighbors
FAMILIES = ("spherical harmonics", "monomials")
BYTES_AT_ONCE = 64 * 2**20  # of the Jacobian's intermediate arrays


@dataclass(frozen=True, eq=False)
class MomentPolynomial:
    """Tensors float64 and int64, on one device; species are indices into `elements`.

    elements: (species,) atomic numbers, ascending.
    radial: the functions R_q of each pair of species (math/radial_table.py); `RadialTable.of(function, cutoffs)`.
    angular: "spherical harmonics" (math/spherical_harmonics.py: Racah's normalization, its order of columns) or
        "monomials" of the unit vector (math/monomials.py).
    degree: highest l, or highest degree of the monomials.
    moments: (moments, 3): species of the neighbors or ANY (-1), radial index q, angular column k. The loops are fastest
        where moments of one (species, q) have consecutive rows with consecutive k.
    terms: (terms, 3): target, left, right, sorted by target; targets are numbers from `len(moments)` on, without a gap,
        and left, right < target.
    coefficients: (terms,).
    feature_first: (features + 1,), feature_node, feature_weight: (entries,): B_f in compressed rows.

    All species of centers share moments, terms and features; where an element lacks one, its coefficient is zero.
    Raises ValueError where the arrays contradict this.
    """

    elements: Int[Tensor, "species"]
    radial: RadialTable
    angular: str
    degree: int
    moments: Int[Tensor, "moments 3"]
    terms: Int[Tensor, "terms 3"]
    coefficients: Float[Tensor, "terms"]
    feature_first: Int[Tensor, "features_plus_one"]
    feature_node: Int[Tensor, "entries"]
    feature_weight: Float[Tensor, "entries"]

    def __post_init__(self):
        _refuse(self)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.feature_first) - 1

    @property
    def n_nodes(self) -> int:
        """Moments and products."""
        return int(self.terms[-1, 0]) + 1 if len(self.terms) else len(self.moments)

    def features(self, graph: Graph, radial: RadialFunctions | None = None) -> Float[Tensor, "atoms features"]:
        """B of every atom, differentiable in r_ij.

        `radial` takes the table's place: the exact functions, with parameters to train where they have some.
        """
        edges = sum_over_neighbors(self.edge_moments(graph, graph.r_ij, radial), graph)
        return self.features_of(edges)

    def energies(
        self, graph: Graph, coefficients: Float[Tensor, "species features"], radial: RadialFunctions | None = None
    ) -> Float[Tensor, "atoms"]:
        """Σ_f coefficients[species_i, f] B_f(i)."""
        return (self.features(graph, radial) * coefficients[self.species(graph)]).sum(dim=-1)

    def jacobian(
        self, graph: Graph, radial: RadialFunctions | None = None
    ) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and dB/dr_ij = dB/dA of the atom, once, times dA/dr of its edges; without graph of derivatives."""
        with torch.no_grad():
            moments, slopes = [], []
            for axis in torch.eye(3, dtype=graph.r_ij.dtype, device=graph.r_ij.device):
                tangent = axis.expand_as(graph.r_ij).contiguous()
                forward = torch.func.jvp(lambda r: self.edge_moments(graph, r, radial), (graph.r_ij,), (tangent,))
                value, slope = cast(tuple[Tensor, Tensor], forward)
                moments.append(value)
                slopes.append(slope)
            slope, summed = torch.stack(slopes, dim=1), sum_over_neighbors(moments[0], graph)
            jacobian = graph.r_ij.new_zeros(graph.n_edges, 3, self.n_features)
            first = graph.first_edge.tolist()
            size = max(1, BYTES_AT_ONCE // (8 * (self.n_nodes + len(self.terms)) * max(1, self.n_features)))
            for start in range(0, graph.n_atoms, size):
                of_moments = self._slopes_in_moments(summed[start : start + size])
                for atom in range(start, min(start + size, graph.n_atoms)):
                    edges = slice(first[atom], first[atom + 1])
                    jacobian[edges] = slope[edges] @ of_moments[atom - start].mT
            return self.features_of(summed), jacobian

    def species(self, graph: Graph) -> Int[Tensor, "atoms"]:
        """Index of each atom's element; ValueError where it is not among `elements`."""
        found = torch.searchsorted(self.elements, graph.numbers).clamp(max=max(len(self.elements) - 1, 0))
        if not torch.equal(self.elements[found], graph.numbers):
            raise ValueError(f"the graph holds elements other than {self.elements.tolist()}")
        return found

    def edge_moments(
        self, graph: Graph, r_ij: Float[Tensor, "edges 3"], radial: RadialFunctions | None = None
    ) -> Float[Tensor, "edges moments"]:
        """What each edge adds to the moments of its center."""
        species = self.species(graph)
        center, neighbor = species[graph.center], species[graph.neighbor]
        distance = r_ij.norm(dim=-1)
        direction = r_ij / distance[:, None]
        family = spherical_harmonics if self.angular == FAMILIES[0] else monomials
        values = (radial or self.radial)(distance, center, neighbor)
        outside = distance >= self.radial.cutoffs.to(distance)[center, neighbor]
        values = torch.where(outside[:, None], torch.zeros_like(values), values)
        wanted, q, k = self.moments.unbind(dim=1)
        counts = (wanted == ANY) | (wanted == neighbor[:, None])
        return values[:, q] * family(direction, self.degree)[:, k] * counts

    def features_of(self, moments: Float[Tensor, "atoms moments"]) -> Float[Tensor, "atoms features"]:
        """B of atoms with these moments; differentiable."""
        columns = [moments.mT]
        nodes = columns[0]
        for left, right, coefficient, target, n_targets in self._levels:
            products = coefficient.to(moments)[:, None] * nodes[left] * nodes[right]
            nodes = torch.cat([nodes, products.new_zeros(n_targets, len(moments)).index_add(0, target, products)])
        place, feature = self._places
        parts = self.feature_weight.to(moments)[:, None] * nodes[place]
        return parts.new_zeros(self.n_features, len(moments)).index_add(0, feature, parts).mT

    @cached_property
    def _levels(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor, int]]:
        """Terms that can be computed at once, their nodes numbered in the order in which they come to be."""
        n_moments = len(self.moments)
        level = [0] * self.n_nodes
        for target, left, right in self.terms.tolist():
            level[target] = max(level[target], level[left] + 1, level[right] + 1)
        levels = torch.tensor(level)
        order = torch.argsort(levels, stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order))
        found, done = [], n_moments
        for depth in range(1, max(level, default=0) + 1):
            chosen = levels[self.terms[:, 0]] == depth
            target, left, right = place[self.terms[chosen]].unbind(dim=1)
            n_targets = int((levels == depth).sum())
            found.append((left, right, self.coefficients[chosen], target - done, n_targets))
            done += n_targets
        self.__dict__["_place"] = place
        return found

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor]:
        """Node and feature of each entry, the nodes numbered as in `_levels`."""
        _ = self._levels
        counts = self.feature_first.diff()
        return self.__dict__["_place"][self.feature_node], torch.repeat_interleave(counts)

    def _slopes_in_moments(self, moments: Float[Tensor, "atoms moments"]) -> Float[Tensor, "atoms features moments"]:
        """dB/dA, one reverse sweep for all features of all atoms: each feature has a copy of the moments."""
        n_atoms, n = moments.shape
        with torch.enable_grad():
            copies = moments[:, None].expand(n_atoms, self.n_features, n).reshape(-1, n).requires_grad_()
            chosen = torch.arange(self.n_features).repeat(n_atoms)
            own = self.features_of(copies)[torch.arange(len(chosen)), chosen]
            slopes = torch.autograd.grad(own.sum(), copies, materialize_grads=True)[0] if len(chosen) else copies
        return slopes.reshape(n_atoms, self.n_features, n)


def _refuse(p: MomentPolynomial) -> None:
    """Raise ValueError for arrays that do not fit together."""

    def check(right: bool, what: str) -> None:
        if not right:
            raise ValueError(f"MomentPolynomial: {what}")

    n_species, n_moments, n_nodes = len(p.elements), len(p.moments), p.n_nodes
    check(bool((p.elements.diff() > 0).all()), "elements must ascend")
    check(p.radial.cutoffs.shape == (n_species, n_species), "the radial functions are of another number of elements")
    check(p.angular in FAMILIES, f"angular must be one of {FAMILIES}, not {p.angular!r}")
    columns = (p.degree + 1) ** 2 if p.angular == FAMILIES[0] else len(exponents(p.degree))
    highest = torch.tensor([n_species, p.radial.n_radial, columns])
    inside = (p.moments >= torch.tensor([ANY, 0, 0])) & (p.moments < highest)
    check(bool(inside.all()), "a moment has a species, radial index or angular column that does not exist")
    target, left, right = p.terms.unbind(dim=1)
    check(len(p.coefficients) == len(p.terms), "one coefficient for each term")
    check(bool((left < target).all() and (right < target).all() and (p.terms >= 0).all()), "left, right < target")
    expected = torch.arange(n_moments, n_nodes)
    check(torch.equal(torch.unique_consecutive(target), expected), "targets must follow the moments without a gap")
    check(len(p.feature_node) == len(p.feature_weight) == int(p.feature_first[-1]), "feature_first and entries differ")
    check(bool((p.feature_first.diff() >= 0).all()) and int(p.feature_first[0]) == 0, "feature_first must rise from 0")
    check(bool(((p.feature_node >= 0) & (p.feature_node < n_nodes)).all()), "a feature names a node that is not there")
