"""Networks and sparse kernels inside the compiled sweep: features, energies and slopes, with nothing computed twice.

E_i = a_N(... a_1((G_i - center) W_1 + b_1) ...)  or  Σ_s c_s (x̂_i · x̂_s)^ζ,      dE/dr_ij in one pass
"""

from collections.abc import Iterable

import torch
from jaxtyping import Int
from torch import Tensor

from cambrian.contracts.atomic_network import AtomicNetwork
from cambrian.contracts.compiled import CompiledPart, network_part
from cambrian.contracts.descriptor import DescriptorKernel, Sweep
from cambrian.contracts.regressor import Regressor
from cambrian.graph import Graph
from cambrian.native.symmetry_functions import ACTIVATIONS, PlainNetwork


class Watched:
    """Tensors as they were when something was made of them; held on to, so that none can take another's place."""

    def __init__(self, tensors: Iterable[Tensor]):
        self._seen = [(t, t.detach(), t._version) for t in tensors]  # the detached one keeps the memory

    def unchanged(self, tensors: Iterable[Tensor]) -> bool:
        """Whether these are the same tensors with the same values."""
        now = list(tensors)
        return len(now) == len(self._seen) and all(
            t is seen and t.data_ptr() == memory.data_ptr() and t._version == version
            for t, (seen, memory, version) in zip(now, self._seen, strict=True)
        )


class FusedRegressor:
    """A regressor's networks or sparse points in a kernel; renewed when a parameter changes."""

    def __init__(self, kernel: DescriptorKernel, regressor: Regressor):
        self.kernel, self.regressor = kernel, regressor
        self._watched: Watched | None = None
        self._sweep: Sweep | None = None

    def __call__(self, graph: Graph, species: Int[Tensor, "atoms"], with_features: bool):
        """Energies of atoms (eV), dE/dr_ij and, where asked for, features; None where the kernel knows neither."""
        tensors = [*self.regressor.parameters(), *self.regressor.buffers()]
        if self._watched is None or not self._watched.unchanged(tensors):
            self._watched, self._sweep = Watched(tensors), self._renewed()
        return None if self._sweep is None else self._sweep(graph, species, with_features)

    def _renewed(self) -> Sweep | None:
        if (sums := self.regressor.power_sums()) is not None:
            return self.kernel.summed(sums)
        networks = self.regressor.networks()
        plain = [plain_network(n) for n in networks] if networks else []
        known = [n for n in plain if n is not None]
        return self.kernel.fused(known) if known and len(known) == len(plain) else None


def compiled_regressor(regressor: Regressor) -> CompiledPart | None:
    """Its coefficients or networks as arrays for the compiled library; None where that knows neither."""
    if (own := regressor.compiled()) is not None:
        return own
    plain = [plain_network(n) for n in regressor.networks() or []]
    known = [n for n in plain if n is not None]
    return network_part(known) if known and len(known) == len(plain) else None


def plain_network(network: AtomicNetwork) -> PlainNetwork | None:
    """Scales and divisions inside the first and the other layers; None where an activation is not known there."""
    if not set(network.activations) <= set(ACTIVATIONS) or network.activations[-1] != "identity":
        return None
    lowest, highest, mean, deviation = network.statistics
    used, zeros, ones = network.used, torch.zeros_like(mean), torch.ones_like(mean)
    least, most = network.scale_range
    if network.scaling in ("none", "center"):
        factor, least = ones, 0.0
    else:
        factor = (most - least) / torch.where(used, deviation if network.scaling == "sigma" else highest - lowest, ones)
    start = {"none": zeros, "scale": lowest}.get(network.scaling, mean)
    weights, biases = [w.detach().clone() for w in network.weights], [b.detach().clone() for b in network.biases]
    first = torch.where(used[:, None], weights[0], torch.zeros_like(weights[0]))
    biases[0] = biases[0] + least * first.sum(dim=0)
    weights[0] = torch.where(used, factor, zeros)[:, None] * first
    if network.averaged:
        inputs = [max(int(used.sum()), 1), *(len(w) for w in weights[1:])]
        weights, biases = ([x / n for x, n in zip(part, inputs, strict=True)] for part in (weights, biases))
    weights[-1], biases[-1] = network.energy_scale * weights[-1], network.energy_scale * biases[-1]
    return PlainNetwork(
        center=torch.where(used, start, zeros).numpy(),
        weights=[w.double().numpy() for w in weights],
        biases=[b.double().numpy() for b in biases],
        activations=list(network.activations),
    )
