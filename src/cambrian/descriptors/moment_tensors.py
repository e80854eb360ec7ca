"""Moment tensors: contractions of the moments of each atom's neighbors, up to a level. The descriptor of MTP.

    M_μν(i) = Σ_j f_μ(r_ij) r̂_ij ⊗ ... ⊗ r̂_ij  (ν times)        f_μ = Σ_β c^β_{μ, s_i, s_j} Q_β(r_ij)
    B_α     = all scalars made of products of M by summing over indices, with Σ level(M) <= level
    level(M_μν) = 2 + 4 μ + ν

Q_β are Chebyshev polynomials (math/moment_radial.py), the scalars are listed in math/moment_contractions.py. Elements
are told apart by the radial coefficients c alone, so the number of features does not grow with them. Where nothing has
fitted c, f_μ of n elements is the orthonormal function of order μ // n times cos(π p (k + ½)/n), p = μ mod n, for a
neighbor of the k-th element: sums over all neighbors, differences of elements, and so on.
A. V. Shapeev, Multiscale Model. Simul. 14, 1153 (2016); K. Gubaev, E. V. Podryabinkin, G. L. W. Hart, A. V. Shapeev,
Comput. Mater. Sci. 156, 148 (2019).
"""

from functools import cache
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.fused import Watched
from cambrian.contracts.moment_polynomial import ANY, FAMILIES, MomentPolynomial
from cambrian.contracts.moment_route import MomentRoute, compiled_moments
from cambrian.data.dataset import Dataset
from cambrian.elements import symbols
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.math.contraction_terms import ContractionTerms, multiplicity
from cambrian.math.moment_contractions import Contraction, Levels, contractions
from cambrian.math.moment_radial import chebyshev_functions, orthonormal_combinations
from cambrian.math.monomials import exponents, monomials
from cambrian.math.product_slopes import ProductSlopes
from cambrian.math.radial_table import RadialTable

MOST_LEVEL = 28
PIECES = 1024  # exact to rounding above R_min, to 1e-8 where the functions level off below it
CLOSEST_SHARE = 0.95  # of the shortest distance of the training set


class MomentTensors(Descriptor):
    """Scalars of every atom's neighbors up to a level; even in every direction, so reflections change nothing.

    cutoff: Å; how far each atom sees.
    level: which products of moments there are: 8 has 9, 12 has 32, 16 has 116, 20 has 460 scalars.
    n_radial: number of Chebyshev polynomials that each radial function is made of.
    closest: R_min in Å; when not given, 0.95 times the shortest distance of the training set.
    radial_level, angular_level: what μ and ν add to the level of a moment; smaller ones make more radial functions, or
        finer angles, at the same level.
    scalars: a list of your own instead of all up to a level: each is a pair of lists, moments [μ, ν] and pairs of
        places in that list, one pair for each index that is summed over. [[[0, 1], [0, 1]], [[0, 1]]] is M_01 · M_01.
    train_radial: let solvers that follow gradients change the radial coefficients too.

    `radial` (elements, elements, μ, β) holds the coefficients c for each pair of center and neighbor.
    Raises UserError for settings without meaning, and for an element that was not in `setup`.
    """

    def __init__(
        self,
        *,
        cutoff: float = 5.0,
        level: int = 16,
        n_radial: int = 8,
        closest: float | None = None,
        radial_level: int = 4,
        angular_level: int = 1,
        scalars: list | None = None,
        train_radial: bool = False,
    ):
        super().__init__()
        _refuse_bad_settings(cutoff, level, n_radial, closest, radial_level, angular_level)
        self.cutoff, self.n_radial, self.given_closest, self.train_radial = cutoff, n_radial, closest, train_radial
        chosen = contractions(level, Levels(2, radial_level, angular_level)) if scalars is None else _given(scalars)
        self.program = _program(tuple(chosen))
        self.contractions = chosen
        self.n_functions = 1 + max((mu for c in chosen for mu, _ in c.moments), default=0)
        if self.n_functions > n_radial:
            raise UserError(
                f"MomentTensors: these scalars need {self.n_functions} radial functions, and n_radial is {n_radial}; "
                "raise n_radial to at least that"
            )
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("closest", torch.tensor(2.0 if closest is None else closest, dtype=torch.float64))
        self.radial = nn.Parameter(torch.zeros(0, 0, self.n_functions, n_radial, dtype=torch.float64), train_radial)
        self._watched: Watched | None = None
        self._route: MomentRoute | None = None

    @property
    def n_features(self) -> int:
        """Number of scalars."""
        return len(self.contractions)

    def setup(self, train: Dataset) -> None:
        """Elements and shortest distance of the data, and radial functions to begin with."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)
        if self.given_closest is None:
            shortest = min(
                (float(g.r_ij.norm(dim=-1).min()) for g in train.graphs(self.cutoff) if g.n_edges), default=self.cutoff
            )
            self.closest = torch.tensor(CLOSEST_SHARE * min(shortest, 0.9 * self.cutoff), dtype=torch.float64)
        self._begin()
        self._scale(train)

    def _begin(self) -> None:
        """Orthonormal radial functions, times patterns over the elements of neighbors."""
        n, mu = len(self.elements), torch.arange(self.n_functions)
        rows = orthonormal_combinations(float(self.closest), self.cutoff, self.n_radial)[mu // n]
        pattern = torch.cos(torch.pi * (mu % n) * (torch.arange(n, dtype=torch.float64)[:, None] + 0.5) / n)
        radial = pattern[:, :, None] * rows  # (neighbors, functions, polynomials)
        self.radial = nn.Parameter(radial.expand(n, -1, -1, -1).clone(), self.train_radial)

    def _scale(self, train: Dataset) -> None:
        """Moments of size one: the largest mean square |M_μν|² over the atoms of each element becomes 1."""
        polynomial = self._polynomial(self._unused_table())
        mu = torch.tensor([m[0] for m in self.program.moments])
        nu = torch.tensor([sum(m[1:]) for m in self.program.moments])
        counts = torch.tensor([multiplicity(m[1:]) for m in self.program.moments], dtype=torch.float64)
        place = mu * (self.program.degree + 1) + nu
        squares = torch.zeros(len(self.elements), self.n_functions * (self.program.degree + 1), dtype=torch.float64)
        n_atoms = torch.zeros(len(self.elements), 1, dtype=torch.float64)
        with torch.no_grad():
            for graph, _ in train.batches(self.cutoff):
                edges = polynomial.edge_moments(graph, graph.r_ij, self.radial_functions)
                norms = sum_over_neighbors(edges, graph) ** 2 * counts
                by_order = norms.new_zeros(len(norms), squares.shape[1]).index_add(1, place, norms)
                species = polynomial.species(graph)
                squares.index_add_(0, species, by_order)
                n_atoms.index_add_(0, species, torch.ones(len(norms), 1, dtype=torch.float64))
            largest = (squares / n_atoms.clamp(min=1)).unflatten(1, (self.n_functions, -1)).amax(dim=2)
            largest[largest == 0] = 1.0
            self.radial /= largest.sqrt()[:, None, :, None]

    @property
    def shape(self) -> Float[Tensor, "elements parameters"]:
        """`radial` of each center's element in one row; assign to set it."""
        return self.radial.detach().flatten(1).clone()

    @shape.setter
    def shape(self, values: Float[Tensor, "elements parameters"]) -> None:
        with torch.no_grad():
            self.radial.copy_(values.reshape(self.radial.shape))

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The scalars of every atom; differentiable in r_ij and in `radial`."""
        return self._polynomial(self._unused_table()).features(self._known(graph), self.radial_functions)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Scalars, and their derivatives by the moments of an atom once, times those of each neighbor."""
        known = self._known(graph)
        polynomial, slopes_of = self._polynomial(self._unused_table()), _slopes(tuple(self.contractions))
        with torch.no_grad():
            edges, slopes = self._edge_moments_and_slopes(polynomial, known)
            moments = sum_over_neighbors(edges, known)
            of_moments = slopes_of(moments)
            jacobian = graph.r_ij.new_empty(graph.n_edges, 3, self.n_features)
            first = known.first_edge.tolist()
            for atom in range(graph.n_atoms):
                own = slice(first[atom], first[atom + 1])
                torch.matmul(slopes[own], of_moments[atom].mT, out=jacobian[own])
            return polynomial.features_of(moments), jacobian

    def _edge_moments_and_slopes(
        self, polynomial: MomentPolynomial, graph: Graph
    ) -> tuple[Float[Tensor, "edges moments"], Float[Tensor, "edges 3 moments"]]:
        """What each edge adds to the moments of its center, and the derivatives of that by r_ij."""
        distance = graph.r_ij.norm(dim=-1)
        direction = (graph.r_ij / distance[:, None])[:, :, None]
        species = polynomial.species(graph)
        kinds = species[graph.center], species[graph.neighbor]
        forward = torch.func.jvp(lambda r: self.radial_functions(r, *kinds), (distance,), (torch.ones_like(distance),))
        radial, radial_slopes = cast(tuple[Tensor, Tensor], forward)
        _, mu, k = polynomial.moments.unbind(dim=1)
        angular = monomials(direction[:, :, 0], polynomial.degree)
        powers, lowered = _lowered(polynomial.degree)
        gradient = powers * angular[:, lowered]  # (edges, 3, monomials)
        across = (radial / distance[:, None])[:, mu]
        along = (radial_slopes[:, mu] - exponents(polynomial.degree).sum(dim=1)[k] * across) * angular[:, k]
        return radial[:, mu] * angular[:, k], direction * along[:, None] + across[:, None] * gradient[:, :, k]

    def radial_functions(
        self, distance: Float[Tensor, "edges"], center: Int[Tensor, "edges"], neighbor: Int[Tensor, "edges"]
    ) -> Float[Tensor, "edges functions"]:
        """f_μ at distances in Å between a center and a neighbor of these elements (places in `elements`)."""
        polynomials = chebyshev_functions(distance, self.closest, self.cutoff, self.n_radial)
        return torch.einsum("eb,emb->em", polynomials, self.radial[center, neighbor].to(polynomials))

    def kernel(self) -> MomentRoute | None:
        """The compiled loops on tables of the radial functions, renewed when these change."""
        tensors = [self.elements, self.closest, self.radial]
        if self._watched is None or not self._watched.unchanged(tensors):
            self._watched, self._route = Watched(tensors), MomentRoute.of(self.moment_polynomial())
        return self._route

    def compiled(self, numbers: list[int]) -> CompiledPart:
        """The polynomial's arrays."""
        return compiled_moments(self.moment_polynomial())

    def moment_polynomial(self) -> MomentPolynomial:
        """The same with radial functions as tables, for compiled loops."""
        nodes = _chebyshev_nodes(float(self.closest), self.cutoff, self.n_radial).to(self.radial)
        radial = torch.einsum("pdb,stmb->stpdm", nodes, self.radial.detach()).contiguous()
        return self._polynomial(RadialTable(self._cutoffs(), radial))

    def name_of(self, atomic_number: int, feature: int) -> str:
        """The product of moments, and how many indices each two of them share."""
        c = self.contractions[feature]
        moments = " ".join(f"M_{mu}{nu}" for mu, nu in c.moments)
        return moments + (f" ({', '.join(f'{a + 1}-{b + 1}: {m}' for a, b, m in c.bonds)})" if c.bonds else "")

    def _polynomial(self, table: RadialTable) -> MomentPolynomial:
        program = self.program
        column = {tuple(e): k for k, e in enumerate(exponents(program.degree).tolist())}
        first = torch.arange(len(program.scalars) + 1)
        weights, nodes = zip(*program.scalars, strict=True)
        return MomentPolynomial(
            elements=self.elements,
            radial=table,
            angular=FAMILIES[1],
            degree=program.degree,
            moments=torch.tensor([(ANY, mu, column[tuple(e)]) for mu, *e in program.moments]),
            terms=torch.tensor(program.terms, dtype=torch.int64).reshape(-1, 3),
            coefficients=torch.tensor(program.coefficients, dtype=torch.float64),
            feature_first=first,
            feature_node=torch.tensor(nodes),
            feature_weight=torch.tensor(weights, dtype=torch.float64),
        )

    def _cutoffs(self) -> Float[Tensor, "species species"]:
        return torch.full((len(self.elements),) * 2, self.cutoff, dtype=torch.float64)

    def _unused_table(self) -> RadialTable:
        """In the place of the functions that are computed exactly."""
        nodes = self.radial.new_zeros(len(self.elements), len(self.elements), 1, 3, self.n_functions)
        return RadialTable(self._cutoffs(), nodes)

    def _known(self, graph: Graph) -> Graph:
        known = torch.isin(graph.numbers, self.elements)
        if not bool(known.all()):
            strange = symbols(graph.numbers[~known][:1])[0]
            names = ", ".join(symbols(self.elements)) or "no element"
            raise UserError(f"these moment tensors know {names}, not {strange}")
        return graph

    @classmethod
    def example(cls) -> "MomentTensors":
        """Level 8 on hydrogen, carbon and oxygen."""
        descriptor = cls(cutoff=3.5, level=8, n_radial=4, closest=0.9)
        descriptor.elements = torch.tensor([1, 6, 8])
        descriptor._begin()
        return descriptor


def _given(scalars: list) -> list[Contraction]:
    """Contractions from the lists of a user."""
    found = []
    for k, scalar in enumerate(scalars):
        try:
            moments, pairs = scalar
            found.append(Contraction.of([(mu, nu) for mu, nu in moments], [(a, b) for a, b in pairs]))
        except (TypeError, ValueError) as error:
            raise UserError(
                f"MomentTensors: scalar {k}, {scalar}, must be a list of moments [μ, ν] and a list of pairs of their "
                f"places: {error}"
            ) from None
    if not found:
        raise UserError("MomentTensors: scalars is an empty list; leave it out to have all up to a level")
    return list(dict.fromkeys(found))


@cache
def _program(chosen: tuple[Contraction, ...]) -> ContractionTerms:
    return ContractionTerms(list(chosen))


@cache
def _chebyshev_nodes(closest: float, cutoff: float, n: int) -> Float[Tensor, "pieces 3 n"]:
    """The table of Q_β, of which every f_μ is a sum."""

    def functions(distance: Tensor, center: Tensor, neighbor: Tensor) -> Tensor:
        return chebyshev_functions(distance, distance.new_tensor(closest), cutoff, n)

    return RadialTable.of(functions, torch.full((1, 1), cutoff, dtype=torch.float64), PIECES).nodes[0, 0]


@cache
def _lowered(degree: int) -> tuple[Float[Tensor, "3 monomials"], Int[Tensor, "3 monomials"]]:
    """∂/∂x, ∂/∂y, ∂/∂z of each monomial: its power, and the monomial with one power less (any where that is zero)."""
    rows = exponents(degree).tolist()
    column = {tuple(e): k for k, e in enumerate(rows)}
    lower = [[column.get(tuple(n - (k == axis) for k, n in enumerate(e)), 0) for e in rows] for axis in range(3)]
    return exponents(degree).mT.double(), torch.tensor(lower)


@cache
def _slopes(chosen: tuple[Contraction, ...]) -> ProductSlopes:
    program = _program(chosen)
    parts = [[value] for value in program.scalars]
    return ProductSlopes(len(program.moments), program.terms, program.coefficients, parts)


def _refuse_bad_settings(cutoff, level, n_radial, closest, radial_level, angular_level) -> None:
    """Raise UserError for values that have no meaning."""
    if not cutoff > 0:
        raise UserError(f"MomentTensors: the cutoff must be positive, not {cutoff} Å")
    if not 2 <= level <= MOST_LEVEL:
        raise UserError(f"MomentTensors: level must be within 2 and {MOST_LEVEL}, not {level}; 12 to 20 is usual")
    if n_radial < 1:
        raise UserError(f"MomentTensors: n_radial must be at least 1, not {n_radial}; 8 to 10 is usual")
    if closest is not None and not 0 < closest < cutoff:
        raise UserError(f"MomentTensors: closest must be within 0 and the cutoff, not {closest} Å")
    if min(radial_level, angular_level) < 1:
        raise UserError("MomentTensors: radial_level and angular_level must be at least 1; 4 and 1 are usual")
