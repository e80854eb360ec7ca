"""A full kernel on any descriptor: Gaussian process regression of energies, of forces, or of both.

    cov(E, E') = Σ_a Σ_b δ(s_a, s_b) k(x_a, x_b)          a, b: atoms of two structures, or the structures themselves
    E(x) = Σ_j α_j cov(E(x), y_j) + c                     y_j: every energy and force component of the training set

covariances with forces are derivatives by positions. A descriptor of atoms makes energies sums over atoms; one of whole
molecules has one row a structure, and the constant c.

A. S. Christensen, L. A. Bratholm, F. A. Faber, O. A. von Lilienfeld, J. Chem. Phys. 152, 044107 (2020) (local kernels
with forces); M. Rupp et al., Phys. Rev. Lett. 108, 058301 (2012) (whole molecules).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from ase import Atoms
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.kernel import KernelView
from cambrian.contracts.linear import Rows, rows_by_differentiation
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph, graph_of
from cambrian.math.force_kernel import force_covariance
from cambrian.math.kernels import GaussianKernel, Kernel, RadialKernel

CHUNK = 100  # rows of the training set that meet a structure at once


class KernelPotential(Potential):
    """The kernel of free molecules of any composition; its coefficients belong to the labels of the training set.

    length: σ in units of the descriptor; the solver may choose it.
    labels: what it is fitted to, "energy", "forces" or both; forces need a smooth kernel and descriptor.
    """

    length: Tensor
    features: Float[Tensor, "rows features"]
    kinds: Int[Tensor, "rows"]
    structures: Int[Tensor, "rows"]
    positions: Float[Tensor, "atoms 3"]
    numbers: Int[Tensor, "atoms"]
    sizes: Int[Tensor, "structures"]
    alpha: Float[Tensor, "labels"]
    energy_weights: Float[Tensor, "rows"]
    force_slopes: Float[Tensor, "rows features"]
    constant: Tensor

    def __init__(
        self,
        descriptor: Descriptor,
        kernel: Kernel = GaussianKernel(),  # noqa: B008 - immutable
        *,
        length: float = 1.0,
        labels: tuple[str, ...] = ("energy",),
    ):
        super().__init__()
        if not labels or not set(labels) <= {"energy", "forces"}:
            raise UserError(f"labels are energy, forces or both, not {', '.join(labels) or 'none'}")
        self.differentiable = descriptor.differentiable and kernel.is_smooth
        if "forces" in labels and not self.differentiable:
            raise UserError("this kernel or descriptor has no forces to fit; set labels=[energy], or choose another")
        self.descriptor, self.kernel = descriptor, kernel
        self.labels = tuple(name for name in ("energy", "forces") if name in labels)
        self.cutoff = descriptor.cutoff
        self.extensive = descriptor.per == "atom"
        self.scope = "local" if self.extensive else "global"
        whole, real = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64)
        for name in ("kinds", "structures", "numbers", "sizes"):
            self.register_buffer(name, whole.clone())
        for name in ("alpha", "energy_weights"):
            self.register_buffer(name, real.clone())
        for name in ("features", "positions", "force_slopes"):
            self.register_buffer(name, real.reshape(0, 0).clone())
        self.register_buffer("length", torch.tensor(float(length), dtype=torch.float64))
        self.register_buffer("constant", torch.zeros((), dtype=torch.float64))

    def setup(self, train: Dataset) -> None:
        """Keep the training molecules and their features; all coefficients are zero.

        Raises UserError for a periodic structure.
        """
        super().setup(train)
        self.descriptor.setup(train)
        for s in train:
            if s.atoms.pbc.any():
                raise UserError("a full kernel is for free molecules; snap and others suit periodic structures").at(
                    s.where
                )
        self.sizes = torch.tensor([len(s) for s in train])
        self.positions = torch.from_numpy(np.concatenate([s.atoms.positions for s in train]))
        self.numbers = torch.from_numpy(np.concatenate([s.atoms.numbers for s in train]).astype(np.int64))
        found, kinds = [], []
        fastest = self.descriptor.kernel() or self.descriptor
        with torch.no_grad():
            for graph in self.training_graphs():
                found.append(fastest.features(graph))
                kinds.append(self.rows_of(graph)[0])
        self.features, self.kinds = torch.cat(found), torch.cat(kinds)
        self.structures = torch.repeat_interleave(
            torch.arange(len(train)), self.sizes if self.extensive else torch.ones_like(self.sizes)
        )
        view = KernelRows(self)
        view.coefficients = torch.zeros(int(view.labels_of(range(len(train))).sum()) + view.has_constant).double()

    def training_graphs(self, chosen: Sequence[int] | NDArray | None = None) -> list[Graph]:
        """Graphs of the (chosen) training molecules, one by one."""
        sizes = self.sizes.tolist()
        parts = list(zip(self.positions.split(sizes), self.numbers.split(sizes), strict=True))
        few = range(len(sizes)) if chosen is None else chosen
        return [graph_of(Atoms(parts[k][1].numpy(), parts[k][0].numpy()), self.cutoff) for k in few]

    def rows_of(self, graph: Graph) -> tuple[Int[Tensor, "rows"], Int[Tensor, "rows"]]:
        """Element (zero for whole molecules) and structure of each row of features."""
        if self.extensive:
            return graph.numbers, graph.structure
        every = torch.arange(graph.n_structures)
        return torch.zeros_like(every), every

    def forward(self, graph: Graph) -> Terms:
        """Features, then energies from all rows of the training set of the same element."""
        x, (kinds, _) = self.descriptor.features(graph), self.rows_of(graph)
        energies = x.new_zeros(len(x))
        for kind in kinds.unique():
            here, there = kinds == kind, self.kinds == kind
            energies = energies.index_put((torch.nonzero(here)[:, 0],), self._energies(x[here], there))
        return Terms.of_atoms(energies, graph) if self.extensive else Terms(energies + self.constant)

    def _energies(self, x: Float[Tensor, "rows features"], there: Tensor) -> Float[Tensor, "rows"]:
        others, length = self.features[there], float(self.length)
        weights, slopes = self.energy_weights[there], self.force_slopes[there]
        if "forces" not in self.labels or not isinstance(self.kernel, RadialKernel):
            return self.kernel.values(x, others, length) @ weights
        middle = others.mean(dim=0)
        x, others = x - middle, others - middle
        squared = x.square().sum(dim=-1, keepdim=True) + others.square().sum(dim=-1) - 2 * x @ others.mT
        k, w, _ = self.kernel.shape(squared.clamp(min=0.0), length)
        along = x @ slopes.mT - (others * slopes).sum(dim=-1)  # Δ · v
        return k @ weights - (w * along).sum(dim=-1)

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "rows features"], Float[Tensor, "rows features coords"]]:
        """Features of one molecule and their derivatives by all positions."""
        if not self.extensive:
            found = rows_by_differentiation(self.descriptor.features, graph)
            if found.forces is None:
                raise UserError("this descriptor has no derivatives")
            return found.energy, -found.forces.permute(2, 0, 1).flatten(1)[None]
        features, by_edge = (self.descriptor.kernel() or self.descriptor).jacobian(graph)
        n = graph.n_atoms
        J = features.new_zeros(n * n, 3, features.shape[1])
        J.index_add_(0, graph.center * n + graph.neighbor, by_edge)
        J.index_add_(0, graph.center * (n + 1), -by_edge)
        return features, J.reshape(n, 3 * n, -1).mT.contiguous()

    def linear(self) -> "KernelRows":
        """Linear in α and c."""
        return KernelRows(self)

    @classmethod
    def example(cls) -> "KernelPotential":
        """Built by the tests on descriptors of atoms and of molecules instead."""
        raise UserError("a kernel potential has no example of its own; give it any descriptor")


class KernelRows(KernelView):
    """The view of a kernel potential on its coefficients: α structure by structure, then c for whole molecules."""

    def __init__(self, potential: KernelPotential):
        self.potential, self.observes = potential, potential.labels
        self.has_constant = not potential.extensive
        self._slopes: dict[int, Tensor] = {}

    @property
    def coefficients(self) -> Float[Tensor, "coefficients"]:
        """α, and c where there is one."""
        own = self.potential
        return torch.cat([own.alpha, own.constant[None]]) if self.has_constant else own.alpha.clone()

    @coefficients.setter
    def coefficients(self, values: Float[Tensor, "coefficients"]) -> None:
        own = self.potential
        own.alpha = values[: len(values) - self.has_constant].clone()
        own.constant = values[-1].clone() if self.has_constant else own.constant
        counts = self.labels_of(range(len(own.sizes))).tolist()
        of_energy, slopes = own.alpha.new_zeros(len(counts)), []
        for k, part in enumerate(own.alpha.split(counts)):
            if "energy" in self.observes:
                of_energy[k], part = part[0], part[1:]
            if "forces" in self.observes:
                slopes.append(self.slopes(k) @ part if bool(part.any()) else own.features[own.structures == k] * 0)
        own.energy_weights = of_energy[own.structures]
        own.force_slopes = torch.cat(slopes) if slopes else own.features.new_zeros(len(own.features), 0)

    def slopes(self, k: int) -> Float[Tensor, "rows features coords"]:
        """Derivatives of the features of one training molecule by its positions."""
        if k not in self._slopes:
            (graph,) = self.potential.training_graphs([k])
            self._slopes[k] = self.potential.jacobian(graph)[1]
        return self._slopes[k]

    @property
    def length(self) -> float:
        """σ in units of the descriptor."""
        return float(self.potential.length)

    @length.setter
    def length(self, value: float) -> None:
        self.potential.length = torch.tensor(float(value), dtype=torch.float64)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Of each training molecule."""
        return self.potential.sizes.numpy()

    @torch.no_grad()
    def covariance(
        self, chosen: Sequence[int] | NDArray, progress: Callable[[float], None] = lambda fraction: None
    ) -> NDArray[np.float64]:
        """K among the labels of the chosen molecules."""
        chosen = [int(k) for k in chosen]
        starts = np.concatenate([[0], np.cumsum(self.labels_of(chosen))])
        K = np.zeros((starts[-1], starts[-1]))
        table = _Table(self, chosen)
        for k in range(len(chosen)):
            K[starts[k] : starts[k + 1], : starts[k + 1]] = table.block(k).numpy()
            progress(((k + 1) / len(chosen)) ** 2)
        return K

    def columns(self, graph: Graph) -> Float[Tensor, "structures coefficients"]:
        """Covariances of the energies with all labels, and the column of c."""
        table = _Table(self, range(len(self.potential.sizes)))
        x, (kinds, structures) = self.potential.descriptor.features(graph), self.potential.rows_of(graph)
        found = [table.energies(x[structures == s], kinds[structures == s]) for s in range(graph.n_structures)]
        whole = torch.stack(found)
        return torch.cat([whole, whole.new_ones(len(whole), 1)], dim=1) if self.has_constant else whole

    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Rows by differentiation of the covariances; the closed form of the solver is what to fit with."""
        near = graph.within(self.potential.cutoff)
        return rows_by_differentiation(self.columns, near, derivatives=derivatives and self.potential.differentiable)


class _Table:
    """Features and slopes of some training molecules, padded to the coordinates of the largest."""

    def __init__(self, view: KernelRows, chosen: Sequence[int]):
        own = view.potential
        self.view, self.own = view, own
        self.with_energy, self.with_forces = "energy" in view.observes, "forces" in view.observes
        place = torch.cat([torch.nonzero(own.structures == k)[:, 0] for k in chosen])
        self.x, self.kinds = own.features[place], own.kinds[place]
        counts = torch.bincount(own.structures, minlength=len(own.sizes))[list(chosen)]
        self.structure = torch.repeat_interleave(torch.arange(len(counts)), counts)
        self.coordinates = 3 * own.sizes[list(chosen)]
        self.widest = int(self.coordinates.max())
        self.J = self._padded(chosen) if self.with_forces else None
        valid = torch.arange(self.widest) < self.coordinates[:, None]
        self.valid = torch.cat(
            [torch.ones(len(valid), int(self.with_energy), dtype=torch.bool)] + [valid] * self.with_forces, dim=1
        )

    def _padded(self, chosen: Sequence[int]) -> Tensor:
        slopes = [self.view.slopes(k) for k in chosen]
        return torch.cat([torch.nn.functional.pad(s, (0, self.widest - s.shape[-1])) for s in slopes])

    def energies(self, x: Float[Tensor, "rows features"], kinds: Int[Tensor, "rows"]) -> Float[Tensor, "labels"]:
        """Covariances of the energy of a molecule with all labels; differentiable by its features."""
        n, total = len(self.coordinates), []
        kernel, length = self.own.kernel, self.view.length
        of_energy, of_forces = x.new_zeros(n), x.new_zeros(n, self.widest)
        for kind in kinds.unique():
            a, there = x[kinds == kind], self.kinds == kind
            others, places = self.x[there], self.structure[there]
            if self.with_energy:
                of_energy = of_energy.index_add(0, places, kernel.values(a, others, length).sum(dim=0))
            if self.J is not None and isinstance(kernel, RadialKernel):
                delta = a[:, None] - others
                w = kernel.shape(delta.square().sum(dim=-1), length)[1]
                pulled = torch.einsum("abf,bfc->bc", w[..., None] * delta, self.J[there])
                of_forces = of_forces.index_add(0, places, -pulled)
        total = [of_energy[:, None]] * self.with_energy + [of_forces] * self.with_forces
        return torch.cat(total, dim=1)[self.valid]

    def block(self, k: int) -> Float[Tensor, "own_labels labels"]:
        """Covariances of the labels of molecule k with those of the molecules up to and with it."""
        own_rows = self.structure == k
        kernel, length, size = self.own.kernel, self.view.length, self.coordinates[k]
        found = self.x.new_zeros(self.with_energy + self.with_forces * int(size), k + 1, self.valid.shape[1])
        force = slice(int(self.with_energy), None)
        for kind in self.kinds[own_rows].unique():
            here = torch.nonzero(own_rows & (self.kinds == kind))[:, 0]
            every = torch.nonzero((self.kinds == kind) & (self.structure <= k))[:, 0]
            for there in every.split(CHUNK):
                places = self.structure[there]
                if self.with_energy:
                    values = kernel.values(self.x[here], self.x[there], length).sum(dim=0)
                    found[0, :, 0].index_add_(0, places, values)
                if self.J is None or not isinstance(kernel, RadialKernel):
                    continue
                J = self.J[here][..., :size]
                blocks, by_force = force_covariance(self.x[here], J, self.x[there], self.J[there], kernel, length)
                found[force, :, force].index_add_(1, places, blocks)
                if self.with_energy:
                    found[0, :, 1:].index_add_(0, places, by_force)
                    delta = self.x[here, None] - self.x[there]
                    w = kernel.shape(delta.square().sum(dim=-1), length)[1]
                    mixed = torch.einsum("abf,afc->cb", w[..., None] * delta, J)  # cov(F, E') = w Jᵀ Δ
                    found[1:, :, 0].index_add_(1, places, mixed)
        return found[:, self.valid[: k + 1]]
