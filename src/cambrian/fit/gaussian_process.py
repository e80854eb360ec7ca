"""Gaussian processes on a few sparse points: least squares with the noise of every label and the prior of the kernels.

    min_c |Λ^(-1/2) (y - K_NM c)|² + Σ_t |U_t c_t / δ_t|²          Λ = diag σ²,  K_MM = UᵀU per term t

    A = [ Λ^(-1/2) K_NM ; U/δ ] = Q R          b = [ Λ^(-1/2) y ; 0 ]          c = R⁻¹ Qᵀ b          Σ = R⁻¹ R⁻ᵀ

    ln p(y) = -½ |b - A c|² - Σ_i ln σ_i - Σ_k ln |R_kk| + Σ_k ln |(U/δ)_kk| - (n/2) ln 2π

Linear terms without a kernel stand beside them with a flat prior, or with a ridge λ |D c|², D: norms of their columns,
1 for those of what does not occur in the data.

K_MN Λ⁻¹ K_NM is never formed, which would square the condition number. Rows of energies, forces and virials are folded
into a triangle each, so that p(y) for any noise and any δ costs one small QR and no new rows. Energies are totals with
σ = σ_E √N, virials with σ_V √N for N atoms, as `gap_fit` has them. Coefficients start from zero.

A. P. Bartók, G. Csányi, Int. J. Quantum Chem. 115, 1051 (2015); L. Foster et al., J. Mach. Learn. Res. 10, 857 (2009);
the evidence: J. Quiñonero-Candela, C. E. Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005).
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from cambrian.contracts.linear import Linear
from cambrian.contracts.potential import Potential, Sum
from cambrian.contracts.prepared import prepare
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.labels import Labels
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.fit.linear_system import Triangle
from cambrian.fit.problem import Problem, has_derivatives
from cambrian.graph import Graph
from cambrian.math.voigt import voigt

KINDS = ("energy", "force", "virial")
WIDEST = 1e4  # how far from where it starts an optimized number may go, either way
REACH, TRIALS = 4.0, 12  # the same for shapes, and how many are tried


class GaussianProcess(Solver):
    """The solver of sparse kernels (gap, flare); other linear terms may stand beside them.

    energy_sigma: noise of energies, eV/atom; of a cell with N atoms √N times as much.
    force_sigma: noise of force components, eV/Å.
    virial_sigma: noise of virials, eV/atom, √N times as much for N atoms.
    groups: other noise by group, in the same units: {group: {energy, force, virial}}. A weight w of a structure divides
        its noise by w.
    optimize: which of "energy_sigma", "force_sigma", "virial_sigma", "delta" (of every kernel) and "shape" (exponent
        or length of every kernel) are moved to where the data are most probable; those given are where it begins.
        Groups move along. Rows are computed anew for every shape that is tried, for nothing else.
    ridge: holds back linear terms without a kernel, relative to the norms of their columns; 0 for a flat prior.
    posterior_up_to: number of coefficients up to which the posterior is kept in the model file (8 bytes times their
        square: 8 MB for 1000).
    """

    def __init__(
        self,
        *,
        energy_sigma: float = 0.002,
        force_sigma: float = 0.1,
        virial_sigma: float = 0.05,
        groups: dict[str, dict[str, float]] | None = None,
        optimize: tuple[str, ...] = (),
        ridge: float = 1e-9,
        posterior_up_to: int = 1500,
    ):
        self.sigmas = {"energy": energy_sigma, "force": force_sigma, "virial": virial_sigma}
        self.groups, self.optimize, self.posterior_up_to = groups or {}, tuple(optimize), posterior_up_to
        self.ridge = ridge
        known = [*(f"{kind}_sigma" for kind in KINDS), "delta", "shape"]
        strange = [name for name in self.optimize if name not in known]
        if strange:
            raise UserError(f"a Gaussian process can optimize {', '.join(known)}, not {strange[0]}")
        table = [self.sigmas, *self.groups.values()]
        if any(not sigma > 0 for sigmas in table for sigma in sigmas.values()):
            raise UserError("the noise of labels must be above 0")
        if ridge < 0:
            raise UserError(f"the ridge of a Gaussian process is 0 or more, not {ridge}")
        odd = [kind for sigmas in self.groups.values() for kind in sigmas if kind not in KINDS]
        if odd:
            raise UserError(f"groups give the noise of {', '.join(KINDS)}, not of {odd[0]}")

    def solve(self, problem: Problem) -> Solution:
        """Set the coefficients; raises UserError where there is no linear term or no label."""
        strange = [name for name in self.groups if name not in problem.train.groups]
        if strange:
            raise UserError(
                f"no structure belongs to group '{strange[0]}'; the groups are {', '.join(problem.train.groups)}"
            )
        views = problem.linear_terms()
        shape_notes = self._shape(problem, views)
        observed = self._observed(problem, views)
        sigmas, factors, notes = self._optimized(problem, observed)
        found = observed.solved(sigmas, factors)
        for view, part, factor in zip(views, np.split(found.coefficients, observed.edges), factors, strict=True):
            view.scale_prior(factor)
            view.coefficients = torch.from_numpy(part.copy())
        self._keep_posterior(problem.potential, found, observed)
        figures = {"n_rows": sum(observed.counts.values()), "n_coefficients": len(found.coefficients)}
        figures |= {f"{kind}_sigma": sigma for kind, sigma in sigmas.items() if observed.counts[kind]}
        figures |= {"log_evidence": found.log_evidence}
        return Solution(notes=shape_notes + notes, figures=figures)

    def _observed(self, problem: Problem, views: list[Linear]) -> "Observed":
        """Rows of all labels, folded by kind, for noise 1."""
        priors = [v.prior() for v in views]
        sizes = [len(v.coefficients) for v in views]
        blocks = [np.zeros((0, n)) if p is None else p.numpy() for p, n in zip(priors, sizes, strict=True)]
        observed = Observed(sizes, blocks, self.ridge)
        remainder = Sum([term for term in problem.potential.terms() if term.linear() is None])
        graphs = problem.train.graphs(problem.potential.cutoff)
        for k, (s, graph) in enumerate(zip(problem.train, graphs, strict=True)):
            for kind, X, y, weight in rows_of(s, graph, views, remainder):
                noise = self.groups.get(s.group, {}).get(kind, self.sigmas[kind])
                observed.add(kind, X, y, weight * self.sigmas[kind] / noise)
            problem.progress("rows", (k + 1) / len(problem.train), f"{k + 1} of {len(problem.train)} structures")
        if not any(observed.counts.values()):
            raise UserError("no structure has a label to fit to (energy, forces or stress)")
        return observed

    def _shape(self, problem: Problem, views: list[Linear]) -> list[str]:
        """Set the shape of each kernel in turn to that of the highest evidence; what changed."""
        notes = []
        for k, view in enumerate(views if "shape" in self.optimize else []):
            start = view.shape
            if start is None:
                continue

            def cost(log_factor: float, view=view, start=start) -> float:
                view.shape = start * math.exp(log_factor)
                observed = self._observed(problem, views)
                sigmas, factors, _ = self._optimized(problem, observed)
                return -observed.solved(sigmas, factors).log_evidence

            limit = math.log(REACH)
            options = {"maxiter": TRIALS, "xatol": 0.02}
            best = minimize_scalar(cost, bounds=(-limit, limit), method="bounded", options=options)
            cost(float(cast(Any, best).x))
            notes.append(f"shape of kernel {k + 1} {start:.3g} became {view.shape:.3g} by the evidence")
        return notes

    def _optimized(self, problem: Problem, observed: "Observed") -> tuple[dict[str, float], list[float], list[str]]:
        """Noise and factors of δ of the highest evidence, and what changed."""
        n_terms = len(observed.priors)
        moved = [kind for kind in KINDS if f"{kind}_sigma" in self.optimize and observed.counts[kind]]
        scaled = [t for t, prior in enumerate(observed.priors) if len(prior) and "delta" in self.optimize]
        if not moved and not scaled:
            return dict(self.sigmas), [1.0] * n_terms, []
        calls = itertools.count(1)

        def unpacked(x: NDArray) -> tuple[dict[str, float], list[float]]:
            sigmas, factors = dict(self.sigmas), [1.0] * n_terms
            for kind, value in zip(moved, x, strict=False):
                sigmas[kind] *= math.exp(value)
            for t, value in zip(scaled, x[len(moved) :], strict=True):
                factors[t] = math.exp(value)
            return sigmas, factors

        def cost(x: NDArray) -> float:
            sigmas, factors = unpacked(x)
            evidence = observed.solved(sigmas, factors).log_evidence
            problem.progress("evidence", min(next(calls) / 100, 1.0), f"ln p = {evidence:.1f}")
            return -evidence

        limit = math.log(WIDEST)
        x0 = np.zeros(len(moved) + len(scaled))
        best = minimize(cost, x0, method="L-BFGS-B", bounds=[(-limit, limit)] * len(x0), options={"maxiter": 30})
        sigmas, factors = unpacked(best.x)
        notes = [f"{kind}_sigma {self.sigmas[kind]:.3g} became {sigmas[kind]:.3g} by the evidence" for kind in moved]
        notes += [f"delta of kernel {t + 1} became {factors[t]:.3g} times as large by the evidence" for t in scaled]
        return sigmas, factors, notes

    def _keep_posterior(self, potential: Potential, found: "Solved", observed: "Observed") -> None:
        terms = [term for term in potential.terms() if term.linear() is not None]
        if len(found.coefficients) > self.posterior_up_to:
            return
        identity = np.eye(len(found.triangle))
        root = torch.from_numpy(scipy.linalg.solve_triangular(found.triangle, identity))
        for term, share in zip(terms, root.split(observed.sizes), strict=True):
            term.posterior = share.clone()


@dataclass(frozen=True)
class Solved:
    """Coefficients for some noise, the R of their least-squares problem, and the logarithm of the evidence."""

    coefficients: NDArray
    triangle: NDArray
    log_evidence: float


@dataclass
class Observed:
    """Rows and labels of a training set by kind, for noise 1, and the factors U/δ of all terms."""

    sizes: list[int]
    priors: list[NDArray]
    ridge: float = 0.0
    triangles: dict[str, Triangle] = field(init=False)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    log_factors: float = 0.0  # Σ ln of the factors, one a label

    def __post_init__(self):
        self.triangles = {kind: Triangle(sum(self.sizes)) for kind in KINDS}

    @property
    def edges(self) -> NDArray:
        """Where the coefficients of one term end and those of the next begin."""
        return np.cumsum(self.sizes)[:-1]

    def add(self, kind: str, X: NDArray, y: NDArray, factor: float) -> None:
        """Fold rows in; the noise of these labels is that of their kind divided by `factor`."""
        self.triangles[kind].add(factor * X, factor * y)
        self.counts[kind] += len(y)
        self.log_factors += len(y) * math.log(factor)

    def solved(self, sigmas: dict[str, float], factors: list[float]) -> Solved:
        """Solve for the noise of each kind, and δ of each term times a factor."""
        rows = [np.column_stack([t.X, t.y]) / sigmas[kind] for kind, t in self.triangles.items()]
        prior = np.asarray(scipy.linalg.block_diag(*[p / f for p, f in zip(self.priors, factors, strict=True)]))
        if self.ridge > 0:
            without = np.concatenate([np.full(n, not len(p)) for n, p in zip(self.sizes, self.priors, strict=True)])
            norms = np.linalg.norm(np.concatenate([block[:, :-1] for block in rows]), axis=0)
            norms[norms == 0] = 1.0
            prior = np.concatenate([prior, math.sqrt(self.ridge) * np.diag(norms)[without]])
        rows.append(np.column_stack([prior, np.zeros(len(prior))]))
        stacked = np.vstack(rows)
        n = sum(self.sizes)
        lengths = np.linalg.norm(stacked[:, :n], axis=0)
        (R,) = cast(tuple[NDArray], scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False))
        diagonal = np.abs(np.diag(R)[:n])
        if len(R) < n or (diagonal <= 1e-14 * lengths).any():
            raise UserError(
                "the data do not decide all coefficients: set a ridge for linear terms without a kernel, or raise the "
                "jitter of the kernel"
            )
        misfit = R[n, n] ** 2 if len(R) > n else 0.0
        log_noise = sum(self.counts[kind] * math.log(sigmas[kind]) for kind in KINDS) - self.log_factors
        n_rows = sum(self.counts.values())
        log_prior = sum(
            np.log(np.abs(np.diag(p) / f)).sum() for p, f in zip(self.priors, factors, strict=True) if len(p)
        )
        evidence = -0.5 * misfit - log_noise - np.log(diagonal).sum() + log_prior - 0.5 * n_rows * math.log(2 * math.pi)
        return Solved(scipy.linalg.solve_triangular(R[:n, :n], R[:n, n]), R[:n, :n], float(evidence))


def rows_of(
    s: Structure, graph: Graph, views: list[Linear], rest: Potential
) -> Iterator[tuple[str, NDArray, NDArray, float]]:
    """Kind, rows and labels (eV, eV/Å) of one structure, and what divides their noise: its weight, and √N."""
    labels, base = Labels.of([s]), prepare(rest, graph).predict()
    parts = [view.rows(graph, derivatives=has_derivatives(s)) for view in views]
    root = math.sqrt(len(s))

    def block(kind: str, columns: list, values: torch.Tensor, weight: float):
        X, y = torch.cat(columns, dim=-1).numpy(), values.numpy()
        present = np.isfinite(y)
        if present.any() and weight > 0:
            yield kind, X[present], y[present], weight

    energies = labels.energy - base.energy
    yield from block("energy", [p.energy for p in parts], energies, float(labels.energy_weight[0]) / root)
    if base.forces is None or base.stress is None or not has_derivatives(s):
        return
    forces = [p.forces.flatten(0, 1) for p in parts if p.forces is not None]
    stresses = [voigt(p.stress.movedim(-1, 1))[0].mT for p in parts if p.stress is not None]
    if len(forces) == len(parts):
        missing = (labels.forces - base.forces).flatten()
        yield from block("force", forces, missing, float(labels.force_weight[0]))
    if len(stresses) == len(parts):
        volume = float(graph.volume[0])
        missing = volume * voigt(labels.stress - base.stress)[0]
        yield from block("virial", [volume * p for p in stresses], missing, float(labels.stress_weight[0]) / root)
