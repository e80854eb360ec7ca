"""Symmetry functions of a graph by the compiled loops: which of them the loops know, and the arrays they read."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart, fading, fading_arrays
from cambrian.contracts.descriptor import DescriptorKernel
from cambrian.graph import Graph
from cambrian.math.envelopes import Envelope
from cambrian.math.symmetry_functions import AnyFunction, CompactFunction
from cambrian.native.library import available
from cambrian.native.symmetry_functions import (
    HIGHEST_ZETA,
    KINDS,
    MOST_SPECIES,
    Compact,
    Gaussian,
    PlainNetwork,
    SymmetryKernel,
    SymmetryNetworks,
    compact_numbers,
)


@dataclass(frozen=True)
class SymmetryRoute(DescriptorKernel):
    """A `DescriptorKernel` of symmetry functions; `elements` are the atomic numbers of the species, ascending."""

    elements: Int[Tensor, "species"]
    loops: SymmetryKernel

    @classmethod
    def of(
        cls, functions: list[list[AnyFunction]], elements: Int[Tensor, "species"], envelope: Envelope
    ) -> "SymmetryRoute | None":
        """For the functions of each species; None where the loops are not compiled or do not know one of them."""
        known, rows = fading(envelope), _rows(functions)
        on_cpu = elements.device.type == "cpu"
        if known is None or rows is None or not on_cpu or not 0 < len(elements) <= MOST_SPECIES or not available():
            return None
        return cls(elements, SymmetryKernel(rows.gaussian, [float(z) for z in elements], known, tuple(rows.compact)))

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The same values as the descriptor's own `features`."""
        return torch.from_numpy(self.loops.features(*self._stars(graph))).to(graph.r_ij)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """The same values as the descriptor's own `jacobian`."""
        features, jacobian = self.loops.jacobian(*self._stars(graph))
        return torch.from_numpy(features).to(graph.r_ij), torch.from_numpy(jacobian).to(graph.r_ij)

    def pull(self, graph: Graph, slopes: Float[Tensor, "atoms features"]) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge."""
        return torch.from_numpy(self.loops.pull(*self._stars(graph), _doubles(slopes))).to(graph.r_ij)

    def energies_and_pull(
        self, graph: Graph, slopes: Float[Tensor, "species features"], species: Int[Tensor, "atoms"]
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Energies linear in the features, and dE/dr_ij."""
        energies, pull = self.loops.energies_and_pull(*self._stars(graph), _doubles(slopes[species]))
        return torch.from_numpy(energies).to(graph.r_ij), torch.from_numpy(pull).to(graph.r_ij)

    def fused(self, networks: list[PlainNetwork]):
        """One sweep for the networks of all species: atomic energies, dE/dr_ij and, where wanted, features."""
        compiled = SymmetryNetworks(self.loops, networks)

        def sweep(graph: Graph, species: Int[Tensor, "atoms"], with_features: bool):
            stars = self._stars(graph)
            if not np.array_equal(stars[-1], species.numpy()):
                raise ValueError("the networks and the symmetry functions count the elements differently")
            features = np.empty((graph.n_atoms, self.loops.n_features)) if with_features else None
            energies, pull = (torch.from_numpy(x) for x in self.loops.energies_of(compiled, *stars, features))
            shown = None if features is None else torch.from_numpy(features).to(graph.r_ij)
            return energies.to(graph.r_ij), pull.to(graph.r_ij), shown

        return sweep

    def _stars(self, graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        species = torch.searchsorted(self.elements, graph.numbers)
        if not torch.equal(self.elements[species.clamp(max=len(self.elements) - 1)], graph.numbers):
            raise ValueError(f"the graph holds elements other than {self.elements.tolist()}")
        return graph.first_edge.numpy(), _doubles(graph.r_ij), graph.neighbor.numpy(), species.numpy()


def compiled_functions(
    functions: list[list[AnyFunction]], numbers: list[int], envelope: Envelope
) -> CompiledPart | None:
    """The functions of each species as arrays for the compiled library; None where it does not know one of them."""
    known, rows = fading(envelope), _rows(functions)
    if known is None or rows is None or not (rows.gaussian or rows.compact):
        return None
    places = [(g.center, KINDS[g.kind], g.first, g.second, g.feature) for g in rows.gaussian]
    shapes = [(g.eta, g.shift, g.cutoff, g.zeta, g.lam) for g in rows.gaussian]
    part = CompiledPart.of(
        "symmetry",
        functions=np.array(places, np.int64).reshape(-1, 5),
        shapes=np.array(shapes, np.float64).reshape(-1, 5),
        weights=[float(z) for z in numbers],
        **fading_arrays(known),
    )
    if not rows.compact:
        return part
    intervals = [(float(f.lower), float(f.upper), float(f.angle_low), float(f.angle_high)) for f in rows.compact]
    return part.with_arrays(compact=[compact_numbers(f) for f in rows.compact], intervals=intervals)


@dataclass(frozen=True)
class _Rows:
    """Functions as the loops read them."""

    gaussian: list[Gaussian]
    compact: list[Compact]


def _rows(functions: list[list[AnyFunction]]) -> _Rows | None:
    """The functions of each species; None where the loops do not know one of them."""
    rows = _Rows([], [])
    for species, members in enumerate(functions):
        for column, f in enumerate(members):
            first, second = (*f.neighbors, -1, -1)[:2]
            place = species, f.kind, first, second, column
            if isinstance(f, CompactFunction):
                ends = f.lower, f.cutoff, f.angle_low, f.angle_high
                if f.cutoff <= 0:
                    return None
                rows.compact.append(Compact(*place, f.core, f.asymmetric, *ends))
            elif 0 <= f.zeta <= HIGHEST_ZETA and f.eta >= 0:
                rows.gaussian.append(Gaussian(*place, f.eta, f.shift, f.cutoff, f.zeta, f.lam))
            else:
                return None
    return rows


def _doubles(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().numpy(), np.float64)
