"""SO(4) bispectrum: the neighbor density of an atom, projected onto a 3-sphere and made invariant. SNAP's descriptor.

    θ_ik = rfac0 π (r_ik - rmin0) / (R_ik - rmin0)      a = cos θ - i sin θ z/r,   b = sin θ (y - i x)/r
    U_j  = δ + Σ_k w_k f(r_ik) u_j(a, b)                f = ½ [cos(π (r - rmin0) / (R_ik - rmin0)) + 1], 1 below rmin0
    B_{j1 j2 j} = Re Σ U_j* Z_{j1 j2}^j                 Z = C C U_{j1} U_{j2}

with j doubled, u_j the Wigner matrices (`math/wigner.py`) and C Clebsch-Gordan coefficients (`math/bispectrum.py`).
A. P. Bartók, M. C. Payne, R. Kondor, G. Csányi, Phys. Rev. Lett. 104, 136403 (2010);
A. P. Thompson, L. P. Swiler, C. R. Trott, S. M. Foiles, G. J. Tucker, J. Comput. Phys. 285, 316 (2015);
chemical channels: M. A. Cusentino, M. A. Wood, A. P. Thompson, J. Phys. Chem. A 124, 5456 (2020).
"""

import math
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from cambrian.contracts.bispectrum_route import BispectrumRoute
from cambrian.contracts.chemical_route import ChemicalRoute
from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.lammps import CoefficientTable, LammpsNetwork, LammpsSnap, NetworkTable, SnapElement
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.math.bispectrum import bispectrum, bispectrum_orders, bispectrum_slopes, symmetrized
from cambrian.math.wigner import wigner_halves
from cambrian.native.bispectrum import BispectrumKernel, available
from cambrian.native.chemical import MOST_CHANNELS, ChemicalKernel

N_ELEMENTS = 119
SLOPE_BYTES = 2**27  # memory that the slopes of one chunk of atoms may take


class SO4Bispectrum(Descriptor):
    """Bispectrum components of every atom's neighbors, equal to LAMMPS's `compute sna/atom`.

    cutoff: Å; a pair of elements interacts up to R_ik = cutoff (R_i + R_k). LAMMPS calls it rcutfac.
    two_j_max: twice the highest angular order; 6 gives 30 components, 8 gives 55.
    radii: size R of each element, by symbol, relative to the cutoff; all 0.5 when not given, so that R_ik = cutoff.
    weights: how much a neighbor of each element counts, by symbol; when not given, (n + k) / 2n for the
        k-th of the n elements of the data by atomic number: 1 for one, 0.75 and 1 for two. Elements can be told apart
        only where their weights or radii differ.
    rfac0: the fraction of the half circle θ that the distances from rmin0 to the cutoff fill.
    rmin0: Å; distance below which a neighbor counts fully and nothing more is resolved.
    bzero: subtract the components of an atom without neighbors, so that they become 0.
    bnorm: divide each component by j + 1.
    switch: let neighbors fade out towards the cutoff; without it energies jump there (for comparisons only).
    chem: one density for each element instead of weights alone; n elements give n³ times as many components.
    wselfall: with `chem`, put the central atom into the density of every element, not only its own.

    Raises UserError where `radii` or `weights` leave out an element of the data.
    """

    element_radius: Tensor
    element_weight: Tensor
    channel_elements: Tensor

    def __init__(
        self,
        *,
        cutoff: float = 5.0,
        two_j_max: int = 8,
        radii: dict[str, float] | None = None,
        weights: dict[str, float] | None = None,
        rfac0: float = 0.99363,
        rmin0: float = 0.0,
        bzero: bool = True,
        bnorm: bool = False,
        switch: bool = True,
        chem: bool = False,
        wselfall: bool = False,
    ):
        super().__init__()
        _refuse_bad_settings(cutoff, two_j_max, radii, rfac0, rmin0)
        self.pair_cutoff = cutoff
        self.cutoff = 2 * cutoff * max(radii.values()) if radii else cutoff
        self.two_j_max, self.rfac0, self.rmin0 = two_j_max, rfac0, rmin0
        self.bzero, self.bnorm, self.switch, self.chem, self.wselfall = bzero, bnorm, switch, chem, wselfall
        self.given_radii, self.given_weights = radii, weights
        self.register_buffer("element_radius", _table(radii, 0.5))
        self.register_buffer("element_weight", _table(weights, 1.0))
        self.register_buffer("channel_elements", torch.tensor(sorted(map(number, weights or {})), dtype=torch.int64))
        self._kernels: dict[tuple[int, ...], BispectrumRoute | ChemicalRoute] = {}  # by the elements of the channels

    def setup(self, train: Dataset) -> None:
        """Fix the weights that were not given, and the elements that have a density of their own."""
        for name, given in (("radii", self.given_radii), ("weights", self.given_weights)):
            lacking = [s for s in symbols(train.numbers) if given is not None and s not in given]
            if lacking:
                raise UserError(f"SO4Bispectrum: {name} lacks {', '.join(lacking)}; give it for every element")
        numbers = torch.tensor(train.numbers, dtype=torch.int64)
        if self.given_weights is None:
            n = len(numbers)
            self.element_weight[numbers] = torch.arange(n + 1, 2 * n + 1, dtype=torch.float64) / (2 * n)
        self.channel_elements = numbers

    @property
    def n_channels(self) -> int:
        """Densities of each atom: one, or one for each element."""
        return len(self.channel_elements) if self.chem else 1

    @property
    def n_features(self) -> int:
        """Number of components."""
        return len(bispectrum_orders(self.two_j_max)) * self.n_channels**3

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Bispectrum components of every atom; differentiable in r_ij as often as wanted."""
        flat = sum_over_neighbors(self._edge_elements(graph, graph.r_ij)[:, None] * self._channels(graph), graph)
        return self._finish(bispectrum(self._with_self(flat, graph)), graph)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Components, and their derivatives by r_ij: dB/dU of every atom once, times dU/dr of its edges."""
        with torch.no_grad():
            elements, slopes_of_edges = self._edge_elements_and_slopes(graph)
            flat = sum_over_neighbors(elements[:, None] * self._channels(graph), graph)
            halves = self._with_self(flat, graph)
            features = self._finish(bispectrum(halves), graph)
            jacobian = graph.r_ij.new_zeros(graph.n_edges, 3, self.n_features)
            first, n_atoms = graph.first_edge.tolist(), self._atoms_per_chunk(flat.shape[-1])
            channel = self._channel_of(graph.numbers[graph.neighbor])
            for start in range(0, graph.n_atoms, n_atoms):
                stop = min(start + n_atoms, graph.n_atoms)
                slopes = bispectrum_slopes([h[start:stop] for h in halves]) / self._norms()[:, None, None]
                slopes = torch.view_as_real(slopes)
                for atom in range(start, stop):
                    edges = slice(first[atom], first[atom + 1])
                    own = slopes[atom - start][:, channel[edges]].flatten(2)  # (features, edges, 2 elements)
                    jacobian[edges] = torch.einsum("kem,xem->exk", own, slopes_of_edges[:, edges])
            return features, jacobian

    def kernel(self) -> BispectrumRoute | ChemicalRoute | None:
        """The fused loops, where they are compiled; without `switch` there are none."""
        on_cpu = self.element_weight.device.type == "cpu"
        if not self.switch or not on_cpu or not available():
            return None
        channels = tuple(self.channel_elements.tolist()) if self.chem else ()
        if self.chem and not 0 < len(channels) <= MOST_CHANNELS:
            return None
        if channels not in self._kernels:
            self._kernels = {channels: self._chemical_route() if self.chem else self._plain_route()}
        return self._kernels[channels]

    def _plain_route(self) -> BispectrumRoute:
        loops = BispectrumKernel(two_j_max=self.two_j_max, rfac0=self.rfac0, rmin0=self.rmin0)
        conventions = self._zeros()[0].numpy(), self._norms().numpy()
        return BispectrumRoute(loops, self.neighbor_weights, self.pair_cutoffs, *conventions)

    def _chemical_route(self) -> ChemicalRoute:
        settings = {"two_j_max": self.two_j_max, "rfac0": self.rfac0, "rmin0": self.rmin0}
        loops = ChemicalKernel(n_channels=self.n_channels, self_in_all=self.wselfall, **settings)
        conventions = self._zeros().numpy(), self._norms().numpy()
        return ChemicalRoute(loops, self.channel_elements, self.neighbor_weights, self.pair_cutoffs, *conventions)

    def lammps(self, elements: list[str], table: CoefficientTable | NetworkTable) -> LammpsSnap | LammpsNetwork | None:
        """The contents of SNAP's or ML-IAP's files; None for a quadratic model with `chem`.

        With `chem` some components are equal; LAMMPS's forces are right only where what multiplies them is, too.
        """
        sizes = {s: (float(self.element_radius[number(s)]), float(self.element_weight[number(s)])) for s in elements}
        if isinstance(table, NetworkTable):
            if self.chem:
                first, *others = table.layers
                nodes = symmetrized(first.weight.mT.flatten(0, 1), self.two_j_max, self.n_channels)
                weight = nodes.unflatten(0, (len(elements), -1)).mT
                table = replace(table, layers=(replace(first, weight=weight), *others))
            return LammpsNetwork(self._lammps_parameters(), sizes, table)
        columns = table.coefficients
        if self.chem and table.quadratic:
            return None
        if self.chem:
            columns = torch.cat([columns[:, :1], symmetrized(columns[:, 1:], self.two_j_max, self.n_channels)], dim=1)
        blocks = zip(sizes.items(), columns.tolist(), strict=True)
        return LammpsSnap(
            self._lammps_parameters() | {"quadraticflag": int(table.quadratic)},
            {s: SnapElement(*size, coefficients) for (s, size), coefficients in blocks},
        )

    def _lammps_parameters(self) -> dict[str, float]:
        flags = {"bzeroflag": self.bzero, "bnormflag": self.bnorm, "switchflag": self.switch}
        flags |= {"chemflag": self.chem, "wselfallflag": self.wselfall}
        parameters: dict[str, float] = {"rcutfac": self.pair_cutoff, "twojmax": self.two_j_max}
        parameters |= {"rfac0": self.rfac0, "rmin0": self.rmin0}
        return parameters | {name: int(value) for name, value in flags.items()}

    def compiled(self, numbers: list[int]) -> CompiledPart | None:
        """Settings and conventions of elements; None without `switch`."""
        known = self.channel_elements.tolist() == numbers and len(numbers) <= MOST_CHANNELS
        if not self.switch or (self.chem and not known):
            return None
        radius, orders = self.element_radius[numbers], [j + 1.0 for _, _, j in bispectrum_orders(self.two_j_max)]
        part = CompiledPart.of(
            "chemical" if self.chem else "bispectrum",
            two_j_max=self.two_j_max,
            rfac0=float(self.rfac0),
            rmin0=float(self.rmin0),
            cutoffs=self.pair_cutoff * (radius[:, None] + radius),
            weights=self.element_weight[numbers],
            zeros=self._zeros() if self.chem else [x if self.bzero else 0.0 for x in orders],
            scale=1 / self._norms(),
        )
        return part.with_arrays(self_in_all=int(self.wselfall)) if self.chem else part

    def pair_cutoffs(self, graph: Graph) -> Float[Tensor, "edges"]:
        """R_ik of every edge, Å."""
        radius = self.element_radius[graph.numbers]
        return self.pair_cutoff * (radius[graph.center] + radius[graph.neighbor])

    def neighbor_weights(self, graph: Graph) -> Float[Tensor, "edges"]:
        """How much the neighbor of every edge counts."""
        return self.element_weight[graph.numbers][graph.neighbor]

    def _edge_elements(self, graph: Graph, r_ij: Float[Tensor, "edges 3"]) -> Complex[Tensor, "edges elements"]:
        """Weighted u_j of every edge, upper halves of all orders in one row."""
        distance = r_ij.norm(dim=-1)
        limit = self.pair_cutoffs(graph)
        x = (distance - self.rmin0) / (limit - self.rmin0)
        theta = self.rfac0 * math.pi * x
        a = torch.complex(theta.cos(), -theta.sin() * r_ij[:, 2] / distance)
        b = torch.complex(r_ij[:, 1], -r_ij[:, 0]) * (theta.sin() / distance)
        fade = 0.5 * (torch.cos(math.pi * x.clamp(min=0.0)) + 1.0) if self.switch else torch.ones_like(x)
        weight = torch.where(distance < limit, fade, torch.zeros_like(fade)) * self.neighbor_weights(graph).to(fade)
        halves = wigner_halves(a, b, self.two_j_max)
        return weight[:, None] * torch.cat([h.flatten(1) for h in halves], dim=1)

    def _edge_elements_and_slopes(self, graph: Graph) -> tuple[Tensor, Float[Tensor, "3 edges parts"]]:
        """Weighted u_j, and its derivatives by x, y and z as real and imaginary parts side by side."""
        slopes = []
        for axis in torch.eye(3, dtype=graph.r_ij.dtype, device=graph.r_ij.device):
            tangent = axis.expand_as(graph.r_ij).contiguous()
            forward = torch.func.jvp(lambda r: self._edge_elements(graph, r), (graph.r_ij,), (tangent,))
            elements, slope = cast(tuple[Tensor, Tensor], forward)
            slopes.append(torch.view_as_real(slope).flatten(1))
        return elements, torch.stack(slopes)

    def _with_self(self, flat: Complex[Tensor, "atoms channels elements"], graph: Graph) -> list[Tensor]:
        """U_j of every atom and channel as upper halves, the central atom included."""
        in_channel = (
            torch.ones_like(self._channels_of_atoms(graph)) if self.wselfall else self._channels_of_atoms(graph)
        )
        sizes = [(j // 2 + 1) * (j + 1) for j in range(self.two_j_max + 1)]
        halves = []
        for j, part in enumerate(flat.split(sizes, dim=-1)):
            identity = torch.eye(j + 1, dtype=flat.dtype, device=flat.device)[: j // 2 + 1]
            halves.append(part.unflatten(-1, (j // 2 + 1, j + 1)) + in_channel[:, :, None, None] * identity)
        return halves

    def _finish(self, components: Float[Tensor, "atoms features"], graph: Graph) -> Float[Tensor, "atoms features"]:
        """Subtract the atom without neighbors, and normalise."""
        zeros = self._zeros()[self._channel_of(graph.numbers)].to(components.dtype)
        return (components - zeros) / self._norms().to(components.dtype)

    def _zeros(self) -> Float[Tensor, "channels features"]:
        """The components of an atom of each channel without neighbors, where they are subtracted."""
        n = self.n_channels
        alone = torch.full((n, n), 1.0) if self.wselfall else torch.eye(n)
        triples = torch.einsum("ak,al,am->aklm", alone, alone, alone).flatten(1).to(self.element_weight)
        orders = self.element_weight.new_tensor([j + 1.0 for _, _, j in bispectrum_orders(self.two_j_max)])
        return (triples[:, :, None] * orders).flatten(1) * self.bzero

    def _norms(self) -> Float[Tensor, "features"]:
        orders = [j + 1.0 if self.bnorm else 1.0 for _, _, j in bispectrum_orders(self.two_j_max)]
        return self.element_weight.new_tensor(orders * self.n_channels**3)

    def _channel_of(self, numbers: Int[Tensor, "rows"]) -> Int[Tensor, "rows"]:
        return torch.searchsorted(self.channel_elements, numbers) if self.chem else torch.zeros_like(numbers)

    def _channels_of_atoms(self, graph: Graph) -> Float[Tensor, "atoms channels"]:
        chosen = torch.nn.functional.one_hot(self._channel_of(graph.numbers), self.n_channels)
        return chosen.to(self.element_weight.dtype)

    def _channels(self, graph: Graph) -> Float[Tensor, "edges channels 1"]:
        return self._channels_of_atoms(graph)[graph.neighbor][:, :, None]

    def _atoms_per_chunk(self, n_elements: int) -> int:
        return max(1, SLOPE_BYTES // (16 * n_elements * self.n_features * self.n_channels))

    @classmethod
    def example(cls) -> "SO4Bispectrum":
        """Order 4 on hydrogen, carbon and oxygen."""
        return cls(
            cutoff=3.5, two_j_max=4, radii={"H": 0.4, "C": 0.5, "O": 0.45}, weights={"H": 0.5, "C": 1.0, "O": 0.8}
        )


def _table(values: dict[str, float] | None, default: float) -> Float[Tensor, "numbers"]:
    """Values by atomic number."""
    table = torch.full((N_ELEMENTS,), default, dtype=torch.float64)
    for name, value in (values or {}).items():
        table[number(name)] = value
    return table


def _refuse_bad_settings(cutoff: float, two_j_max: int, radii, rfac0: float, rmin0: float) -> None:
    """Raise UserError for values that have no meaning."""
    shortest = 2 * cutoff * min(radii.values()) if radii else cutoff
    if not shortest > 0:
        raise UserError(f"SO4Bispectrum: cutoff and radii must be positive (cutoff {cutoff} Å, radii {radii})")
    if not 0 <= two_j_max <= 16:
        raise UserError(f"SO4Bispectrum: two_j_max must be within 0 and 16, not {two_j_max}; 6 to 8 is usual")
    if not 0 < rfac0 <= 1:
        raise UserError(f"SO4Bispectrum: rfac0 must be above 0 and at most 1, not {rfac0}")
    if not 0 <= rmin0 <= 0.5 * shortest:
        raise UserError(f"SO4Bispectrum: rmin0 must be within 0 and half the shortest cutoff, not {rmin0} Å")
