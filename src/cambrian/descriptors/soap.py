"""SOAP: the smooth overlap of atomic positions, the power spectrum of Gaussians on every atom's neighbors.

    c^s_nlm(i) = Σ_{j∈s} f(r_ij) w(r_ij) I_nl(r_ij) Y_lm(r̂_ij) + δ(s, s_i) I_n0(0) Y_00          math/soap_radial.py
    p^st_nn'l = π √(8/(2l+1)) Σ_m c^s_nlm c^t_n'lm

for pairs of elements s <= t. Of what is equal only one is kept (n <= n' where s = t), and what stands for two is times
√2, so that the scalar product of two features is the SOAP kernel over all s, t, n, n', l. Cost grows with the number of
neighbors, not of their pairs.

A. P. Bartók, R. Kondor, G. Csányi, Phys. Rev. B 87, 184115 (2013); conventions of the expansion as in L. Himanen et
al., Comput. Phys. Commun. 247, 106949 (2020).
"""

from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor, DescriptorKernel, Sweep
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.math.envelopes import Envelope, PolynomialEnvelope
from cambrian.math.piece_table import PieceTable
from cambrian.math.soap_radial import DensityBasis, EqualWeight, GaussianOrbitals, RadialWeight
from cambrian.math.spherical_harmonics import degrees, spherical_harmonics, spherical_harmonics_and_gradient
from cambrian.native.soap import SoapArrays, SoapKernel, available
from cambrian.native.sparse_kernel import PowerSums, SparseSums

MAX_DEGREE = 12
EDGES_AT_ONCE = 2048  # bounds the memory of intermediate derivatives


class SOAP(Descriptor):
    """Power spectra of the neighbor density within `cutoff` (Å), for every pair of elements.

    n_max, l_max: number of radial functions and highest degree; 8 and 6 are usual, and make (l_max + 1) n_max
        (n_max + 1) / 2 features for one element.
    width: σ of the Gaussians, Å; 0.5 is usual, 0.3 with hydrogen.
    envelope: how neighbors fade out towards the cutoff; HardEnvelope makes energies jump there.
    weight: how much a neighbor counts by its distance besides.
    basis: the radial functions.
    Columns run by pair of elements (by atomic number), then l, n, n'.
    """

    def __init__(
        self,
        *,
        cutoff: float = 5.0,
        n_max: int = 8,
        l_max: int = 6,
        width: float = 0.5,
        envelope: Envelope = PolynomialEnvelope(),  # noqa: B008 - immutable
        weight: RadialWeight = EqualWeight(),  # noqa: B008 - immutable
        basis: DensityBasis = GaussianOrbitals(),  # noqa: B008 - immutable
    ):
        super().__init__()
        if not (cutoff > 0 and width > 0):
            raise UserError(f"SOAP: cutoff and width must be positive, not {cutoff} Å and {width} Å")
        if n_max < 1 or not 0 <= l_max <= MAX_DEGREE:
            raise UserError(f"SOAP: n_max is 1 or more and l_max within 0 and {MAX_DEGREE}, not {n_max} and {l_max}")
        self.cutoff, self.n_max, self.l_max, self.width = cutoff, n_max, l_max, width
        self.envelope, self.weight = envelope, weight
        self.counts_center = basis.counts_center
        self.overlaps = basis.overlaps(n_max=n_max, l_max=l_max, cutoff=cutoff, width=width)
        self._degree = degrees(l_max)
        self.scale = (0.5 * (2 * torch.arange(l_max + 1).double() + 1)) ** 0.25  # Racah's Y, and π √(8/(2l+1))
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))
        self._route: SoapRoute | None = None

    def setup(self, train: Dataset) -> None:
        """Take the elements of the training set."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of species indices in the order of the columns."""
        n = len(self.elements)
        return [(s, t) for s in range(n) for t in range(s, n)]

    def places(self, s: int, t: int) -> tuple[Int[Tensor, "places"], Int[Tensor, "places"]]:
        """The n and n' that are kept of a pair of elements."""
        n = self.n_max
        first, second = (
            torch.triu_indices(n, n) if s == t else torch.cartesian_prod(*[torch.arange(n)] * 2).reshape(-1, 2).T
        )
        return first, second

    def multiplicity(self, s: int, t: int) -> Float[Tensor, "places"]:
        """Root of how often each of the places stands in the full power spectrum."""
        first, second = self.places(s, t)
        return torch.where((first == second) & (s == t), 1.0, 2.0).double().sqrt()

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return sum(len(self.places(s, t)[0]) for s, t in self.pairs) * (self.l_max + 1)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Power spectra of every atom; raises UserError for an element that was not in `setup`."""
        densities = self._densities(graph)
        return torch.cat([self._spectrum(densities, s, t) for s, t in self.pairs] or [densities[:, :0, 0, 0]], dim=1)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and each neighbor's dc against the summed c of every element.

        dc_nlm/dr = (I' r̂ Y_lm + I ∇Y_lm), so Σ_m dc_nlm c_n'lm is the sum of two outer products over n and n'.
        """
        species = self.species(graph)[graph.neighbor]
        with torch.no_grad():
            densities = self._densities(graph)
            blocks = [self._spectrum(densities, s, t) for s, t in self.pairs]
            derivative = graph.r_ij.new_zeros(graph.n_edges, 3, self.n_features)
            for start in range(0, graph.n_edges, EDGES_AT_ONCE):
                edges = torch.arange(start, min(start + EDGES_AT_ONCE, graph.n_edges))
                r_ij = graph.r_ij[edges]
                forward = torch.func.jvp(self._radial, (r_ij.norm(dim=-1),), (torch.ones_like(r_ij[:, 0]),))
                for own in range(len(self.elements)):
                    rows = torch.nonzero(species[edges] == own)[:, 0]
                    parts = [x[rows] for x in (r_ij, *cast(tuple[Tensor, Tensor], forward))]
                    self._write_slopes(derivative, edges[rows], own, densities[graph.center[edges[rows]]], *parts)
            return torch.cat(blocks or [graph.r_ij.new_zeros(graph.n_atoms, 0)], dim=1), derivative

    def kernel(self) -> "SoapRoute | None":
        """The fused loops, where they are compiled and a table reaches the radial functions' precision."""
        if self.elements.device.type != "cpu" or not len(self.elements) or not available():
            return None
        if self._route is None or self._route.n_species != len(self.elements):
            arrays = self.tabulated()
            self._route = None if arrays is None else SoapRoute(self, arrays)
        return self._route

    def compiled(self, numbers: list[int]) -> CompiledPart | None:
        """The tables of the radial functions; None where these do not reach their precision."""
        known = self.tabulated()
        return None if known is None else CompiledPart.of("soap", **vars(known))

    def tabulated(self) -> SoapArrays | None:
        """Radial functions with what fades neighbors, as the compiled loops read them."""

        def radial(r: NDArray) -> NDArray:
            fade = self.fade(torch.from_numpy(r)).numpy()
            return (self.overlaps.values(r) * self.scale.numpy()[:, None] * fade[:, None, None]).reshape(len(r), -1)

        knots = {0.0, self.cutoff, getattr(self.envelope, "inner_fraction", 0.0) * self.cutoff}
        knots.add(min(getattr(self.weight, "length", 0.0), self.cutoff))
        table = PieceTable.of(radial, knots)
        if table is None:
            return None
        alone = self.overlaps.values(np.zeros(1))[0, 0] * (float(self.scale[0]) * self.counts_center)
        shape = *table.coefficients.shape[:2], self.l_max + 1, self.n_max
        return SoapArrays(table.knots, table.counts, table.coefficients.reshape(shape), alone.astype(np.float64))

    def _radial(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges degrees radial"]:
        """Overlaps with envelope and weight, times what makes Racah's harmonics those of the formula."""
        fade = self.fade(distance)
        return self.overlaps(distance) * self.scale.to(distance)[:, None] * fade[:, None, None]

    def fade(self, distance: Float[Tensor, "edges"]) -> Float[Tensor, "edges"]:
        """How much a neighbor counts: envelope and weight."""
        return self.envelope(distance, self.cutoff) * self.weight(distance)

    def _densities(self, graph: Graph) -> Float[Tensor, "atoms species harmonics radial"]:
        """The coefficients c of every atom and element, the atom itself included."""
        distance = graph.r_ij.norm(dim=-1)
        harmonics = spherical_harmonics(graph.r_ij / distance[:, None], self.l_max)
        moments = self._radial(distance)[:, self._degree] * harmonics[:, :, None]
        species, n = self.species(graph), len(self.elements)
        chosen = torch.nn.functional.one_hot(species, n).to(moments)
        if n == 1:
            summed = sum_over_neighbors(moments, graph)[:, None]
        else:
            place = graph.center * n + species[graph.neighbor]
            summed = moments.new_zeros(graph.n_atoms * n, *moments.shape[1:]).index_add(0, place, moments)
            summed = summed.unflatten(0, (graph.n_atoms, n))
        if not self.counts_center:
            return summed
        itself = self.overlaps(distance.new_zeros(1))[0, 0] * self.scale[0].to(distance)
        alone = torch.nn.functional.pad(itself[None], (0, 0, 0, len(self._degree) - 1))
        return summed + chosen[:, :, None, None] * alone

    def _spectrum(self, densities: Tensor, s: int, t: int) -> Float[Tensor, "atoms columns"]:
        first, second = self.places(s, t)
        factor = self.multiplicity(s, t).to(densities)
        blocks = [densities[:, [s, t]][:, :, self._degree == l] for l in range(self.l_max + 1)]  # noqa: E741
        products = [b[:, 0].mT @ b[:, 1] for b in blocks]
        return torch.cat([p[:, first, second] * factor for p in products], dim=1)

    def _write_slopes(self, out: Tensor, edges: Tensor, own: int, densities: Tensor, r_ij: Tensor, I, dI) -> None:  # noqa: E741
        """Derivatives of the columns that neighbors of one element change."""
        distance = r_ij.norm(dim=-1, keepdim=True)
        direction = r_ij / distance
        harmonics, gradient = spherical_harmonics_and_gradient(direction, self.l_max)
        around = gradient - direction[:, :, None] * torch.einsum("ex,exm->em", direction, gradient)[:, None]
        around = around / distance[:, :, None]
        start = 0
        for s, t in self.pairs:
            first, second = self.places(s, t)
            n_columns = len(first) * (self.l_max + 1)
            if own in (s, t):
                partner = densities[:, t if own == s else s]
                mixed = []
                for l in range(self.l_max + 1):  # noqa: E741 - the degree's name
                    here = self._degree == l
                    along = torch.einsum("em,emn->en", harmonics[:, here], partner[:, here])
                    sideways = torch.einsum("exm,emn->exn", around[:, :, here], partner[:, here])
                    own_side = direction[:, :, None] * dI[:, None, l]
                    table = own_side[..., None] * along[:, None, None] + I[:, None, l, :, None] * sideways[:, :, None]
                    table = table + table.mT if s == t else table if own == s else table.mT
                    mixed.append(table[:, :, first, second])
                out[edges, :, start : start + n_columns] = torch.cat(mixed, dim=2) * self.multiplicity(s, t).to(
                    I
                ).repeat(self.l_max + 1)
            start += n_columns

    def species(self, graph: Graph) -> Int[Tensor, "atoms"]:
        """Index of each atom's element; raises UserError for one that was not in `setup`."""
        known = torch.isin(graph.numbers, self.elements)
        if not bool(known.all()):
            strange = symbol(int(graph.numbers[~known][0]))
            names = ", ".join(symbols(self.elements)) or "no element"
            raise UserError(f"this SOAP knows {names}, not {strange}")
        return torch.searchsorted(self.elements, graph.numbers)

    def name_of(self, atomic_number: int, feature: int) -> str:
        """Elements, degree and radial functions of a column."""
        names = symbols(self.elements)
        for s, t in self.pairs:
            first, second = self.places(s, t)
            l, k = divmod(feature, len(first))  # noqa: E741 - the degree's name
            if l <= self.l_max:
                return f"{names[s]}-{names[t]}, l = {l}, n = {int(first[k]) + 1}, n' = {int(second[k]) + 1}"
            feature -= len(first) * (self.l_max + 1)
        raise IndexError("no such feature")

    @classmethod
    def example(cls) -> "SOAP":
        """Three radial functions and degrees to 2 on hydrogen, carbon and oxygen."""
        descriptor = cls(cutoff=3.5, n_max=3, l_max=2)
        descriptor.elements = torch.tensor([1, 6, 8])
        return descriptor


class SoapRoute(DescriptorKernel):
    """The fused loops behind the descriptor's elements and a table of its radial functions."""

    def __init__(self, descriptor: SOAP, arrays: SoapArrays):
        self.descriptor, self.n_species = descriptor, len(descriptor.elements)
        self.loops = SoapKernel(n_species=self.n_species, arrays=arrays)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """The same values as the descriptor's own `features`."""
        return torch.from_numpy(self.loops.features(*self._stars(graph)))

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """The same values as the descriptor's own `jacobian`."""
        features, jacobian = self.loops.jacobian(*self._stars(graph))
        return torch.from_numpy(features), torch.from_numpy(jacobian)

    def pull(self, graph: Graph, slopes: Float[Tensor, "atoms features"]) -> Float[Tensor, "edges 3"]:
        """dE/dr_ij of every edge."""
        slope = np.ascontiguousarray(slopes.detach().numpy())
        return torch.from_numpy(self.loops.energies_and_pull(*self._stars(graph), slope)[1])

    def energies_and_pull(
        self, graph: Graph, slopes: Float[Tensor, "species features"], species: Int[Tensor, "atoms"]
    ) -> tuple[Float[Tensor, "atoms"], Float[Tensor, "edges 3"]]:
        """Energies linear in the features, and dE/dr_ij."""
        slope = np.ascontiguousarray(slopes.detach().numpy()[species.numpy()])
        energies, pull = self.loops.energies_and_pull(*self._stars(graph), slope)
        return torch.from_numpy(energies), torch.from_numpy(pull)

    def summed(self, sums: PowerSums) -> Sweep:
        """Features, kernels with all points, and the way back to the edges."""
        swept = SparseSums(self.loops, sums)

        def sweep(graph: Graph, species: Tensor, with_features: bool) -> tuple[Tensor, Tensor, Tensor | None]:
            energies, pull, features = swept(*self._stars(graph), with_features=with_features)
            return (
                torch.from_numpy(energies),
                torch.from_numpy(pull),
                None if features is None else torch.from_numpy(features),
            )

        return sweep

    def _stars(self, graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        species = self.descriptor.species(graph)
        r_ij = np.ascontiguousarray(graph.r_ij.detach().numpy())
        return graph.first_edge.numpy(), r_ij, graph.neighbor.numpy(), species.numpy()
