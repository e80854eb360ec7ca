"""Potentials made of others: descriptor with regressor, frozen, committee."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor, DescriptorKernel
from cambrian.contracts.evaluate import Prediction, assemble, stress_of
from cambrian.contracts.fused import FusedRegressor, compiled_regressor
from cambrian.contracts.lammps import LammpsForm
from cambrian.contracts.linear import Linear, Rows, rows_by_differentiation
from cambrian.contracts.potential import Potential, Terms, everywhere, widest_scope
from cambrian.contracts.prepared_features import PreparedFeatures, StoredJacobian
from cambrian.contracts.regressor import BasisRegressor, Regressor
from cambrian.data.dataset import Dataset
from cambrian.elements import symbols
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_structures


class DescriptorPotential(Potential):
    """Any descriptor with any regressor: E = Σ_i regressor(features_i).

    `lowest` and `highest` (species, features) are the ranges of the features over the training set, which tell
    extrapolation; NaN for a species without any row, None before `setup` and for descriptors of whole structures.
    `combinations` are those of its active set, where a linear fit kept one (contracts/grade.py).
    `observer`, where set, is shown graph and features of every evaluation (contracts/extrapolation.py).
    """

    lowest: Float[Tensor, "species features"] | None
    highest: Float[Tensor, "species features"] | None
    combinations: Float[Tensor, "species columns columns"] | None

    def __init__(self, descriptor: Descriptor, regressor: Regressor):
        super().__init__()
        self.descriptor, self.regressor = descriptor, regressor
        self.cutoff = descriptor.cutoff
        self.scope = "local" if descriptor.per == "atom" else "global"
        self.extensive = descriptor.per == "atom"
        self.differentiable = descriptor.differentiable
        self.register_buffer("lowest", None)
        self.register_buffer("highest", None)
        self.register_buffer("combinations", None)
        self.observer: Callable[[Graph, Tensor], None] | None = None

    def setup(self, train: Dataset) -> None:
        """Set up the descriptor, then the regressor on the features of the training set; note their ranges."""
        super().setup(train)
        self.descriptor.setup(train)
        self.combinations = None
        rows, kinds = self.environments(train)
        self.regressor.meet(symbols(self.elements))
        n_species = len(self.elements) if self.descriptor.per == "atom" else 1
        self.regressor.setup(rows, kinds, n_species)
        if self.descriptor.per == "atom":
            self.lowest, self.highest = self._ranges(rows, kinds)

    def widen(self, train: Dataset) -> None:
        """Let the ranges of the features reach over `train` too, and the regressor take its environments in."""
        if self.lowest is not None and self.highest is not None and len(train):
            rows, kinds = self.environments(train)
            self.regressor.widen(rows, kinds)
            lowest, highest = self._ranges(rows, kinds)
            self.lowest, self.highest = torch.fmin(self.lowest, lowest), torch.fmax(self.highest, highest)

    def ranges(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """Lowest and highest value of every feature of each element over all atoms of `data`."""
        return self._ranges(*self.environments(data))

    def environments(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """Features and species of all atoms of `data`."""
        features, species = [], []
        for graph, _ in data.batches(self.cutoff):
            with torch.no_grad():
                features.append(self.fastest.features(graph))
            species.append(self.species(graph))
        return torch.cat(features), torch.cat(species)

    def _ranges(self, rows: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        of_species = [rows[kinds == s] for s in range(len(self.elements))]
        absent = rows.new_full((1, rows.shape[1]), torch.nan)
        known = [r if len(r) else absent for r in of_species]
        return torch.stack([r.amin(dim=0) for r in known]), torch.stack([r.amax(dim=0) for r in known])

    @property
    def fastest(self) -> "Descriptor | DescriptorKernel":
        """What computes features and Jacobian without a graph of derivatives: the kernel where there is one."""
        return self.descriptor.kernel() or self.descriptor

    def species(self, graph: Graph) -> Tensor:
        """Index of each atom's element in this potential's list; zeros for a whole-structure descriptor."""
        if self.descriptor.per == "structure":
            return torch.zeros(graph.n_structures, dtype=torch.int64, device=graph.numbers.device)
        return torch.searchsorted(self.elements, graph.numbers).clamp(max=max(len(self.elements) - 1, 0))

    def forward(self, graph: Graph) -> Terms:
        """Features, then energies."""
        features = self.descriptor.features(graph)
        self._show(graph, features)
        return self.terms_of(features, graph)

    def _show(self, graph: Graph, features: Tensor) -> None:
        if self.observer is not None:
            self.observer(graph, features.detach())

    def terms_of(self, features: Tensor, graph: Graph) -> Terms:
        """Energies from features that are there already."""
        energies = self.regressor(features, self.species(graph))
        return Terms.of_atoms(energies, graph) if self.descriptor.per == "atom" else Terms(energies)

    def linear(self) -> "DescriptorRows | None":
        """Linear where the regressor is, and the descriptor has nothing to train."""
        regressor = self.regressor
        if not isinstance(regressor, BasisRegressor) or not self.descriptor.fixed:
            return None
        return DescriptorRows(self, regressor)

    def prepare(self, graph: Graph, *, forces: bool = True) -> "PreparedFeatures | None":
        """Features and Jacobian, where the descriptor is fixed and local."""
        if not self.descriptor.fixed or self.descriptor.per != "atom":
            return None
        if not forces or not self.differentiable:
            with torch.no_grad():
                return PreparedFeatures(self, graph, self.fastest.features(graph), None)
        features, jacobian = self.fastest.jacobian(graph)
        return PreparedFeatures(self, graph, features, StoredJacobian.of(graph, jacobian))

    def native(self):
        """The descriptor's compiled kernel with the regressor's networks inside, else between its halves in torch."""
        kernel = self.descriptor.kernel()
        if kernel is None:
            return None
        fused = FusedRegressor(kernel, self.regressor)

        def predict(graph: Graph) -> Prediction:
            near, species = graph.within(self.cutoff), self.species(graph)
            slopes = self.regressor.constant_slopes()
            if slopes is not None:
                if self.observer is not None:
                    self.observer(near, kernel.features(near))
                energies, pull = kernel.energies_and_pull(near, slopes.detach(), species)
                if not bool(near.owned.all()):
                    pull = pull * near.owned[near.center, None]
                with torch.no_grad():
                    energies = energies + self.regressor(
                        energies.new_zeros(1, slopes.shape[1]).expand(len(energies), -1), species
                    )
            elif (swept := fused(near, species, self.observer is not None)) is not None:
                energies, pull, features = swept
                if features is not None:
                    self._show(near, features)
                if not bool(near.owned.all()):
                    pull = pull * near.owned[near.center, None]
            else:
                features = kernel.features(near)
                self._show(near, features)
                features.requires_grad_()
                energies = self.regressor(features, species)
                pull = kernel.pull(near, torch.autograd.grad(sum_over_structures(energies, near).sum(), features)[0])
                energies = energies.detach()
            forces, dE_dstrain = assemble(near, pull)
            energy = sum_over_structures(energies, near)
            return Prediction(energy, forces, stress_of(dE_dstrain, near), atomic_energies=energies)

        return predict

    def lammps(self) -> LammpsForm | None:
        """The descriptor's form with the regressor's coefficients, where LAMMPS knows both."""
        table = self.regressor.lammps()
        return None if table is None else self.descriptor.lammps(symbols(self.elements), table)

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """Descriptor and regressor, where the compiled library knows both, with the active set of a linear fit."""
        if self.descriptor.per != "atom" or numbers != self.elements.tolist():
            return None
        features, head = self.descriptor.compiled(numbers), compiled_regressor(self.regressor)
        if features is None or head is None:
            return None
        known = {} if self.combinations is None else {"combinations": self.combinations}
        return [(features + head).with_arrays(**known)]

    @classmethod
    def example(cls) -> "DescriptorPotential":
        """Built by the tests from every descriptor and regressor instead."""
        raise UserError("a descriptor potential has no example of its own; combine any descriptor with any regressor")


class DescriptorRows(Linear):
    """The linear view of a descriptor potential."""

    def __init__(self, potential: DescriptorPotential, regressor: BasisRegressor):
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
        if kernel is None or graph.n_structures > 1 or not bool(graph.owned.all()):
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
        return Rows(energy, forces, stress_of(strain[None], graph))


class Frozen(Potential):
    """A potential whose parameters no solver changes: what it predicts is subtracted from the labels.

    Its ranges stay too where a fit goes on: it learns nothing of the new structures.
    """

    def __init__(self, potential: Potential):
        super().__init__()
        self.potential = potential.requires_grad_(False)
        self.elements = potential.elements.clone()
        self.cutoff, self.scope = potential.cutoff, potential.scope
        self.extensive, self.differentiable = potential.extensive, potential.differentiable

    @property
    def receptive_field(self) -> float:
        """That of the potential inside, Å."""
        return self.potential.receptive_field

    def setup(self, train: Dataset) -> None:
        """Set up the potential inside; its parameters stay frozen."""
        super().setup(train)
        self.potential.setup(train)
        self.potential.requires_grad_(False)

    def forward(self, graph: Graph) -> Terms:
        """The potential inside."""
        return self.potential(graph)

    def native(self):
        """The compiled route of the potential inside."""
        return self.potential.native()

    def lammps(self) -> LammpsForm | None:
        """That of the potential inside."""
        return self.potential.lammps()

    def compiled(self, numbers: list[int]) -> list[CompiledPart] | None:
        """That of the potential inside."""
        return self.potential.compiled(numbers)

    @classmethod
    def example(cls) -> "Frozen":
        """A frozen empty sum."""
        from cambrian.contracts.potential import Sum

        return cls(Sum.example())


class Committee(Potential):
    """The mean of several potentials of one kind; their spread tells how sure it is."""

    def __init__(self, members: list[Potential]):
        super().__init__()
        if not members:
            raise UserError("a committee needs at least one member")
        self.members = cast(Sequence[Potential], nn.ModuleList(members))
        self.elements = members[0].elements.clone()
        self.cutoff = max(m.cutoff for m in members)
        self.scope = widest_scope(members)
        self.extensive = all(m.extensive for m in members)
        self.differentiable = all(m.differentiable for m in members)

    @property
    def receptive_field(self) -> float:
        """The longest of the members', Å."""
        return max(m.receptive_field for m in self.members)

    def setup(self, train: Dataset) -> None:
        """Set up every member."""
        super().setup(train)
        for member in self.members:
            member.setup(train)

    def widen(self, train: Dataset) -> None:
        """Widen every member."""
        for member in self.members:
            member.widen(train)

    def forward(self, graph: Graph) -> Terms:
        """Mean of energies, atomic energies, charges and dipoles."""
        terms = [m(graph.within(m.cutoff)) for m in self.members]

        def mean(name: str) -> Tensor | None:
            values = everywhere(getattr(t, name) for t in terms)
            return None if values is None else torch.stack(values).mean(dim=0)

        energy = torch.stack([t.energy for t in terms]).mean(dim=0)
        return Terms(energy, **{f.name: mean(f.name) for f in fields(Terms) if f.name != "energy"})

    @classmethod
    def example(cls) -> "Committee":
        """Two empty sums."""
        from cambrian.contracts.potential import Sum

        return cls([Sum.example(), Sum.example()])
