"""The bispectrum of a graph with a density for each element by the compiled loops, and its compiled form."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.descriptor import DescriptorKernel
from cambrian.graph import Graph
from cambrian.native.chemical import ChannelEdges, ChemicalKernel


@dataclass(frozen=True)
class ChemicalRoute(DescriptorKernel):
    """A `DescriptorKernel` of features (B - zeros) / norms.

    elements: atomic numbers of the channels, ascending.
    neighbor_weights, pair_cutoffs (Å): of every edge of a graph.
    zeros: what is subtracted, by the channel of the atom; norms: what is divided by.
    """

    loops: ChemicalKernel
    elements: Int[Tensor, "channels"]
    neighbor_weights: Callable[[Graph], Float[Tensor, "edges"]]
    pair_cutoffs: Callable[[Graph], Float[Tensor, "edges"]]
    zeros: Float[np.ndarray, "channels features"]
    norms: Float[np.ndarray, "features"]

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The same values as the descriptor's own `features`."""
        edges = self._edges(graph)
        return torch.from_numpy((self.loops.features(edges) - self.zeros[edges.center]) / self.norms)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """The same values as the descriptor's own `jacobian`."""
        edges = self._edges(graph)
        features, jacobian = self.loops.jacobian(edges)
        features = (features - self.zeros[edges.center]) / self.norms
        return torch.from_numpy(features), torch.from_numpy(jacobian / self.norms)

    def pull(self, graph: Graph, slopes: Float[Tensor, "atoms features"]) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge."""
        raw = np.ascontiguousarray(slopes.detach().numpy() / self.norms)
        return torch.from_numpy(self.loops.energies_and_pull(self._edges(graph), raw, np.arange(len(raw)))[1])

    def energies_and_pull(
        self, graph: Graph, slopes: Float[Tensor, "species features"], species: Int[Tensor, "atoms"]
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Energies linear in the features, and dE/dr_ij."""
        edges, row = self._edges(graph), np.ascontiguousarray(species.numpy())
        raw = np.ascontiguousarray(slopes.detach().numpy() / self.norms)
        energies, pull = self.loops.energies_and_pull(edges, raw, row)
        return torch.from_numpy(energies - (raw @ self.zeros.T)[row, edges.center]), torch.from_numpy(pull)

    def _edges(self, graph: Graph) -> ChannelEdges:
        channel = torch.searchsorted(self.elements, graph.numbers)
        if not torch.equal(self.elements[channel.clamp(max=len(self.elements) - 1)], graph.numbers):
            raise ValueError(f"the graph holds elements other than {self.elements.tolist()}")
        return ChannelEdges(
            graph.first_edge.numpy(),
            np.ascontiguousarray(graph.r_ij.detach().numpy()),
            self.pair_cutoffs(graph).numpy(),
            self.neighbor_weights(graph).numpy(),
            channel.numpy(),
            channel[graph.neighbor].numpy(),
        )
