"""Sparse kernel ridge regression of forces without an energy, on projections of the forces (mlotf).

    min_A |W (K_NM A - Y)|² + λ tr Aᵀ K_MM A          Y_ik = F_i·V̂_ik: one column for each direction of an atom

for each element by itself. W: weights of the structures' forces. The rows are folded into a triangle structure by
structure, so memory does not grow with their number. Length of the kernel and λ are those of least error of the forces
on structures held out of a part of the training set; then all of it is fitted with them. With all environments as
points, A = (K + λ)⁻¹ Y: full kernel ridge.
"""

from collections.abc import Iterable
from typing import cast

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from cambrian.contracts.force_model import NOT_CONSERVED, ForceModel
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.dataset import Dataset
from cambrian.data.labels import Labels
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.fit.linear_system import Triangle
from cambrian.fit.problem import Problem

JITTER = 1e-12  # on the diagonal of K_MM, which is 1


class ForceKernelRidge(Solver):
    """The solver of force models.

    regularizations: λ to choose from; the larger, the smoother.
    lengths: lengths of the kernel to choose from, in units of the spread of its descriptor; none keeps the model's.
    probe: how many structures of the training set the choice looks at; a quarter of them are held out.
    """

    def __init__(
        self,
        *,
        regularizations: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
        lengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
        probe: int = 100,
    ):
        if not regularizations or min(*regularizations, *lengths, 1.0) <= 0 or probe < 4:
            raise UserError("regularizations (one at least) and lengths are above 0, and probe is at least 4")
        self.regularizations, self.lengths, self.probe = tuple(regularizations), tuple(lengths), probe

    def solve(self, problem: Problem) -> Solution:
        """Choose length and λ, then set the coefficients; raises UserError where the potential is no force model."""
        model = problem.potential
        if not isinstance(model, ForceModel):
            raise UserError("this solver is for models of forces alone (mlotf); take LeastSquares or KernelRidge")
        labelled = Dataset(s for s in problem.train if s.forces is not None)
        history, best = [], self.regularizations[0]
        if len(self.regularizations) * max(len(self.lengths), 1) > 1 and len(labelled) > 1:
            history, best = self._choose(problem, model, labelled)
        triangles = equations(model, labelled, lambda f: problem.progress("rows", f, f"length {model.length:g}"))
        assign(model, triangles, best)
        notes = [f"kernel length {model.length:g} and regularization {best:g}", f"forces alone: {NOT_CONSERVED}"]
        figures = {
            "n_rows": sum(t.n_rows for t in triangles.values()),
            "kernel_length": model.length,
            "regularization": best,
        }
        return Solution(history=history, notes=notes, figures=figures)

    def _choose(self, problem: Problem, model: ForceModel, data: Dataset) -> tuple[list[dict[str, float]], float]:
        """Set the length and give λ, both of least error of held-out forces; the errors of all."""
        chosen = np.unique(np.linspace(0, len(data) - 1, min(self.probe, len(data))).round().astype(int))
        chosen = np.random.default_rng(problem.seed).permutation(chosen)
        n_fitted = max(1, 3 * len(chosen) // 4)
        fitted, held_out = (Dataset(data[int(k)] for k in part) for part in (chosen[:n_fitted], chosen[n_fitted:]))
        history = []
        for length in self.lengths or (model.length,):
            model.length = length
            triangles = equations(model, fitted)
            for regularization in self.regularizations:
                assign(model, triangles, regularization)
                error = rms_error(model, held_out)
                history.append({"length": length, "regularization": regularization, "held_out_rmse": error})
            words = f"length {length:g}: held-out error {1e3 * min(h['held_out_rmse'] for h in history):.0f} meV/Å"
            problem.progress("length", len(history) / (len(self.regularizations) * max(len(self.lengths), 1)), words)
        best = min(history, key=lambda row: row["held_out_rmse"])
        model.length = best["length"]
        return history, best["regularization"]


@torch.no_grad()
def equations(model: ForceModel, data: Dataset, progress=lambda fraction: None) -> dict[int, Triangle]:
    """Rows and targets of each element, reduced to a triangle."""
    triangles: dict[int, Triangle] = {}
    for k, (s, graph) in enumerate(zip(data, data.graphs(model.cutoff), strict=True)):
        forces, weight = forces_of(s)
        for p in model.projections(graph):
            targets = (p.directions @ forces[p.atoms][:, :, None])[:, :, 0]
            both = weight * torch.cat([p.rows, targets], dim=1).numpy()
            usable = both[np.isfinite(both).all(axis=1)]
            triangles.setdefault(p.element, Triangle(both.shape[1] - 1)).add(usable[:, :-1], usable[:, -1])
        progress((k + 1) / len(data))
    return triangles


def assign(model: ForceModel, triangles: dict[int, Triangle], regularization: float) -> None:
    """Solve each element's problem and give the model its coefficients."""
    for element, triangle in triangles.items():
        prior = model.prior(element).detach().numpy()
        n = len(prior)
        factor = scipy.linalg.cholesky(prior + JITTER * np.eye(n))
        both = np.column_stack([triangle.X, triangle.y])
        stacked = np.vstack([both, np.hstack([np.sqrt(regularization) * factor, np.zeros((n, both.shape[1] - n))])])
        (reduced,) = cast(tuple[NDArray], scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False))
        found = scipy.linalg.solve_triangular(reduced[:n, :n], reduced[:n, n:])
        model.assign(element, torch.from_numpy(found))


def forces_of(s: Structure) -> tuple[torch.Tensor, float]:
    """Forces of a structure and their weight."""
    labels = Labels.of([s])
    return labels.forces, float(labels.force_weight[0])


@torch.no_grad()
def rms_error(model: ForceModel, data: Iterable[Structure]) -> float:
    """Root of the mean square error of force components, eV/Å."""
    data = Dataset(data)
    parts = [
        (model.forces(graph) - forces_of(s)[0]).flatten()
        for s, graph in zip(data, data.graphs(model.cutoff), strict=True)
    ]
    return float(torch.cat(parts).square().nanmean().sqrt())
