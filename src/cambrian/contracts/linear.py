"""The linear capability: energy, forces and stress that are linear in some coefficients.

    E = Σ_k c_k X_k        F = Σ_k c_k (-dX_k/dR)        σ = Σ_k c_k (dX_k/dε) / V

SNAP, qSNAP, ACE, MTP, sparse kernels and sGDML all offer it; one least-squares solver serves them all, and the
posterior variance comes from the same rows. A sum concatenates the rows of its linear terms and subtracts the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.evaluate import Leaves, stress_of
from cambrian.errors import UserError
from cambrian.graph import Graph


@dataclass(frozen=True)
class Rows:
    """Derivatives of energy (eV), forces (eV/Å) and stress (eV/Å³) with respect to each coefficient."""

    energy: Float[Tensor, "structures coefficients"]
    forces: Float[Tensor, "atoms 3 coefficients"] | None = None
    stress: Float[Tensor, "structures 3 3 coefficients"] | None = None


class Linear(ABC):
    """The linear view of a potential."""

    @property
    @abstractmethod
    def coefficients(self) -> Float[Tensor, "coefficients"]:
        """A copy of the coefficients as they are now; assign to set them."""

    @coefficients.setter
    @abstractmethod
    def coefficients(self, values: Float[Tensor, "coefficients"]) -> None: ...

    @abstractmethod
    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Rows of a graph; without `derivatives` the energy alone."""

    def prior(self) -> Float[Tensor, "rows coefficients"] | None:
        """Factor R of the penalty |R c|² that belongs to the model (a kernel's K_MM = RᵀR); None for a flat prior."""
        return None

    def roughness(self) -> Float[Tensor, "coefficients"] | None:
        """By how much more than the smoothest each coefficient is held back, at least 1; None where all are alike."""
        return None

    def scale_prior(self, factor: float) -> None:  # noqa: B027 - a flat prior has no scale
        """Let the coefficients vary `factor` times as much a priori: R becomes R / factor."""

    @property
    def shape(self) -> float | None:
        """The number that shapes the functions (a kernel's length or exponent), where a solver may change it."""
        return None

    @shape.setter
    def shape(self, value: float) -> None:
        raise UserError(f"{type(self).__name__} has no shape to change")


def rows_by_differentiation(
    energies: Callable[[Graph], Float[Tensor, "structures coefficients"]], graph: Graph, *, derivatives: bool = True
) -> Rows:
    """Rows of energies that need not be local: one reverse sweep per coefficient, in edges, positions and strain."""
    if not derivatives:
        return Rows(energies(graph).detach())
    with torch.enable_grad():
        leaves = Leaves.of(graph)
        columns = energies(leaves.graph)
        slopes = [leaves.slopes(column, retain=True) for column in columns.unbind(dim=-1)]
    forces, stresses = zip(*(s.forces_and_stress(graph) for s in slopes), strict=True)
    return Rows(columns.detach(), torch.stack(forces, dim=-1), torch.stack(stresses, dim=-1))


def force_and_stress_rows(graph: Graph, push: Float[Tensor, "edges 3 columns"]) -> tuple[Tensor, Tensor]:
    """Rows of forces (atoms, 3, columns) and of stress (structures, 3, 3, columns) from dX/dr_ij per edge."""
    forces = push.new_zeros(graph.n_atoms, *push.shape[1:])
    forces = forces.index_add(0, graph.center, push).index_add(0, graph.neighbor, -push)
    counts = torch.bincount(graph.structure[graph.center], minlength=graph.n_structures).tolist()
    parts = zip(graph.r_ij.split(counts), push.split(counts), strict=True)
    dX_dstrain = torch.stack([torch.einsum("ex,eyk->xyk", r, p) for r, p in parts])
    return forces, stress_of(dX_dstrain, graph)
