"""The bispectrum of a graph, elements told apart by weights and radii, by the compiled loops."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.descriptor import DescriptorKernel, RowSums
from cambrian.graph import Graph
from cambrian.native.bispectrum import BispectrumKernel

VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


@dataclass(frozen=True)
class BispectrumRoute(DescriptorKernel):
    """A `DescriptorKernel` of features (B - zeros) / norms.

    neighbor_weights, pair_cutoffs (Å): of every edge of a graph.
    zeros: what is subtracted; norms: what is divided by.
    """

    loops: BispectrumKernel
    neighbor_weights: Callable[[Graph], Float[Tensor, "edges"]]
    pair_cutoffs: Callable[[Graph], Float[Tensor, "edges"]]
    zeros: Float[np.ndarray, "features"]
    norms: Float[np.ndarray, "features"]

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The same values as the descriptor's own `features`."""
        return torch.from_numpy((self.loops.features(*self._edges(graph)) - self.zeros) / self.norms)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """The same values as the descriptor's own `jacobian`."""
        features, jacobian = self.loops.jacobian(*self._edges(graph))
        return torch.from_numpy((features - self.zeros) / self.norms), torch.from_numpy(jacobian / self.norms)

    def row_sums(self, graph: Graph, species: Int[Tensor, "atoms"], n_species: int) -> RowSums:
        """Summed inside the loops."""
        neighbor = np.ascontiguousarray(graph.neighbor.numpy())
        blocks = neighbor, species.numpy(), n_species, graph.structure.numpy(), graph.n_structures
        features, forces, strain = self.loops.rows(*self._edges(graph), *blocks)
        whole = strain[:, VOIGT] / self.norms
        return RowSums(
            *(torch.from_numpy(a) for a in ((features - self.zeros) / self.norms, forces / self.norms, whole))
        )

    def pull(self, graph: Graph, slopes: Float[Tensor, "atoms features"]) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge."""
        slope = np.ascontiguousarray(slopes.detach().numpy() / self.norms)
        return torch.from_numpy(self.loops.pull(*self._edges(graph), slope))

    def energies_and_pull(
        self, graph: Graph, slopes: Float[Tensor, "species features"], species: Int[Tensor, "atoms"]
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Energies linear in the features, and dE/dr_ij."""
        coefficients = np.ascontiguousarray(slopes.detach().numpy() / self.norms)
        energies, pull = self.loops.energies_and_pull(*self._edges(graph), coefficients, species.numpy())
        return torch.from_numpy(energies - (coefficients @ self.zeros)[species.numpy()]), torch.from_numpy(pull)

    def _edges(self, graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        r_ij = np.ascontiguousarray(graph.r_ij.detach().numpy())
        weights, cutoffs = self.neighbor_weights(graph), self.pair_cutoffs(graph)
        return graph.first_edge.numpy(), r_ij, cutoffs.numpy(), weights.numpy()
