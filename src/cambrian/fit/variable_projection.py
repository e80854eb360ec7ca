"""Separable least squares: coefficients, and the few parameters inside the functions that they multiply, together.

    min_p min_c |W (X(p) c - y)|² + λ |D c|²

For every p the inner problem is linear and solved exactly, so that only p is searched, by Levenberg-Marquardt. One pass
over the data folds the rows [X Z y], Z = ∂(X c)/∂p, into a triangle

    | R_X  R_XZ  r_X |        cost at p: |r_Z|² + ρ²
    |      R_Z   r_Z |        step:      min_d |R_Z d - r_Z|² + μ |D_Z d|²
    |            ρ   |        and then   R_X c = r_X - R_XZ d

in which the rows below R_X are those projected on what no c can describe. Z is taken by differences: it decides how
fast the search goes, not where it ends.
G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10, 413 (1973); L. Kaufman, BIT 15, 49 (1975).
"""

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.linear import Linear, Rows, force_and_stress_rows
from cambrian.contracts.shaped import Shaped
from cambrian.contracts.solver import Solution, Solver
from cambrian.errors import UserError
from cambrian.fit.least_squares import LeastSquares
from cambrian.fit.linear_system import Triangle
from cambrian.fit.problem import Problem
from cambrian.graph import Graph, sum_over_structures

DIFFERENCE = 1e-5  # of the largest parameter of a row
LEAST_RIDGE = 1e-14


class VariableProjection(Solver):
    """Fit the shape of a descriptor (the radial functions of MomentTensors) with its linear coefficients.

    linear: weights, ridge and groups of the inner problem, and what solves it at the end, on all structures.
    passes: how often the data are gone through at most; one pass costs a linear fit and more.
    structures: on how many structures, drawn at random, the shape is fitted: few parameters do not need all.
    damping: μ to begin with, in units of the norms of the columns of R_Z.
    tolerance: the search ends where the cost falls by less than this share.

    Raises UserError for a potential without such a descriptor, or with a regressor that is not linear in the features.
    """

    def __init__(
        self,
        *,
        linear: LeastSquares = LeastSquares(energy_weight=200.0, force_weight=1.0, stress_weight=10.0, ridge=1e-10),  # noqa: B008
        passes: int = 10,
        structures: int = 80,
        damping: float = 1e-2,
        tolerance: float = 1e-3,
    ):
        self.linear, self.passes, self.structures = linear, passes, structures
        self.damping, self.tolerance = damping, tolerance

    def solve(self, problem: Problem) -> Solution:
        """Search the shape, then solve for the coefficients on all structures."""
        term = _shaped_term(problem)
        history = self._search(problem, ShapeSlopes(term))
        solution = self.linear.solve(problem)
        if term.lowest is not None:
            term.lowest, term.highest = term.ranges(problem.train)
        solution.history = history
        return solution

    def _search(self, problem: Problem, slopes: "ShapeSlopes") -> list[dict[str, float]]:
        """Levenberg-Marquardt in the shape; a trial costs one pass, which serves the next step if it is good."""
        chosen = np.random.default_rng(problem.seed).permutation(len(problem.train))[: self.structures]
        train = problem.train[np.sort(chosen).tolist()].with_group_weights(self.linear.groups)
        some, views = _WithSlopes(problem.potential, train, seed=problem.seed), problem.linear_terms()
        first = self._reduced(some)
        _give(views, first.coefficients(np.zeros(0)))
        some = replace(some, slopes=slopes)
        here, best, damping = slopes.coefficients.numpy(), self._reduced(some), self.damping
        history = [{"pass": 0.0, "weighted_rms": best.rms}]
        for k in range(1, self.passes):
            step = best.step(damping)
            slopes.coefficients = torch.from_numpy(here + step)
            _give(views, best.coefficients(step))
            trial = self._reduced(some)
            gain = 1 - trial.cost / best.cost
            if gain > 0:
                here, best, damping = here + step, trial, damping / 5
                history.append({"pass": float(k), "weighted_rms": best.rms})
            else:
                damping *= 8
            problem.progress("radial functions", k / self.passes, f"weighted error {best.rms:.4g}")
            if 0 <= gain < self.tolerance:
                break
        slopes.coefficients = torch.from_numpy(here)
        return history

    def _reduced(self, problem: "_WithSlopes") -> "Reduced":
        sizes = [len(v.coefficients) for v in problem.linear_terms()]
        n_shape = sizes.pop() if problem.slopes is not None else 0
        triangle = Triangle(sum(sizes) + n_shape)
        for X, y in problem.blocks(self.linear.weights):
            triangle.add(X, y)
        if triangle.n_rows == 0:
            raise UserError("no structure has a label to fit to (energy, forces or stress)")
        return Reduced.of(triangle, sum(sizes), max(self.linear.ridge, LEAST_RIDGE))


@dataclass(frozen=True)
class Reduced:
    """The triangle of [X Z y] with the ridge, for n linear coefficients."""

    factor: NDArray
    n: int
    n_rows: int

    @classmethod
    def of(cls, triangle: Triangle, n: int, ridge: float) -> "Reduced":
        """Fold in a ridge on the linear coefficients."""
        rows = np.column_stack([triangle.X, triangle.y])
        norms = np.linalg.norm(rows[:, :n], axis=0)
        held = np.zeros((n, rows.shape[1]))
        np.fill_diagonal(held, np.sqrt(ridge) * np.where(norms > 0, norms, 1.0))
        factor = cast(tuple[NDArray], scipy.linalg.qr(np.vstack([rows, held]), mode="r"))[0]
        return cls(factor, n, triangle.n_rows)

    @property
    def cost(self) -> float:
        """What no linear coefficients take away."""
        return float(np.square(self.factor[self.n :, -1]).sum())

    @property
    def rms(self) -> float:
        """Root of the cost over the number of rows."""
        return float(np.sqrt(self.cost / self.n_rows))

    def step(self, damping: float) -> NDArray:
        """Change of the shape."""
        R, r = self.factor[self.n :, self.n : -1], self.factor[self.n :, -1]
        norms = np.linalg.norm(self.factor[:, self.n : -1], axis=0)
        projected = np.maximum(np.linalg.norm(R, axis=0), 1e-3 * norms)  # directions that c can undo stay put
        projected = np.where(projected > 0, projected, 1.0)
        system = np.vstack([R, np.sqrt(damping) * np.diag(projected)])
        return np.linalg.lstsq(system, np.concatenate([r, np.zeros(len(projected))]), rcond=None)[0]

    def coefficients(self, step: NDArray) -> NDArray:
        """Linear coefficients that go with a change of the shape."""
        n = self.n
        right = self.factor[:n, -1] - self.factor[:n, n : n + len(step)] @ step
        return scipy.linalg.solve_triangular(self.factor[:n, :n], right)


class ShapeSlopes(Linear):
    """∂/∂shape of energy, forces and stress at the present coefficients, as rows; element by element of the center."""

    def __init__(self, term: DescriptorPotential):
        self.term, self.descriptor = term, cast(Shaped, term.descriptor)
        self._routes: list = []
        self._steps: list[float] = []

    @property
    def coefficients(self) -> Float[Tensor, "parameters"]:
        """The shape."""
        return self.descriptor.shape.flatten()

    @coefficients.setter
    def coefficients(self, values: Float[Tensor, "parameters"]) -> None:
        self._routes = []
        self.descriptor.shape = values.reshape(self.descriptor.shape.shape)

    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Differences of the energies of all centers when one parameter of each element changes."""
        near, species = graph.within(self.term.cutoff), self.term.species(graph)
        slopes = self.term.regressor.constant_slopes()
        assert slopes is not None
        if not self._routes:
            self._make_routes()
        swept = [route.energies_and_pull(near, slopes.detach(), species) for route in self._routes]
        (energy, pull), n = swept[0], len(slopes)
        energies = torch.stack([(e - energy) / h for (e, _), h in zip(swept[1:], self._steps, strict=True)], dim=-1)
        chosen = torch.nn.functional.one_hot(species, n).to(energies) * near.owned[:, None]
        by_center = (chosen[:, :, None] * energies[:, None]).flatten(1)
        if not derivatives:
            return Rows(sum_over_structures(by_center, near))
        pulls = torch.stack([(p - pull) / h for (_, p), h in zip(swept[1:], self._steps, strict=True)], dim=-1)
        push = (chosen[near.center][:, None, :, None] * pulls[:, :, None]).flatten(2)
        return Rows(sum_over_structures(by_center, near), *force_and_stress_rows(near, push))

    def _make_routes(self) -> None:
        """One route for the shape as it is, and one for each parameter changed a little, for all elements at once."""
        shape = self.descriptor.shape
        changes = torch.eye(shape.shape[1], dtype=shape.dtype) * DIFFERENCE * shape.abs().max()
        self._routes = [self._route(shape), *(self._route(shape + change) for change in changes)]
        self._steps = [float(change.sum()) for change in changes]
        self.descriptor.shape = shape

    def _route(self, shape: Tensor):
        self.descriptor.shape = shape
        route = self.term.descriptor.kernel()
        if route is None:
            raise UserError(
                "VariableProjection needs the compiled loops, which are missing here (cambrian was installed without a "
                "C++ compiler); take --set solver=LeastSquares"
            )
        return route


@dataclass
class _WithSlopes(Problem):
    """The same problem with columns for the shape behind those of the linear terms."""

    slopes: ShapeSlopes | None = field(default=None)

    def linear_terms(self) -> list[Linear]:
        views = super().linear_terms()
        return views if self.slopes is None else [*views, self.slopes]


def _give(views: list[Linear], coefficients: NDArray) -> None:
    cuts = np.cumsum([len(v.coefficients) for v in views])[:-1]
    for view, part in zip(views, np.split(coefficients, cuts), strict=True):
        view.coefficients = torch.from_numpy(part.copy())


def _shaped_term(problem: Problem) -> DescriptorPotential:
    """The one term whose descriptor has a shape to fit."""
    found = [t for t in problem.potential.terms() if isinstance(t, DescriptorPotential)]
    found = [t for t in found if isinstance(t.descriptor, Shaped) and t.linear() is not None]
    if len(found) != 1 or found[0].regressor.constant_slopes() is None:
        raise UserError(
            "VariableProjection fits one descriptor with parameters of its own (MomentTensors, recipe mtp) and a "
            "LinearRegressor; for others take LeastSquares"
        )
    return found[0]
