"""Any descriptor with any regressor: a potential, differentiated, prepared, compiled, and linear where it can be."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor, DescriptorKernel
from cambrian.contracts.descriptor_rows import DescriptorRows
from cambrian.contracts.evaluate import Prediction, assemble, stress_of
from cambrian.contracts.fused import FusedRegressor, compiled_regressor
from cambrian.contracts.lammps import LammpsForm
from cambrian.contracts.potential import Potential, Terms
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

    def linear(self) -> DescriptorRows | None:
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
            near = graph.within(self.cutoff)
            energies, pull = self._swept(near, kernel, fused)
            if not bool(near.owned.all()):
                pull = pull * near.owned[near.center, None]
            forces, dE_dstrain = assemble(near, pull)
            energy = sum_over_structures(energies, near)
            return Prediction(energy, forces, stress_of(dE_dstrain, near), atomic_energies=energies)

        return predict

    def _swept(
        self, graph: Graph, kernel: DescriptorKernel, fused: FusedRegressor
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Atomic energies and dE/dr_ij by the shortest way that the regressor allows."""
        species = self.species(graph)
        if (slopes := self.regressor.constant_slopes()) is not None:
            if self.observer is not None:
                self.observer(graph, kernel.features(graph))
            energies, pull = kernel.energies_and_pull(graph, slopes.detach(), species)
            with torch.no_grad():
                nothing = energies.new_zeros(1, slopes.shape[1]).expand(len(energies), -1)
                return energies + self.regressor(nothing, species), pull
        if (swept := fused(graph, species, self.observer is not None)) is not None:
            energies, pull, features = swept
            if features is not None:
                self._show(graph, features)
            return energies, pull
        features = kernel.features(graph)
        self._show(graph, features)
        features.requires_grad_()
        energies = self.regressor(features, species)
        slope = torch.autograd.grad(sum_over_structures(energies, graph).sum(), features)[0]
        return energies.detach(), kernel.pull(graph, slope)

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
