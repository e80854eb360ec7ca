"""The loss around a fit: how steep is the valley, and is the fit at its bottom?

    L(α, β) = L(w + α d₁ + β d₂)          d: random, each row scaled to the length of the same row of w
    λ = largest eigenvalue of ∂²L_E/∂w²   by Lanczos, Hessian times vector by differentiating twice
    sharpness = λ |w|²                     the same for weights of any scale, as where features are rescaled

L_E = <(ΔE/N)²> (eV²), L_F = <ΔF²> (eV²/Å²). Energies of elements alone take no part: a step in them drowns all else.
H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, NeurIPS 2018, arXiv:1712.09913; J. A. Vita, D. Schwalbe-Koda,
Mach. Learn.: Sci. Technol. 4, 035031 (2023).
"""

import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.prepared import Prepared
from cambrian.data.dataset import Dataset
from cambrian.data.labels import Labels
from cambrian.errors import UserError
from cambrian.fit.problem import Problem, Weights, weighted_residuals

SMALL = 40  # parameters: fewer than that have their whole Hessian computed
LANCZOS = 30  # vectors
UNIT = Weights(1.0, 1.0, 1.0)
UNITS = {
    "energy_loss": (1.0, "eV²/atom²"),
    "force_loss": (1.0, "eV²/Å²"),
    "largest_curvature": (1.0, "eV²"),
    "sharpness": (1.0, "eV²"),
}


class LossLandscape(Check):
    """Loss of `n_structures` labelled structures on a grid of `n_points` squared, weights changed by up to `span`.

    `sharpness` (eV²) is what is tolerated, where given.
    """

    def __init__(
        self,
        *,
        n_structures: int = 64,
        n_points: int = 11,
        span: float = 1.0,
        seed: int = 0,
        sharpness: float | None = None,
    ):
        if n_points < 3 or n_points % 2 == 0:
            raise UserError(
                f"n_points is an odd number of at least 3, so that the fit stands in the middle: {n_points}"
            )
        self.n_structures, self.n_points, self.span, self.seed = n_structures, n_points, span, seed
        self.sharpness = sharpness

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Compute it; raises UserError without labelled structures, or for a potential with nothing to train."""
        reason = self.unsuited(potential, reference, method)
        if reason or reference is None:
            raise UserError(reason)
        own = copy.deepcopy(potential)
        problem = Problem(own, _chosen(reference, self.n_structures, self.seed))
        items = problem.prepared(problem.train)
        weights = _weights(own)
        center = [w.detach().clone() for w in weights]
        rng = torch.Generator().manual_seed(self.seed)
        first, second = directions(center, rng), directions(center, rng)
        steps = np.linspace(-self.span, self.span, self.n_points)
        grids = np.empty((2, self.n_points, self.n_points))
        for a, alpha in enumerate(steps):
            for b, beta in enumerate(steps):
                _place(weights, [w + alpha * d + beta * e for w, d, e in zip(center, first, second, strict=True)])
                grids[:, a, b] = losses(items)
            progress(0.8 * (a + 1) / self.n_points)
        _place(weights, center)
        curvature = largest_curvature(items, weights, seed=self.seed)
        progress(1.0)
        size = float(sum(w.square().sum() for w in center))
        return self._judged(steps, grids, curvature, size, len(items))

    def _judged(self, steps: NDArray, grids: NDArray, curvature: float, size: float, n_structures: int) -> Result:
        middle = len(steps) // 2
        sharpness = curvature * size
        known = [np.isfinite(grid).all() for grid in grids]
        figures: dict[str, Any] = {
            "energy_loss": float(grids[0, middle, middle]),
            "force_loss": float(grids[1, middle, middle]) if known[1] else None,
            "largest_curvature": curvature,
            "sharpness": sharpness,
            "n_structures": n_structures,
            "steps": steps.tolist(),
        }
        names = {"energy": "eV²/atom²", "force": "eV²/Å²"}
        plots, lower = {}, []
        for (name, unit), grid, is_known in zip(names.items(), grids, known, strict=True):
            if not is_known:
                continue
            figures[f"{name}_grid"] = grid.tolist()
            plots[f"landscape_{name}"] = partial(_draw, steps=steps, grid=grid, label=f"{name} loss, {unit}")
            lower.append(float(grid.min() / max(grid[middle, middle], 1e-300)))
        figures["lowest_beside"] = min(lower)
        sentence = f"the energy loss curves by up to {curvature:.2g} eV² a squared unit of weights"
        sentence += f", sharpness {sharpness:.2g} eV²"
        if max(lower) < 1:
            sentence += f"; nearby weights have {100 * (1 - max(lower)):.0f} % less loss on these structures"
        if self.sharpness is None:
            return Result("loss landscape", figures, "no reference", sentence, plots=plots, units=UNITS)
        verdict: Verdict = "passed" if sharpness <= self.sharpness else "failed"
        sentence += f" ({self.sharpness:.2g} tolerated)"
        tolerance = {"sharpness": self.sharpness}
        return Result("loss landscape", figures, verdict, sentence, tolerance=tolerance, plots=plots, units=UNITS)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """No energies, or nothing to train."""
        if reference is None or not any(s.has_energy for s in reference):
            return "a loss needs labelled structures: give a file with energies after the potential"
        if not _weights(potential):
            return "this potential has no weights that a solver changes step by step, so there is no landscape"
        return ""

    @classmethod
    def example(cls) -> "LossLandscape":
        """Three by three points."""
        return cls(n_structures=4, n_points=3)


def directions(weights: list[Tensor], rng: torch.Generator) -> list[Tensor]:
    """A random direction whose every row (the whole of a vector) is as long as that of the weights."""
    found = []
    for w in weights:
        d = torch.randn(w.shape, generator=rng, dtype=torch.float64).to(w)
        rows, reference = d.reshape(len(d), -1) if d.dim() > 1 else d.reshape(1, -1), w.reshape(-1)
        lengths = reference.reshape(len(rows), -1).norm(dim=1, keepdim=True)
        found.append((rows * lengths / rows.norm(dim=1, keepdim=True).clamp(min=1e-300)).reshape(w.shape))
    return found


def losses(items: list[tuple[Prepared, Labels]]) -> tuple[float, float]:
    """Mean squared errors of energies per atom and of force components; NaN where there is no label."""
    energies, forces = [], []
    for item, labels in items:
        found = [r.detach() for r in weighted_residuals(item.predict(), labels, UNIT)]
        energies.append(found[0])
        if len(found) > 1:
            forces.append(found[1])
    return _mean_square(energies), _mean_square(forces)


def _mean_square(parts: list[Tensor]) -> float:
    together = torch.cat(parts) if parts else torch.zeros(0)
    return float(together.square().mean()) if len(together) else float("nan")


def largest_curvature(items: list[tuple[Prepared, Labels]], weights: list[Tensor], *, seed: int = 0) -> float:
    """Largest eigenvalue of the second derivative of the energy loss by the weights; NaN where it does not converge."""
    n = sum(w.numel() for w in weights)
    apply = partial(curvature_times, items=items, weights=weights)
    if n <= SMALL:
        whole = np.array([apply(row) for row in np.eye(n)])
        return float(np.linalg.eigvalsh(0.5 * (whole + whole.T))[-1])
    start = np.random.default_rng(seed).normal(size=n)
    how: dict[str, Any] = {"k": 1, "which": "LA", "v0": start, "ncv": min(LANCZOS, n), "tol": 1e-4}
    operator: Any = {"matvec": apply, "shape": (n, n), "dtype": np.float64}
    try:
        found = eigsh(LinearOperator(**operator), return_eigenvectors=False, **how)
    except ArpackNoConvergence:
        return float("nan")
    return float(np.asarray(found)[0])


def curvature_times(vector: NDArray, *, items: list[tuple[Prepared, Labels]], weights: list[Tensor]) -> NDArray:
    """Second derivative of the energy loss times a vector, structure by structure."""
    along = torch.split(torch.from_numpy(np.array(vector, dtype=float).ravel()), [w.numel() for w in weights])
    total = np.zeros(sum(w.numel() for w in weights))
    n_labels = sum(int(torch.isfinite(labels.energy).sum()) for _, labels in items)
    for item, labels in items:
        residual = ((item.predict().energy - labels.energy) / labels.n_atoms)[torch.isfinite(labels.energy)]
        loss = residual.square().sum() / n_labels
        slopes = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
        climb = [(s * v.reshape(s.shape).to(s)).sum() for s, v in zip(slopes, along, strict=True) if s is not None]
        climb = sum(climb[1:], start=climb[0]) if climb else residual.new_zeros(())
        if not climb.requires_grad:
            continue
        found = torch.autograd.grad(climb, weights, allow_unused=True)
        parts = [torch.zeros_like(w) if f is None else f for w, f in zip(weights, found, strict=True)]
        total += torch.cat([p.reshape(-1) for p in parts]).detach().double().cpu().numpy()
    return total


def _weights(potential: Potential) -> list[Tensor]:
    """What can be trained in the terms that see neighbors."""
    return [p for term in potential.terms() if term.cutoff > 0 for p in term.parameters() if p.requires_grad]


def _place(weights: list[Tensor], values: list[Tensor]) -> None:
    with torch.no_grad():
        for w, value in zip(weights, values, strict=True):
            w.copy_(value)


def _chosen(data: Dataset, n: int, seed: int) -> Dataset:
    """Some labelled structures, the same for a seed."""
    labelled = [k for k, s in enumerate(data) if s.has_energy]
    return data[sorted(np.random.default_rng(seed).permutation(labelled)[:n].tolist())]


def _draw(axes, steps: NDArray, grid: NDArray, label: str) -> None:
    shown = np.log10(np.maximum(grid, 1e-300))
    lines = axes.contourf(steps, steps, shown.T, levels=20)
    axes.figure.colorbar(lines, ax=axes, label=f"log10 {label}")
    axes.plot(0, 0, marker="x", color="white")
    axes.set(aspect="equal")
    axes.set_xlabel("step along the first direction, |w|")
    axes.set_ylabel("along the second")
