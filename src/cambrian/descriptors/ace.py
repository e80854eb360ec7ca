"""Atomic cluster expansion: all invariant polynomials of an atom's neighborhood, body order by body order.

    A_{μnlm}(i) = Σ_{j of species μ} R_n(r_ij) Y_lm(r̂_ij)          B_v = Σ_m C_m Π_t A_{μ_t n_t l_t m_t}(i)

One factor A is a pair function, two make angles (a power spectrum), three dihedral angles, and so on: a feature of ν
factors sees ν + 1 bodies. Couplings C are real and independent (`math/coupling.py`), products share their parts
(`math/products.py`), so the time grows with the number of neighbors, not of their pairs.
R. Drautz, Phys. Rev. B 99, 014104 (2019); G. Dusson et al., J. Comput. Phys. 454, 110946 (2022).
"""

import math
from itertools import groupby
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.lammps import CoefficientTable, LammpsPace, NetworkTable
from cambrian.contracts.moment_polynomial import MomentPolynomial
from cambrian.contracts.moment_route import MomentRoute, compiled_moments
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.ace_basis import (
    ClusterBasis,
    Limits,
    Slopes,
    Slot,
    cluster_basis,
    cluster_slopes,
    invariants_of,
    lowered,
    n_functions,
)
from cambrian.math.complex_products import complex_product
from cambrian.math.products import levels
from cambrian.math.radial_bases import ChebPow, RadialBasis
from cambrian.math.radial_table import RadialTable
from cambrian.math.spherical_harmonics import spherical_harmonics_and_gradient

MOST_FEATURES = 20000
SLOPE_BYTES = 2**26  # memory that the slopes of one chunk of atoms may take
MOST_FACTORS, MOST_DEGREE = 8, 12


class AtomicClusterExpansion(Descriptor):
    """Invariants of up to len(n_max) neighbors at once, of every combination of elements among them.

    cutoff: Å; how far each atom sees.
    n_max, l_max: how many radial functions, and up to which angular degree, features of 1, 2, 3 ... factors may use;
        with one factor only l = 0 says anything.
    degree: the largest Σ (n + l_weight l) over the factors of a feature, for 1, 2, 3 ... factors; None for no limit.
    l_weight: how much an angular degree counts beside a radial one.
    radial: the radial functions (SBessel, ChebExpCos, ChebPow).
    most_features: where the elements of the data would make more features than this, the degrees of products are
        lowered, all by the same amount; None leaves them.
    roughness_power, roughness_l: q and w of the roughness Σ_t (n_t^q + w l_t^q) by which a ridge holds features back.

    Raises UserError for lists of different lengths, numbers that make no basis, or more than 20000 features.
    """

    def __init__(
        self,
        *,
        cutoff: float = 5.5,
        n_max: list[int] = [15, 6, 4, 3],  # noqa: B006 - read only
        l_max: list[int] = [0, 4, 3, 2],  # noqa: B006
        degree: list[float] | None = None,
        l_weight: float = 1.0,
        radial: RadialBasis = ChebPow(),  # noqa: B008
        most_features: int | None = None,
        roughness_power: float = 2.0,
        roughness_l: float = 1.0,
    ):
        super().__init__()
        limit = tuple(degree) if degree is not None else (math.inf,) * len(n_max)
        self.given_limits = Limits(tuple(n_max), tuple(l_max), limit, l_weight)
        _refuse_bad_settings(cutoff, self.given_limits)
        self.cutoff, self.radial, self.most_features = cutoff, radial, most_features
        self.roughness_power, self.roughness_l = roughness_power, roughness_l
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))
        self._polynomial: MomentPolynomial | None = None
        self._slopes: _SlopeMap | None = None
        self._route: MomentRoute | None = None

    def setup(self, train: Dataset) -> None:
        """Take the elements of the training set."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    @property
    def limits(self) -> Limits:
        """How far the basis goes for the elements of the data."""
        if self.most_features is None:
            return self.given_limits
        return lowered(self.given_limits, len(self.elements), self.most_features)

    @property
    def basis(self) -> ClusterBasis:
        """The features as polynomials; raises UserError where there are too many."""
        if n_functions(self.limits, len(self.elements), MOST_FEATURES) > MOST_FEATURES:
            raise UserError(
                f"AtomicClusterExpansion: these limits give more than {MOST_FEATURES} features for "
                f"{len(self.elements)} elements; set most_features, lower degree, n_max or l_max, or leave out the "
                "last of each"
            )
        return cluster_basis(self.limits, len(self.elements))

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.basis.functions)

    def polynomial(self) -> MomentPolynomial:
        """The features as plain arrays, radial functions as a table."""
        known = self._polynomial
        if known is None or not torch.equal(known.elements, self.elements.cpu()):
            self._polynomial = known = self._arrays()
        return known

    def radial_functions(
        self, distance: Float[Tensor, "edges"], center: Int[Tensor, "edges"], neighbor: Int[Tensor, "edges"]
    ) -> Float[Tensor, "edges radial"]:
        """R_n of every edge; the same for all elements."""
        return self.radial(distance, self.cutoff, self.basis.n_radial)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Invariants of every atom; raises UserError for an element that was not in `setup`."""
        self._refuse_unknown(graph)
        return self.polynomial().features(graph, self.radial_functions)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and dB/dA of every atom once, times dA/dr of its edges."""
        self._refuse_unknown(graph)
        polynomial, n_species = self.polynomial(), len(self.elements)
        with torch.no_grad():
            species = polynomial.species(graph)[graph.neighbor]
            values, of_edges = self._edge_moments_and_slopes(graph.r_ij)
            moments = values.new_zeros(graph.n_atoms * n_species, values.shape[1])
            moments = moments.index_add(0, graph.center * n_species + species, values).reshape(graph.n_atoms, -1)
            derivative = values.new_zeros(graph.n_edges, 3, self.n_features)
            first, size = graph.first_edge.tolist(), max(1, SLOPE_BYTES // (8 * self.n_features * moments.shape[1]))
            for start in range(0, graph.n_atoms, size):
                of_moments = self._slopes_in_moments(moments[start : start + size])
                for atom in range(start, min(start + size, graph.n_atoms)):
                    edges = torch.arange(first[atom], first[atom + 1])
                    for s in range(n_species):
                        own = edges[species[edges] == s]
                        derivative[own] = of_edges[own] @ of_moments[atom - start, :, s].mT
            return polynomial.features_of(moments), derivative

    def kernel(self) -> MomentRoute | None:
        """The fused loops, where they are compiled."""
        polynomial = self.polynomial()
        if self._route is None or self._route.polynomial is not polynomial:
            self._route = MomentRoute.of(polynomial)
        return self._route

    def compiled(self, numbers: list[int]) -> CompiledPart:
        """The polynomial's arrays."""
        return compiled_moments(self.polynomial())

    def roughness(self) -> Float[Tensor, "elements features"]:
        """Σ_t (n_t^q + w l_t^q) of each feature, one row for all elements."""
        q, w = self.roughness_power, self.roughness_l
        rows = [sum(n**q + w * degree**q for degree, n, _ in slots) for slots in self.basis.functions]
        return torch.tensor([rows], dtype=torch.float64)

    def name_of(self, atomic_number: int, feature: int) -> str:
        """The factors of a feature: element, n and l of each."""
        names = symbols(self.elements)
        return " ".join(f"{names[species]}(n={n}, l={degree})" for degree, n, species in self.basis.functions[feature])

    def lammps(self, elements: list[str], table: CoefficientTable | NetworkTable) -> LammpsPace | None:
        """The contents of a .yace file: every coupling multiplied out with its coefficient; None for networks."""
        if isinstance(table, NetworkTable) or table.quadratic:
            return None
        n = self.basis.n_radial
        unit = [[[float(k == row) for k in range(n)]] * (self.basis.l_max + 1) for row in range(n)]
        bond = {"nradmax": n, "lmax": self.basis.l_max, "nradbasemax": n, "radbasename": type(self.radial).__name__}
        bond |= {"radparameters": [getattr(self.radial, "lam", 1.0)], "radcoefficients": unit, "prehc": 0.0}
        bond |= {"lambdahc": 1.0, "rcut": self.cutoff, "dcut": 0.0, "rcut_in": 0.0, "dcut_in": 0.0}
        bond |= {"inner_cutoff_type": "distance"}
        embedding = {"ndensity": 1, "FS_parameters": [1.0, 1.0], "npoti": "FinnisSinclair"}
        embedding |= {"rho_core_cutoff": 100000.0, "drho_core_cutoff": 250.0}
        rows = table.coefficients.tolist()
        return LammpsPace(
            elements=tuple(elements),
            energies=tuple(row[0] for row in rows),
            embeddings=(embedding,) * len(elements),
            bonds={f"{a} {b}": bond for a in elements for b in elements},
            functions=tuple(self._functions(s, row[1:]) for s, row in enumerate(rows)),
        )

    def _functions(self, species: int, coefficients: list[float]) -> list[dict[str, Any]]:
        """Functions of one element as PACE writes them; the couplings of one multiset become one function."""
        sums: dict[tuple[Slot, ...], dict[tuple[int, ...], float]] = {}
        for slots, of_slots in groupby(zip(self.basis.functions, coefficients, strict=True), key=lambda f: f[0]):
            orders, found = tuple(s[0] for s in slots), invariants_of(slots)
            weights = np.array([c for _, c in of_slots]) @ found.coefficients
            total = sums.setdefault(slots, {})
            for columns, weight in zip(found.columns.tolist(), weights.tolist(), strict=True):
                for ms, value in complex_product(orders, tuple(columns)).items():
                    total[ms] = total.get(ms, 0.0) + weight * value
        return [
            {"mu0": species, "rank": len(slots), "ndensity": 1, "num_ms_combs": len(total)}
            | {"mus": [s[2] for s in slots], "ns": [s[1] for s in slots], "ls": [s[0] for s in slots]}
            | {"ms_combs": [m for ms in total for m in ms], "ctildes": list(total.values())}
            for slots, total in sums.items()
        ]

    def _arrays(self) -> MomentPolynomial:
        basis, elements = self.basis, self.elements.cpu()
        n_moments, n_products = len(basis.moments), len(basis.left)
        order = torch.from_numpy(basis.feature).argsort(stable=True)
        counts = torch.bincount(torch.from_numpy(basis.feature), minlength=len(basis.functions))
        target = torch.arange(n_moments, n_moments + n_products)
        one = RadialTable.of(self.radial_functions, torch.full((1, 1), self.cutoff, dtype=torch.float64))
        every = (len(elements), len(elements))  # the same for each pair
        return MomentPolynomial(
            elements=elements.clone(),
            radial=RadialTable(one.cutoffs.expand(every), one.nodes.expand(*every, -1, -1, -1).contiguous()),
            angular="spherical harmonics",
            degree=basis.l_max,
            moments=torch.from_numpy(basis.moments),
            terms=torch.stack([target, torch.from_numpy(basis.left), torch.from_numpy(basis.right)], dim=1),
            coefficients=torch.ones(n_products, dtype=torch.float64),
            feature_first=torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
            feature_node=torch.from_numpy(basis.node)[order],
            feature_weight=torch.from_numpy(basis.coefficient)[order],
        )

    def _edge_moments_and_slopes(
        self, r_ij: Float[Tensor, "edges 3"]
    ) -> tuple[Float[Tensor, "edges pairs"], Float[Tensor, "edges 3 pairs"]]:
        """R_n Y_lm of every edge for the pairs of n and lm that one element has, and their derivatives by r_ij."""
        basis, distance = self.basis, r_ij.norm(dim=-1)
        _, n, k = torch.from_numpy(basis.moments[: len(basis.moments) // len(self.elements)]).unbind(dim=1)
        forward = torch.func.jvp(
            lambda r: self.radial(r, self.cutoff, basis.n_radial), (distance,), (torch.ones_like(distance),)
        )
        radial, radial_slopes = cast(tuple[Tensor, Tensor], forward)
        direction = r_ij / distance[:, None]
        harmonics, gradient = spherical_harmonics_and_gradient(direction, basis.l_max)
        across = gradient - direction[:, :, None] * (direction[:, :, None] * gradient).sum(dim=1, keepdim=True)
        along = direction[:, :, None] * (radial_slopes[:, n] * harmonics[:, k])[:, None]
        sideways = (radial / distance[:, None])[:, None, n] * across[:, :, k]
        return radial[:, n] * harmonics[:, k], along + sideways

    def _slopes_in_moments(
        self, moments: Float[Tensor, "atoms moments"]
    ) -> Float[Tensor, "atoms features species pairs"]:
        """dB/dA: each is a sum over products with one factor less."""
        if self._slopes is None or self._slopes.n_species != len(self.elements):
            self._slopes = _SlopeMap.of(cluster_slopes(self.limits, len(self.elements)), self.basis, len(self.elements))
        slopes = self._slopes(moments)
        return slopes.reshape(len(moments), self.n_features, len(self.elements), -1)

    def _refuse_unknown(self, graph: Graph) -> None:
        known = torch.isin(graph.numbers, self.elements)
        if not bool(known.all()):
            strange, names = symbol(int(graph.numbers[~known][0])), ", ".join(symbols(self.elements)) or "no element"
            raise UserError(f"this cluster expansion knows {names}, not {strange}")

    @classmethod
    def example(cls) -> "AtomicClusterExpansion":
        """Up to three factors on hydrogen, carbon and oxygen."""
        descriptor = cls(cutoff=3.5, n_max=[4, 2, 1], l_max=[0, 2, 1], degree=[4, 5, 4])
        descriptor.elements = torch.tensor([1, 6, 8])
        return descriptor


class _SlopeMap:
    """dB/dA (atoms, features * moments) from the moments of atoms."""

    def __init__(self, n_species: int, steps: list[tuple[Tensor, Tensor]], matrix: Tensor):
        self.n_species, self.steps, self.matrix = n_species, steps, matrix

    @classmethod
    def of(cls, slopes: Slopes, basis: ClusterBasis, n_species: int) -> "_SlopeMap":
        n_moments, n_products = len(basis.moments), len(slopes.left)
        by_level = levels(slopes.left, slopes.right, n_moments)
        place = np.arange(1 + n_moments + n_products)  # the number one, moments, products by level
        place[1 + n_moments + np.concatenate([*by_level, np.zeros(0, dtype=np.int64)])] = (
            np.arange(n_products) + 1 + n_moments
        )
        steps = [
            (torch.from_numpy(place[1 + slopes.left[chosen]]), torch.from_numpy(place[1 + slopes.right[chosen]]))
            for chosen in by_level
        ]
        rows = torch.from_numpy(slopes.feature * n_moments + slopes.moment)
        entries = torch.stack([rows, torch.from_numpy(place[1 + slopes.node])])
        size = (len(basis.functions) * n_moments, len(place))
        matrix = torch.sparse_coo_tensor(entries, torch.from_numpy(slopes.coefficient), size, check_invariants=False)
        return cls(n_species, steps, matrix.coalesce())

    def __call__(self, moments: Float[Tensor, "atoms moments"]) -> Float[Tensor, "atoms slopes"]:
        nodes = torch.cat([torch.ones_like(moments[:, :1]), moments], dim=1).mT
        for left, right in self.steps:
            nodes = torch.cat([nodes, nodes[left] * nodes[right]])
        return torch.sparse.mm(self.matrix.to(moments), nodes).mT


def _refuse_bad_settings(cutoff: float, limits: Limits) -> None:
    """Raise UserError for numbers that make no basis."""
    if not cutoff > 0:
        raise UserError(f"AtomicClusterExpansion: the cutoff must be positive, not {cutoff} Å")
    lengths = {len(limits.n_max), len(limits.l_max), len(limits.degree)}
    if len(lengths) > 1 or not 1 <= len(limits.n_max) <= MOST_FACTORS:
        raise UserError(
            "AtomicClusterExpansion: n_max, l_max and degree need one number for each number of factors, for 1 to "
            f"{MOST_FACTORS} factors; they have {len(limits.n_max)}, {len(limits.l_max)} and {len(limits.degree)}"
        )
    if min(limits.n_max) < 1 or min(limits.l_max) < 0 or max(limits.l_max) > MOST_DEGREE:
        raise UserError(
            f"AtomicClusterExpansion: n_max must be 1 or more and l_max within 0 and {MOST_DEGREE}, not "
            f"{list(limits.n_max)} and {list(limits.l_max)}"
        )
    if limits.l_weight < 0:
        raise UserError(f"AtomicClusterExpansion: l_weight must not be negative, it is {limits.l_weight}")
