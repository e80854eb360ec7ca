"""Energies, forces and stress of a descriptor potential as rows, linear in the regressor's coefficients."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.evaluate import stress_of
from cambrian.contracts.linear import Linear, Rows, rows_by_differentiation
from cambrian.contracts.regressor import BasisRegressor
from cambrian.graph import Graph, sum_over_structures

if TYPE_CHECKING:
    from cambrian.contracts.descriptor_potential import DescriptorPotential


class DescriptorRows(Linear):
    """The linear view of a descriptor potential."""

    def __init__(self, potential: "DescriptorPotential", regressor: BasisRegressor):
        self.potential, self.regressor = potential, regressor

    @property
    def coefficients(self) -> Float[Tensor, "coefficients"]:
        """The regressor's coefficients."""
        return self.regressor.coefficients.detach().clone()

    @coefficients.setter
    def coefficients(self, values: Float[Tensor, "coefficients"]) -> None:
        with torch.no_grad():
            self.regressor.coefficients.copy_(values)

    def prior(self) -> Tensor | None:
        """The regressor's prior."""
        return self.regressor.prior()

    def roughness(self) -> Tensor | None:
        """What the regressor makes of the roughness of the features."""
        of_features = self.potential.descriptor.roughness()
        return None if of_features is None else self.regressor.roughness(of_features)

    def scale_prior(self, factor: float) -> None:
        """Pass on to the regressor."""
        self.regressor.scale_prior(factor)

    @property
    def shape(self) -> float | None:
        """The regressor's."""
        return self.regressor.shape()

    @shape.setter
    def shape(self, value: float) -> None:
        self.regressor.reshape(value)

    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Rows from the features and their star-local Jacobian; a whole-structure descriptor is differentiated."""
        near, species = graph.within(self.potential.cutoff), self.potential.species(graph)
        descriptor, per_atom = self.potential.fastest, self.potential.descriptor.per == "atom"

        def energies(near: Graph) -> Tensor:
            basis = self.regressor.basis(descriptor.features(near), species)
            return sum_over_structures(basis, near) if per_atom else basis

        if derivatives and self.potential.differentiable and not per_atom:
            return rows_by_differentiation(energies, near)
        with torch.no_grad():
            if not derivatives or not self.potential.differentiable:
                return Rows(energies(near))
            if (rows := self._rows_of_sums(near, species)) is not None:
                return rows
            features, jacobian = descriptor.jacobian(near)
            basis = self.regressor.basis(features, species)
            if not bool(near.owned.all()):
                jacobian = jacobian * near.owned[near.center, None, None]
            derivatives_of = self.regressor.derivative_rows(near, features, jacobian, species)
            return Rows(sum_over_structures(basis, near), *derivatives_of)

    def _rows_of_sums(self, graph: Graph, species: Tensor) -> Rows | None:
        """The same where loops add up by themselves and the basis is linear: nothing is kept for edges."""
        kernel, n_species = self.potential.descriptor.kernel(), len(self.potential.elements)
        if kernel is None or not bool(graph.owned.all()):
            return None
        nothing = graph.positions.new_zeros(0, n_species, self.potential.descriptor.n_features)
        if self.regressor.rows_of_sums(nothing) is None:
            return None
        found = kernel.row_sums(graph, species, n_species)
        if found is None:
            return None
        energy = sum_over_structures(self.regressor.basis(found.features, species), graph)
        forces, strain = self.regressor.rows_of_sums(found.forces), self.regressor.rows_of_sums(found.strain)
        if forces is None or strain is None:
            return None
        return Rows(energy, forces, stress_of(strain, graph))
