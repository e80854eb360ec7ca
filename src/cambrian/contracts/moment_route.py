"""Polynomials of neighbor moments of a graph by the compiled loops."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import DescriptorKernel
from cambrian.contracts.moment_polynomial import FAMILIES, MomentPolynomial
from cambrian.graph import Graph
from cambrian.native.library import available
from cambrian.native.moments import HIGHEST_DEGREE, MomentArrays, MomentKernel


class MomentRoute(DescriptorKernel):
    """A `DescriptorKernel` of a polynomial; radial functions are those of its table."""

    def __init__(self, polynomial: MomentPolynomial):
        self.polynomial = p = polynomial
        arrays = MomentArrays(
            angular=p.angular,
            degree=p.degree,
            cutoffs=_array(p.radial.cutoffs),
            nodes=_array(p.radial.nodes),
            moments=_array(p.moments),
            terms=_array(p.terms),
            coefficients=_array(p.coefficients),
            feature_first=_array(p.feature_first),
            feature_node=_array(p.feature_node),
            feature_weight=_array(p.feature_weight),
        )
        self.loops = MomentKernel(arrays)

    @classmethod
    def of(cls, polynomial: MomentPolynomial) -> "MomentRoute | None":
        """None where the loops are not compiled, or the polynomial is not on the CPU."""
        on_cpu = polynomial.elements.device.type == polynomial.radial.nodes.device.type == "cpu"
        return cls(polynomial) if on_cpu and polynomial.degree <= HIGHEST_DEGREE and available() else None

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The same values as the polynomial's own `features`."""
        return torch.from_numpy(self.loops.features(*self._stars(graph))).to(graph.r_ij)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """The same values as the polynomial's own `jacobian`."""
        features, jacobian = self.loops.jacobian(*self._stars(graph))
        return torch.from_numpy(features).to(graph.r_ij), torch.from_numpy(jacobian).to(graph.r_ij)

    def pull(self, graph: Graph, slopes: Float[Tensor, "atoms features"]) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge."""
        return torch.from_numpy(self.loops.pull(*self._stars(graph), _doubles(slopes))).to(graph.r_ij)

    def energies_and_pull(
        self, graph: Graph, slopes: Float[Tensor, "species features"], species: Int[Tensor, "atoms"]
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Energies linear in the features, and dE/dr_ij."""
        stars = self._stars(graph)
        if len(slopes) != self.loops.n_species or not np.array_equal(stars[-1], species.numpy()):
            raise ValueError("the coefficients and the polynomial count the elements differently")
        energies, pull = self.loops.energies_and_pull(*stars, _doubles(slopes))
        return torch.from_numpy(energies).to(graph.r_ij), torch.from_numpy(pull).to(graph.r_ij)

    def _stars(self, graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        species = self.polynomial.species(graph)
        return graph.first_edge.numpy(), _doubles(graph.r_ij), graph.neighbor.numpy(), species.numpy()


def compiled_moments(polynomial: MomentPolynomial) -> CompiledPart:
    """The arrays of a polynomial for the compiled library."""
    p = polynomial
    return CompiledPart.of(
        "moments",
        family=FAMILIES.index(p.angular),
        degree=p.degree,
        cutoffs=p.radial.cutoffs,
        nodes=p.radial.nodes,
        moments=p.moments,
        terms=p.terms,
        products=p.coefficients,
        feature_first=p.feature_first,
        feature_node=p.feature_node,
        feature_weight=p.feature_weight,
    )


def _array(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().numpy())


def _doubles(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().numpy(), np.float64)
