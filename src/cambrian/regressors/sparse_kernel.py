"""Sparse Gaussian process on any descriptor of atoms: energies by likeness to a few environments of the training set.

    E_i = Σ_s c_s k(x_i, x_s)          s: sparse points of the element of atom i
    c ~ N(0, δ² K_MM⁻¹)                prior; K_MM = UᵀU, so that least squares adds |U c / δ|²

With the features of SOAP and a power kernel this is the many-body part of a GAP. Rows of forces never store the
derivatives of kernels by features: for the edges of one atom they are one matrix product of the descriptor's Jacobian
with all sparse points (`math/point_kernels.py`), scaled and added to the atoms they push.

A. P. Bartók, M. C. Payne, R. Kondor, G. Csányi, Phys. Rev. Lett. 104, 136403 (2010); A. P. Bartók, G. Csányi,
Int. J. Quantum Chem. 115, 1051 (2015).
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.evaluate import stress_of
from cambrian.contracts.fused import Watched
from cambrian.contracts.regressor import BasisRegressor
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.point_kernels import PointKernel, PowerKernel, SquaredExponential
from cambrian.math.sparse_factor import factor, grown, left_open
from cambrian.math.sparse_points import FarthestPoints, PointChoice
from cambrian.native.sparse_kernel import PowerSums


class SparseKernel(BasisRegressor):
    """Kernels centered on `n_points` environments of each element, chosen from the training set.

    n_points: how many, or by element; more are more accurate, slower, and need more memory in the fit.
    delta: δ, how much the energy of an atom varies by this term, eV.
    kernel: how alike two environments are.
    choice: how the points are chosen.
    jitter: added to the diagonal of K_MM, which is 1.
    grow_beyond: in a fit that goes on, environments more unlike all points than this (0 to 1, see `unlikeness`) become
        points, one by one; None keeps the points.
    Raises UserError where `n_points` leaves out an element of the data.
    """

    points: Float[Tensor, "points features"]
    point_species: Int[Tensor, "points"]

    def __init__(
        self,
        *,
        n_points: int | dict[str, int] = 500,
        delta: float = 1.0,
        kernel: PointKernel = PowerKernel(),  # noqa: B008 - immutable
        choice: PointChoice = FarthestPoints(),  # noqa: B008 - immutable
        jitter: float = 1e-10,
        grow_beyond: float | None = None,
    ):
        super().__init__()
        if delta <= 0 or jitter <= 0:
            raise UserError("delta and jitter of a sparse kernel must be above 0")
        if grow_beyond is not None and not 0 < grow_beyond < 1:
            raise UserError(f"grow_beyond lies between 0 and 1, and is not {grow_beyond}")
        self.n_points, self.choice, self.jitter, self.grow_beyond = n_points, choice, jitter, grow_beyond
        self._given = kernel
        self.symbols: list[str] = []
        self._watched: Watched | None = None
        self._factored: Watched | None = None
        self._factors: list[Tensor] = []
        self._forms: list[Tensor] = []
        self.coefficients = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.register_buffer("number", torch.tensor(float(kernel.shape), dtype=torch.float64))
        self.register_buffer("delta", torch.tensor(float(delta), dtype=torch.float64))
        self.register_buffer("n_species", torch.tensor(1))
        self.register_buffer("points", torch.zeros(0, 0, dtype=torch.float64))
        self.register_buffer("point_species", torch.zeros(0, dtype=torch.int64))

    def meet(self, elements: list[str]) -> None:
        """Learn the names of the elements, by which the numbers of points may be given."""
        self.symbols = elements

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Choose the points of every element; all coefficients are zero."""
        chosen = []
        for s in range(n_species):
            own = torch.nonzero(species == s)[:, 0]
            rows = self.kernel.coordinates(features[own]).numpy()
            rows = rows[np.square(rows).sum(axis=1) > 0]
            kept = self.choice.choose(rows, self._n_points_of(s, n_species))
            filled = own[features[own].square().sum(dim=1) > 0]
            chosen.append(filled[kept])
        every = torch.cat(chosen)
        self.n_species = torch.tensor(n_species)
        self.points, self.point_species = features[every].clone(), species[every].clone()
        self.coefficients = nn.Parameter(features.new_zeros(len(every)))

    def widen(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> None:
        """Let environments beyond `grow_beyond` become points; coefficients of new points are zero."""
        if self.grow_beyond is None:
            return
        old, grown_factors = len(self.points), []
        points, kinds = [self.points], [self.point_species]
        for s in range(int(self.n_species)):
            own, rows = self.points[self.point_species == s], features[species == s]
            rows = rows[rows.square().sum(dim=1) > 0]
            chosen, U = grown(self.factor(s), own, rows, self.kernel.values, self.jitter, self.grow_beyond)
            points.append(rows[chosen])
            kinds.append(torch.full((len(chosen),), s).to(species))
            grown_factors.append(U)
        order = torch.argsort(torch.cat(kinds), stable=True)
        values = torch.cat([self.coefficients.detach(), self.coefficients.new_zeros(len(order) - old)])
        self.points, self.point_species = torch.cat(points)[order], torch.cat(kinds)[order]
        self.coefficients = nn.Parameter(values[order])
        self._factors, self._factored = grown_factors, Watched([self.points, self.point_species, self.number])

    def _n_points_of(self, s: int, n_species: int) -> int:
        if not isinstance(self.n_points, dict):
            return self.n_points
        lacking = [name for name in self.symbols if name not in self.n_points]
        if lacking or len(self.symbols) != n_species:
            raise UserError(f"n_points lacks {', '.join(lacking) or 'elements'}; give a number for every element")
        return self.n_points[self.symbols[s]]

    def basis(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows coefficients"]:
        """The kernels with all points; zero with those of other elements."""
        if int(self.n_species) == 1:
            return self.kernel.values(features, self.points)
        same = species[:, None] == self.point_species
        return self.kernel.values(features, self.points) * same

    def push(
        self,
        features: Float[Tensor, "edges features"],
        jacobian: Float[Tensor, "edges 3 features"],
        species: Int[Tensor, "edges"],
    ) -> Float[Tensor, "edges 3 coefficients"]:
        """Slopes along the derivatives of the features."""
        a, b = self.kernel.slopes(features, self.points)
        along = torch.einsum("exk,ek->ex", jacobian, features)
        found = a[:, None] * (jacobian @ self.points.mT) + b[:, None] * along[:, :, None]
        return found * (species[:, None, None] == self.point_species)

    def derivative_rows(
        self,
        graph: Graph,
        features: Float[Tensor, "atoms features"],
        jacobian: Float[Tensor, "edges 3 features"],
        species: Int[Tensor, "atoms"],
    ) -> tuple[Float[Tensor, "atoms 3 coefficients"], Float[Tensor, "structures 3 3 coefficients"]]:
        """Rows of forces and stress, atom by atom."""
        if graph.n_structures != 1:
            return super().derivative_rows(graph, features, jacobian, species)
        forces = features.new_zeros(graph.n_atoms, 3, len(self.points))
        strain = features.new_zeros(3, 3, len(self.points))
        first = graph.first_edge.tolist()
        for s in range(int(self.n_species)):
            mine = torch.nonzero(self.point_species == s)[:, 0]
            columns = slice(int(mine[0]), int(mine[-1]) + 1) if len(mine) else slice(0, 0)
            points = self.points[columns]
            for atom in torch.nonzero(species == s)[:, 0].tolist():
                edges = slice(first[atom], first[atom + 1])
                a, b = self.kernel.slopes(features[atom, None], points)
                dx = jacobian[edges].flatten(0, 1)
                push = (dx @ points.mT).mul_(a).addmm_((dx @ features[atom])[:, None], b)
                push = push.unflatten(0, (-1, 3))
                forces[atom, :, columns] += push.sum(dim=0)
                forces[:, :, columns].index_add_(0, graph.neighbor[edges], push, alpha=-1)
                strain[:, :, columns] += (graph.r_ij[edges].mT @ push.flatten(1)).unflatten(1, (3, -1))
        return forces, stress_of(strain[None], graph)

    def prior(self) -> Float[Tensor, "coefficients coefficients"]:
        """U/δ, element by element."""
        blocks = [self.factor(s) / self.delta for s in range(int(self.n_species))]
        return torch.block_diag(*blocks)

    @property
    def kernel(self) -> PointKernel:
        """The kernel as it is now."""
        number = float(self.number)
        return self._given if number == self._given.shape else self._given.shaped(number)

    def shape(self) -> float:
        """The exponent or length of the kernel."""
        return float(self.number)

    def reshape(self, value: float) -> None:
        """Change it; the points stay."""
        self.number = torch.tensor(float(self._given.shaped(value).shape), dtype=torch.float64)

    def scale_prior(self, factor: float) -> None:
        """Multiply δ."""
        self.delta = self.delta * factor

    def factor(self, s: int) -> Float[Tensor, "points points"]:
        """U of the points of one element: UᵀU = K_MM + jitter; kept until points or kernel change."""
        tensors = [self.points, self.point_species, self.number]
        if self._factored is None or not self._factored.unchanged(tensors):
            owns = [self.points[self.point_species == t] for t in range(int(self.n_species))]
            self._factors = [factor(self.kernel.values(own, own), self.jitter) for own in owns]
            self._factored = Watched(tensors)
        return self._factors[s]

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Σ_s c_s k(x, x_s), or what it folds into."""
        forms = None if self.training else self.forms()
        energies = torch.zeros_like(features[:, 0])
        for s in range(int(self.n_species)):
            rows, own = torch.nonzero(species == s)[:, 0], self.point_species == s
            if forms is None:
                values = self.kernel.values(features[rows], self.points[own]) @ self.coefficients[own]
            else:
                x = self.kernel.coordinates(features[rows])
                values = ((x @ forms[s]) * x).sum(dim=1)
            energies = energies.index_add(0, rows, values)
        return energies

    def forms(self) -> list[Float[Tensor, "features features"]] | None:
        """A quadratic form for each element, renewed with the coefficients; None where there is none, or it costs more.

        The cost of a prediction does not grow with the number of points then.
        """
        if self.kernel.form(self.points[:1], self.coefficients[:1]) is None or len(self.points) <= self.points.shape[1]:
            return None
        tensors = [self.coefficients, self.points, self.number]
        if self._watched is None or not self._watched.unchanged(tensors):
            with torch.no_grad():
                of_species = [self.point_species == s for s in range(int(self.n_species))]
                found = [self.kernel.form(self.points[own], self.coefficients[own]) for own in of_species]
            self._watched, self._forms = Watched(tensors), [form for form in found if form is not None]
        return self._forms

    def compiled(self) -> CompiledPart | None:
        """Points and coefficients, species by species, of both kernels."""
        sums, kernel = self.power_sums(), self.kernel
        if sums is not None:
            return CompiledPart.of(
                "points", exponent=sums.exponent, first=sums.first, points=sums.points, coefficients=sums.coefficients
            )
        if isinstance(kernel, SquaredExponential) and len(self.points):
            return CompiledPart.of("gaussian_points", length=float(kernel.length), **self._by_species(self.points))
        return None

    def power_sums(self) -> PowerSums | None:
        """The points as unit vectors, species by species, for a power kernel."""
        kernel = self.kernel
        if not isinstance(kernel, PowerKernel) or not len(self.points):
            return None
        return PowerSums(exponent=float(kernel.exponent), **self._by_species(kernel.coordinates(self.points)))

    def _by_species(self, points: Float[Tensor, "points features"]) -> dict[str, np.ndarray]:
        order = torch.argsort(self.point_species, stable=True)
        counts = torch.bincount(self.point_species, minlength=int(self.n_species))
        return {
            "first": np.concatenate([[0], counts.cumsum(0).numpy()]).astype(np.int64),
            "points": np.ascontiguousarray(points.detach()[order].double().numpy()),
            "coefficients": np.ascontiguousarray(self.coefficients.detach()[order].double().numpy()),
        }

    def unlikeness(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows"]:
        """√(1 - k_M(x) K_MM⁻¹ k_M(x)): 0 at the sparse points, 1 far from all of them."""
        found = torch.ones_like(features[:, 0])
        for s in range(int(self.n_species)):
            rows, own = torch.nonzero(species == s)[:, 0], self.point_species == s
            k = self.kernel.values(features[rows], self.points[own])
            found = found.index_copy(0, rows, left_open(self.factor(s), k))
        return found.clamp(min=0.0).sqrt()

    def outside(self, s: int) -> Float[Tensor, "features features"] | None:
        """1 - X̂ᵀ (X̂ X̂ᵀ + jitter)⁻¹ X̂ of the points of one element; None where they are as many as the features."""
        X = self.kernel.coordinates(self.points[self.point_species == s])
        if len(X) >= X.shape[1]:
            return None
        solved = torch.linalg.solve_triangular(factor(X @ X.mT, self.jitter).mT, X, upper=False)
        return torch.eye(X.shape[1]).to(X) - solved.mT @ solved

    def open_variance(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]
    ) -> Float[Tensor, "rows"]:
        """The square of δ times the unlikeness."""
        return (self.delta * self.unlikeness(features, species)) ** 2

    @classmethod
    def example(cls) -> "SparseKernel":
        """Six points of each element."""
        return cls(n_points=6)
