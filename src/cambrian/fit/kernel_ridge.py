"""Kernel ridge regression in closed form: one coefficient per label, by one Cholesky factorization.

    (K + λ W⁻²) α = y - c          c: mean of the energies; W: weights of the labels, one where none are given

The length of the kernel is that of least error on labels held out of a part of the training set,

    e_v = y_v - K_vt (K_tt + λ)⁻¹ y_t

all from one matrix per length. Then the whole training set is solved with it. Where only forces are observed, the
energy is their integral, and c the mean of what is missing to the reference energies.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from cambrian.contracts.kernel import KernelView
from cambrian.contracts.potential import Potential, Sum
from cambrian.contracts.predict import predict
from cambrian.contracts.solver import Solution, Solver
from cambrian.data.dataset import Dataset
from cambrian.data.labels import Labels
from cambrian.errors import UserError
from cambrian.fit.problem import Problem, available_memory

USABLE = 0.8  # of the free memory


class KernelRidge(Solver):
    """The solver of full kernel methods (sgdml, fchl, coulomb_matrix).

    regularization: λ in units of the kernel; the larger, the smoother.
    lengths: lengths of the kernel to choose from, in units of its descriptor; none keeps that of the potential.
    probe: how many structures of the training set the choice looks at, evenly spaced; a quarter of them are held out.
    """

    def __init__(self, *, regularization: float = 1e-10, lengths: tuple[float, ...] = (), probe: int = 200):
        if regularization <= 0 or probe < 4 or any(length <= 0 for length in lengths):
            raise UserError("regularization and lengths are above 0, and probe is at least 4")
        self.regularization, self.lengths, self.probe = regularization, tuple(lengths), probe

    def solve(self, problem: Problem) -> Solution:
        """Choose the length, then set the coefficients of the one kernel term of the potential.

        Raises UserError where there is no such term, a label is missing, or memory does not suffice.
        """
        term, view = kernel_term(problem)
        base = Sum([t for t in problem.potential.terms() if t is not term])
        if len(view.n_atoms) != len(problem.train):
            raise UserError("this solver fits the structures that the potential was set up on; it holds none back")
        largest = max(int(view.labels_of(range(len(problem.train))).sum()), 1)
        refuse_too_large(largest, len(problem.train))
        problem.progress("kernel", 0.0, f"a matrix of {largest}² takes {8e-9 * largest**2:.2f} GB")
        targets = Targets.of(view, problem.train, base)
        history = self._choose_length(problem, view, targets)
        every = np.arange(len(problem.train))
        K = view.covariance(every, lambda f: problem.progress("kernel", f, f"length {view.length:g}"))
        problem.progress("solve", 0.0, f"{largest} coefficients")
        alpha = solved(K, targets.values(every), self.regularization / targets.weights(every) ** 2)
        view.coefficients = torch.from_numpy(np.append(alpha, targets.constant) if view.has_constant else alpha)
        figures = {"n_rows": largest, "n_coefficients": len(view.coefficients), "kernel_length": view.length}
        notes = [f"kernel length {view.length:g}" + (f", chosen among {len(history)}" if history else "")]
        if "energy" not in view.observes and view.has_constant:
            notes += set_constant(view, problem.potential, problem.train)
        return Solution(history=history, notes=notes, figures=figures)

    def _choose_length(self, problem: Problem, view: KernelView, targets: "Targets") -> list[dict[str, float]]:
        """Set the length of least error on the held-out part of a probe; the errors of all."""
        if not self.lengths:
            return []
        n = len(problem.train)
        chosen = np.unique(np.linspace(0, n - 1, min(self.probe, n)).round().astype(int))
        chosen = np.random.default_rng(problem.seed).permutation(chosen)
        n_fitted = view.labels_of(chosen[: max(1, 3 * len(chosen) // 4)]).sum()
        y, noise = targets.values(chosen), self.regularization / targets.weights(chosen) ** 2
        history = []
        for k, length in enumerate(self.lengths):
            view.length = length
            K = view.covariance(chosen)
            cross = K[n_fitted:, :n_fitted].copy()
            alpha = solved(np.ascontiguousarray(K[:n_fitted, :n_fitted]), y[:n_fitted], noise[:n_fitted])
            errors = y[n_fitted:] - cross @ alpha
            history.append({"length": float(length), "held_out_rmse": float(np.sqrt(np.mean(errors**2)))})
            words = f"length {length:g}: error of {history[-1]['held_out_rmse']:.4g} on what is held out"
            problem.progress("length", (k + 1) / len(self.lengths), words)
        view.length = min(history, key=lambda row: row["held_out_rmse"])["length"]
        return history


def kernel_term(problem: Problem) -> tuple[Potential, KernelView]:
    """The one kernel term of a potential and its view; raises UserError where there is another thing to fit."""
    if problem.warm is not None:
        raise UserError("a kernel potential consists of its training set: fit old and new data together, from anew")
    found = [(t, v) for t in problem.potential.terms() if isinstance(v := t.linear(), KernelView)]
    known = [t for t, _ in found]
    others = [t for t in problem.potential.terms() if t not in known and any(p.requires_grad for p in t.parameters())]
    if len(found) != 1 or others:
        names = ", ".join(type(t).__name__ for t in [*known, *others]) or "none"
        raise UserError(
            f"KernelRidge fits exactly one full kernel (sgdml, fchl ...), here there is {names}; wrap others in "
            "Frozen, or choose another solver (LeastSquares)"
        )
    return found[0]


def refuse_too_large(n_labels: int, n_structures: int) -> None:
    """Raise UserError where the matrix of the labels exceeds memory, with the number of structures that fit."""
    needed, free = 8.0 * n_labels**2, available_memory()
    if needed > USABLE * free:
        fitting = int(n_structures * np.sqrt(USABLE * free / needed))
        raise UserError(
            f"the kernel of {n_labels} labels takes {needed / 1e9:.1f} GB, of which {free / 1e9:.1f} GB are free: "
            f"fit to at most {fitting} of the {n_structures} structures (cambrian select farthest_point -n {fitting})"
        )


def solved(K: NDArray, y: NDArray, noise: NDArray) -> NDArray:
    """(K + noise)⁻¹ y from the lower triangle of K, which is overwritten; raises UserError where K is not positive."""
    K[np.diag_indices_from(K)] += noise
    try:  # LAPACK reads columns: its upper triangle is our lower
        factor = scipy.linalg.cho_factor(K.T, lower=False, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError as error:
        raise UserError(
            "the kernel matrix is not positive: structures stand in the training set twice, or the regularization is "
            "below what arithmetic resolves; remove duplicates or raise solver.regularization ten times"
        ) from error
    return scipy.linalg.cho_solve(factor, y, check_finite=False)


def set_constant(view: KernelView, potential: Potential, train: Dataset) -> list[str]:
    """Set c to what is missing to the reference energies on average; what to note of it."""
    labelled = Dataset(s for s in train if s.has_energy)
    if not len(labelled):
        return ["no structure has an energy: energies are relative"]
    missing = [s.energy - p.energy for s, p in zip(labelled, predict(potential, labelled), strict=True)]
    coefficients = view.coefficients
    coefficients[-1] += float(np.mean(missing))
    view.coefficients = coefficients
    return [f"energies by integration of forces, {1e3 * np.std(missing):.3g} meV from the reference (RMS, training)"]


@dataclass(frozen=True)
class Targets:
    """The labels a kernel observes, less what other terms say and the mean energy, and their weights; by structure."""

    parts: list[NDArray]
    weight_parts: list[NDArray]
    constant: float

    @classmethod
    def of(cls, view: KernelView, train: Dataset, base: Potential) -> "Targets":
        """Raises UserError where a label that the kernel observes is missing."""
        of_base = predict(base, train)
        labels = [Labels.of([s]) for s in train]
        offset = 0.0
        if "energy" in view.observes and view.has_constant:
            offset = float(np.mean([s.energy - b.energy for s, b in zip(train, of_base, strict=True)]))
        parts, weights = [], []
        for s, b, found in zip(train, of_base, labels, strict=True):
            values, counts = [], []
            if "energy" in view.observes:
                values.append([s.energy - b.energy - offset])
                counts.append(found.energy_weight.numpy())
            if "forces" in view.observes:
                from_base = 0.0 if b.forces is None else b.forces
                values.append((found.forces.numpy() - from_base).ravel())
                counts.append(np.full(3 * len(s), float(found.force_weight[0])))
            parts.append(np.concatenate(values))
            weights.append(np.concatenate(counts))
            if not np.isfinite(parts[-1]).all() or not (weights[-1] > 0).all():
                kinds = " and ".join(view.observes)
                raise UserError(f"this kernel needs {kinds} of every structure, with weights above 0").at(s.where)
        return cls(parts, weights, offset)

    def values(self, chosen: NDArray) -> NDArray:
        """Labels of the chosen structures behind each other."""
        return np.concatenate([self.parts[k] for k in chosen])

    def weights(self, chosen: NDArray) -> NDArray:
        """Their weights."""
        return np.concatenate([self.weight_parts[k] for k in chosen])
