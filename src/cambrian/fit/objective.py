"""The loss of a whole training set as a function of all parameters, with its gradient and its Gauss-Newton matrix.

L(w) = |r(w)|² + p(w)        ∇L = 2 Jᵀr + ∇p        J = ∂r/∂w

r are weighted residuals, each kind over the root of its number, and p is the mean penalty that the potential itself
puts on a structure.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import get_blas_funcs
from torch import Tensor

from cambrian.contracts.prepared import Prepared
from cambrian.data.labels import Labels
from cambrian.fit.problem import Weights, weighted_residuals

(dsyrk,) = get_blas_funcs(("syrk",), dtype=np.float64)

ROWS = 64  # residuals whose derivatives are taken at once


class Objective:
    """Loss over batches; absent labels count nowhere."""

    def __init__(
        self, batches: Sequence[tuple[Prepared, Labels]], parameters: Sequence[torch.nn.Parameter], weights: Weights
    ):
        self.batches, self.parameters, self.weights = batches, list(parameters), weights
        n_kinds = 1 if weights.force == 0 and weights.stress == 0 else 3
        counts = torch.zeros(n_kinds)
        self.n_structures = sum(len(labels.energy) for _, labels in batches)
        for item, labels in batches:
            found = weighted_residuals(item.predict(), labels, weights)
            for k, r in enumerate(found[:n_kinds]):
                counts[k] += len(r)
        self._roots = counts.clamp(min=1.0).double().sqrt()
        self.n_residuals = int(counts.sum())
        self.n_evaluations = 0

    def residuals(self, batch: tuple[Prepared, Labels]) -> Tensor:
        """Weighted residuals of a batch, each kind over the root of its number in the whole set."""
        return self._parts(batch)[0]

    def _parts(self, batch: tuple[Prepared, Labels]) -> tuple[Tensor, Tensor | None]:
        """Residuals of a batch, and its part of the penalty where the potential has one."""
        item, labels = batch
        prediction = item.predict()
        found = weighted_residuals(prediction, labels, self.weights)
        residuals = torch.cat([r / root for r, root in zip(found, self._roots, strict=False)])
        penalty = prediction.penalty
        return residuals, None if penalty is None else penalty.sum() / self.n_structures

    def _loss(self, batch: tuple[Prepared, Labels]) -> Tensor:
        residuals, penalty = self._parts(batch)
        return residuals.square().sum() if penalty is None else residuals.square().sum() + penalty

    def value(self, vector: NDArray | None = None) -> float:
        """The loss at a vector of parameters, or at the present ones; infinite where it is not a number."""
        if vector is not None:
            self.put(vector)
        self.n_evaluations += 1
        total = sum(float(self._loss(b).detach()) for b in self.batches)
        return total if np.isfinite(total) else float("inf")

    def value_and_gradient(self, vector: NDArray | None = None) -> tuple[float, NDArray]:
        """The loss and its gradient."""
        if vector is not None:
            self.put(vector)
        self.n_evaluations += 1
        total, gradient = 0.0, np.zeros(self.n_parameters)
        for batch in self.batches:
            value = self._loss(batch)
            found = torch.autograd.grad(value, self.parameters, allow_unused=True)
            total += float(value.detach())
            gradient += self._flat(found)
        return total, gradient

    def normal_equations(self) -> tuple[float, NDArray, NDArray]:
        """The loss, JᵀJ (lower triangle) and ∇L/2, the Jacobian never standing in memory as a whole."""
        n, total = self.n_parameters, 0.0
        matrix, right = np.zeros((n, n), order="F"), np.zeros(n)
        for batch in self.batches:
            r, penalty = self._parts(batch)
            total += float(r.detach().square().sum())
            if penalty is not None:
                total += float(penalty.detach())
                right += 0.5 * columns(penalty[None], self.parameters)[:, 0].numpy()
            for start in range(0, len(r), ROWS):
                part = r[start : start + ROWS]
                J = columns(part, self.parameters).numpy()  # (parameters, rows)
                matrix = dsyrk(1.0, np.asfortranarray(J), beta=1.0, c=matrix, lower=1, overwrite_c=1)
                right += J @ part.detach().numpy()
        return total, matrix, right

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.parameters)

    def get(self) -> NDArray:
        """The present parameters as one vector."""
        return np.concatenate([p.detach().numpy().ravel() for p in self.parameters]).astype(float)

    def put(self, vector: NDArray) -> None:
        """Put a vector into the parameters."""
        parts = torch.from_numpy(np.asarray(vector, dtype=float)).split([p.numel() for p in self.parameters])
        with torch.no_grad():
            for p, part in zip(self.parameters, parts, strict=True):
                p.copy_(part.view_as(p))

    def _flat(self, gradients: Sequence[Tensor | None]) -> NDArray:
        parts = zip(gradients, self.parameters, strict=True)
        return np.concatenate([np.zeros(p.numel()) if g is None else g.numpy().ravel() for g, p in parts])


def columns(values: Tensor, parameters: Sequence[torch.nn.Parameter]) -> Tensor:
    """Derivatives of some values by all parameters: (parameters, values)."""
    if not values.requires_grad:
        return torch.zeros(sum(p.numel() for p in parameters), len(values), dtype=torch.float64)
    if len(values) == 1:
        alone = torch.autograd.grad(values[0], parameters, allow_unused=True, retain_graph=True)
        found = [None if g is None else g[None] for g in alone]
    else:
        unit = torch.eye(len(values), dtype=values.dtype)
        how = {"is_grads_batched": True, "allow_unused": True, "retain_graph": True}
        found = torch.autograd.grad(values, parameters, grad_outputs=unit, **how)
    flat = [
        torch.zeros(len(values), p.numel(), dtype=values.dtype) if g is None else g.flatten(1)
        for g, p in zip(found, parameters, strict=True)
    ]
    return torch.cat(flat, dim=1).mT.double()
