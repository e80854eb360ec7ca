"""Nonlinear least squares: few parameters, many labels, and how well each parameter is known.

    min_θ |r(θ)|² + λ² m |θ - θ0|²          r: the m weighted residuals of energies per atom, forces and stresses

by a trust-region Levenberg-Marquardt method (M. A. Branch, T. F. Coleman, Y. Li, SIAM J. Sci. Comput. 21, 1 (1999), in
scipy), from several starts, since such problems have several basins. At the solution the covariance of the parameters
is s² (JᵀJ)^-1, s² = |r|²/(m - n). Parameters that are kept as logarithms (`log_...`) are moved apart by the starts and
held near them by λ: a Gaussian prior of width s/(λ √m), for parameters that the data tell only together.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares
from scipy.stats import qmc

from cambrian.contracts.prepared import Prepared
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.dataset import Dataset
from cambrian.data.labels import Labels
from cambrian.errors import UserError
from cambrian.fit.problem import Problem, Weights

MOST_PARAMETERS = 300  # each costs one evaluation of all data per step
STRUCTURES_AT_START = 32  # on which starts are compared
BATCH = 16
HUGE = 1e100  # residuals whose squares would overflow
SLIGHT = 1e-5  # 1/eV: what the data leave open, such as energies of elements in one composition, stays near zero
CORRELATED = 1e8  # condition number from which a note is written


class NonlinearLeastSquares(Solver):
    """Least squares for potentials with few parameters: pair potentials, force fields, repulsion.

    The weights multiply residuals in eV/atom, eV/Å and eV/Å³; `groups` multiplies them by group. `starts` points are
    tried, the first guess and others within a factor e^(±spread) of it; the best is followed until a step changes the
    parameters or the cost by less than `tolerance`. `ridge` is λ.
    """

    def __init__(
        self,
        *,
        energy_weight: float = 10.0,
        force_weight: float = 1.0,
        stress_weight: float = 1.0,
        starts: int = 4,
        spread: float = 0.4,
        ridge: float = 0.0,
        tolerance: float = 1e-10,
        max_evaluations: int = 200,
        groups: dict[str, dict[str, float]] | None = None,
    ):
        if starts < 1:
            raise UserError(f"least squares needs one start at least, not {starts}")
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.starts, self.spread, self.ridge = starts, spread, ridge
        self.tolerance, self.max_evaluations = tolerance, max_evaluations
        self.groups = groups or {}

    def solve(self, problem: Problem) -> Solution:
        """Fit in place; the figures tell parameters, standard errors, covariance and condition number.

        Raises UserError where nothing can be fitted, where there are too many parameters for this method, or where the
        first guess gives no finite residuals.
        """
        problem.train = problem.train.with_group_weights(self.groups)
        free = _Free.of(problem)
        first = free.get()
        tried: list[dict[str, float]] = []
        start = self._best_start(problem, free, first, tried)
        system = _System.of(self, problem, free, problem.train, first)
        found = system.minimize(start, self.max_evaluations, self.tolerance, "least squares")
        free.set(found.x)
        figures = _figures(found, system.n_residuals, free.names) | {"starts": tried}
        return Solution(history=system.history, notes=_notes(found, figures), figures=figures)

    def _best_start(self, problem: Problem, free: "_Free", first: NDArray, tried: list[dict[str, float]]) -> NDArray:
        """A short fit from every start on some of the data; the best end is where the fit begins."""
        if self.starts == 1 or not free.is_log.any():
            return first
        every = max(1, len(problem.train) // STRUCTURES_AT_START)
        system = _System.of(self, problem, free, problem.train[::every], first)
        # scipy names it rng from 1.15 on, and takes both
        sobol = qmc.Sobol(int(free.is_log.sum()), seed=problem.seed)  # pyright: ignore[reportCallIssue]
        moves = np.zeros((self.starts, len(first)))
        # the first Sobol points are drawn as a power of two, which the sequence asks for
        points = sobol.random_base2(int(np.ceil(np.log2(self.starts))))
        moves[1:, free.is_log] = self.spread * (2 * points[: self.starts - 1] - 1)
        best, lowest = first, np.inf
        for k, move in enumerate(moves):
            if k > 0 and not np.isfinite(system.residuals(first + move)).all():
                continue
            found = system.minimize(first + move, 15, 1e-5, f"start {k + 1} of {self.starts}", slopes="2-point")
            tried.append({"start": k, "cost": float(found.cost), "evaluations": int(found.nfev)})
            if found.cost < lowest:
                best, lowest = found.x, found.cost
        return best


@dataclass(frozen=True)
class _Free:
    """The parameters that are fitted, as one vector; values fixed at infinity (the logarithm of zero) stay."""

    parameters: list[torch.nn.Parameter]
    masks: list[torch.Tensor]
    names: list[str]
    is_log: NDArray

    @classmethod
    def of(cls, problem: Problem) -> "_Free":
        """Collect trainable parameters; raises UserError where there are none, or too many."""
        named = [(name, p) for name, p in problem.potential.named_parameters() if p.requires_grad]
        masks = [torch.isfinite(p.detach()).flatten() for _, p in named]
        names, is_log = [], []
        for (name, _), mask in zip(named, masks, strict=True):
            indices = torch.nonzero(mask)[:, 0].tolist()
            names += [f"{name}[{k}]" for k in indices]
            is_log += [name.rpartition(".")[2].startswith("log_")] * len(indices)
        if not names:
            raise UserError("this potential has nothing to fit; choose a recipe with parameters, or unfreeze a term")
        if len(names) > MOST_PARAMETERS:
            raise UserError(
                f"{len(names)} parameters are too many for NonlinearLeastSquares, which differentiates one at a time "
                f"(up to {MOST_PARAMETERS}); use LeastSquares or GradientDescent"
            )
        return cls([p for _, p in named], masks, names, np.array(is_log))

    def get(self) -> NDArray:
        """Present values."""
        parts = zip(self.parameters, self.masks, strict=True)
        return torch.cat([p.detach().flatten()[m] for p, m in parts]).double().numpy()

    def set(self, values: NDArray) -> None:
        """Put values in place."""
        parts = torch.from_numpy(np.asarray(values)).split([int(m.sum()) for m in self.masks])
        with torch.no_grad():
            for p, mask, part in zip(self.parameters, self.masks, parts, strict=True):
                p.view(-1)[mask] = part.to(p.dtype)


@dataclass
class _System:
    """Residuals of some structures as a function of the free parameters, the prior's among them."""

    solver: NonlinearLeastSquares
    problem: Problem
    free: _Free
    items: list[tuple[Prepared, Labels]]
    center: NDArray
    n_residuals: int
    n_evaluations: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def of(
        cls, solver: NonlinearLeastSquares, problem: Problem, free: _Free, data: Dataset, center: NDArray
    ) -> "_System":
        """Prepare structures in batches; raises UserError where the first residuals are missing or not finite."""
        items = problem.prepared(data)
        batches = [_joined(items[k : k + BATCH]) for k in range(0, len(items), BATCH)]
        system = cls(solver, problem, free, batches, center, 0)
        first = system.plain(center)
        if len(first) == 0:
            raise UserError("no structure has a label to fit to (energy, forces or stress)")
        if not np.isfinite(first).all():
            raise UserError(
                "the first guess gives energies or forces that are not finite; give the potential other values"
            )
        system.n_residuals = len(first)
        return system

    def plain(self, values: NDArray) -> NDArray:
        """Weighted residuals of the data."""
        self.free.set(values)
        self.n_evaluations += 1
        return self.problem.residuals(self.items, self.solver.weights)

    def residuals(self, values: NDArray) -> NDArray:
        """Those of the data, then those of the prior."""
        hold = np.where(self.free.is_log, self.solver.ridge, SLIGHT)
        pull = hold * np.sqrt(self.n_residuals) * (values - self.center)
        found = np.concatenate([self.plain(values), pull])
        return np.where(np.abs(found) < HUGE, found, np.inf)  # a step that ends here is taken back

    def minimize(
        self, start: NDArray, max_evaluations: int, tolerance: float, stage: str, slopes: str = "3-point"
    ) -> OptimizeResult:
        """Follow the residuals down from a start, with slopes by forward (2-point) or central differences."""
        per_step = len(start) * (2 if slopes == "3-point" else 1) + 1

        def reported(values: NDArray) -> NDArray:
            found = self.residuals(values)
            done = min(1.0, (self.n_evaluations - begun) / (max_evaluations * per_step))
            square = float(np.mean(found[: self.n_residuals] ** 2))
            if not self.history or square < self.history[-1]["train_loss"]:
                self.history.append({"epoch": self.n_evaluations, "train_loss": square})
            self.problem.progress(stage, done, f"weighted residual {np.sqrt(square):.4g}")
            return found

        begun = self.n_evaluations
        limits = {"xtol": tolerance, "ftol": tolerance, "gtol": tolerance, "max_nfev": max_evaluations}
        return least_squares(reported, start, method="trf", x_scale="jac", jac=slopes, **limits)


def _joined(items: list[tuple[Prepared, Labels]]) -> tuple[Prepared, Labels]:
    first, *others = [item for item, _ in items]
    return first.join(others), Labels.joined([labels for _, labels in items])


def _figures(found: OptimizeResult, n_residuals: int, names: list[str]) -> dict:
    """What the solution says of the parameters; a parameter named log_x has relative errors."""
    norms = np.linalg.norm(found.jac, axis=0)
    norms[norms == 0] = 1.0
    _, singular, V = np.linalg.svd(found.jac / norms, full_matrices=False)
    kept = singular > 1e-14 * singular[0]
    s2 = float(np.sum(found.fun[:n_residuals] ** 2) / max(n_residuals - len(names), 1))
    covariance = s2 * (V[kept].T / singular[kept] ** 2) @ V[kept] / np.outer(norms, norms)
    errors = np.sqrt(np.diag(covariance))
    condition = float((singular[0] / singular[-1]) ** 2) if singular[-1] > 0 else float("inf")
    return {
        "n_residuals": n_residuals,
        "weighted_rms": float(np.sqrt(np.mean(found.fun[:n_residuals] ** 2))),
        "parameters": dict(zip(names, found.x.tolist(), strict=True)),
        "standard_errors": dict(zip(names, errors.tolist(), strict=True)),
        "covariance": covariance.tolist(),
        "condition_number": condition,
    }


def _notes(found: OptimizeResult, figures: dict) -> list[str]:
    notes = []
    if found.status == 0:
        notes.append("Least squares stopped at solver.max_evaluations before it converged.")
    if figures["condition_number"] > CORRELATED:
        notes.append(
            f"Some parameters are told only together by these data (condition number {figures['condition_number']:.1e} "
            "of the scaled normal equations); they stay near the first guess where solver.ridge holds them."
        )
    return notes
