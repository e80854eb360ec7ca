"""MLOTF: forces by Gaussian processes on internal vectors of an atom, without an energy.

    V_k = Σ_j r̂_ij exp(-(r_ij/c_k)^p_k) f(r_ij)       one for each (c_k, p_k) and element of the neighbors
    V̂_k = V_k / (|V_k|² + η²)^½                       η = 0.01: the direction of a vector that vanishes is nought
    X_kl = V_k·V̂_l                                     does not change when the structure is turned
    F·V̂_k = Σ_m K(X, X_m) a_mk                        K = exp(-|x - x_m|²/2σ²), x: X in units of its spread
    F = argmin Σ_k (F·V̂_k - [F·V̂_k])² + ε|F|²         what agrees best with all projections

Forces turn and mirror with the structure. They are the gradient of no energy: where a few reference calculations a
minute can correct it, such a model learns forces from very few structures; it cannot replace a potential.
Z. Li, J. R. Kermode, A. De Vita, Phys. Rev. Lett. 114, 096405 (2015). There every training environment is a point and
η and the envelope f are absent; here sparse points stand for many environments, and forces are smooth everywhere.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cambrian.contracts.force_model import ForceModel, Projections
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.envelopes import CosineEnvelope, Envelope
from cambrian.math.kernels import GaussianKernel
from cambrian.math.sparse_points import FarthestPoints, PointChoice

SOFTNESS = 0.01  # η, in units of the vectors
CHOSEN_FROM = 20_000  # environments of an element among which points are chosen
KERNEL = GaussianKernel()


class MLOTF(ForceModel):
    """Forces on atoms from what lies within `cutoff` (Å).

    decays: c_k of the internal vectors in units of the cutoff; each stands with each of the `powers` p_k.
    n_points: sparse points of each element.
    length: σ of the kernel, in units of the typical spread of X; the solver may choose it.
    stabilizer: ε; it holds back the part of a force in directions in which no vector points.
    choice: how the points are chosen.
    """

    points: Float[Tensor, "points features"]
    scale: Float[Tensor, "elements features"]
    owners: Tensor
    sigma: Tensor

    def __init__(
        self,
        *,
        cutoff: float = 5.0,
        decays: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8),
        powers: tuple[float, ...] = (2.0, 6.0),
        n_points: int = 1000,
        length: float = 1.0,
        stabilizer: float = 0.02,
        envelope: Envelope = CosineEnvelope(),  # noqa: B008 - immutable
        choice: PointChoice = FarthestPoints(),  # noqa: B008 - immutable
    ):
        super().__init__()
        if not (cutoff > 0 and n_points > 0 and length > 0 and stabilizer > 0 and min(*decays, *powers, 1) > 0):
            raise UserError("cutoff, decays, powers, n_points, length and stabilizer of mlotf are above 0")
        if len(decays) * len(powers) < 3:
            raise UserError("mlotf needs three internal vectors at least: give more decays or powers")
        self.cutoff, self.n_points, self.stabilizer = cutoff, n_points, stabilizer
        self.envelope, self.choice = envelope, choice
        c, p = torch.meshgrid(*(torch.tensor(v, dtype=torch.float64) for v in (decays, powers)), indexing="ij")
        self._decays, self._powers = cutoff * c.flatten(), p.flatten()
        self.register_buffer("sigma", torch.tensor(float(length), dtype=torch.float64))
        self.register_buffer("scale", torch.ones(0, 0, dtype=torch.float64))
        self.register_buffer("points", torch.zeros(0, 0, dtype=torch.float64))
        self.register_buffer("owners", torch.zeros(0, dtype=torch.int64))  # the element of each point
        self.weights = nn.Parameter(torch.zeros(0, 0, dtype=torch.float64))

    @property
    def length(self) -> float:
        """σ of the kernel."""
        return float(self.sigma)

    @length.setter
    def length(self, value: float) -> None:
        self.sigma = torch.tensor(float(value), dtype=torch.float64)

    def setup(self, train: Dataset) -> None:
        """Measure the spread of X and choose the points, element by element; all coefficients are zero.

        Raises UserError where no structure has forces.
        """
        super().setup(train)
        labelled = Dataset(s for s in train if s.forces is not None)
        if not len(labelled):
            raise UserError("mlotf is fitted to forces, and no structure has any; name them with --forces-key")
        found: dict[int, list[Tensor]] = {int(z): [] for z in self.elements}
        for graph in labelled.graphs(self.cutoff):
            invariants = self._invariants(*self._vectors(graph))
            for z, parts in found.items():
                parts.append(invariants[graph.numbers == z])
        scales, points, owners = [], [], []
        for z, parts in found.items():
            rows = torch.cat(parts)
            rows = rows[:: max(1, len(rows) // CHOSEN_FROM)]
            spread = rows.std(dim=0, correction=0) if len(rows) else torch.ones(rows.shape[1], dtype=rows.dtype)
            spread = spread.clamp(min=max(1e-6 * float(spread.max()), 1e-12)) * np.sqrt(rows.shape[1])
            scales.append(spread)
            points.append((rows / spread)[self.choice.choose((rows / spread).numpy(), self.n_points)])
            owners.append(torch.full((len(points[-1]),), z))
        self.scale, self.points, self.owners = torch.stack(scales), torch.cat(points), torch.cat(owners)
        n_vectors = len(self._decays) * len(self.elements)
        self.weights = nn.Parameter(self.points.new_zeros(len(self.points), n_vectors))

    def forces(self, graph: Graph) -> Float[Tensor, "atoms 3"]:
        """Forces in eV/Å; zero on an atom without neighbors."""
        found = torch.zeros_like(graph.positions)
        for p in self.projections(graph):
            along = p.rows @ self.weights[self.owners == p.element]
            metric = p.directions.mT @ p.directions + self.stabilizer * torch.eye(3, dtype=along.dtype)
            pulled = (p.directions.mT @ along[:, :, None])[:, :, 0]
            found = found.index_copy(0, p.atoms, torch.linalg.solve(metric, pulled))
        return found

    def projections(self, graph: Graph) -> Iterator[Projections]:
        """Kernels with the points, and V̂, of the atoms of each element."""
        graph = graph.within(self.cutoff)
        vectors, directions = self._vectors(graph)
        invariants = self._invariants(vectors, directions)
        for k, z in enumerate(self.elements.tolist()):
            atoms = torch.nonzero(graph.numbers == z)[:, 0]
            if len(atoms):
                rows = KERNEL.values(invariants[atoms] / self.scale[k], self.points[self.owners == z], self.length)
                yield Projections(z, atoms, rows, directions[atoms])

    def prior(self, element: int) -> Float[Tensor, "points points"]:
        """The kernel among the points of an element."""
        points = self.points[self.owners == element]
        return KERNEL.values(points, points, self.length)

    @torch.no_grad()
    def assign(self, element: int, coefficients: Float[Tensor, "points projections"]) -> None:
        """Take the coefficients of an element."""
        self.weights[self.owners == element] = coefficients

    def _vectors(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """V and V̂ (atoms, elements · kinds, 3)."""
        distance = graph.r_ij.norm(dim=-1)
        decay = torch.exp(-((distance[:, None] / self._decays) ** self._powers))
        weighted = decay * self.envelope(distance, self.cutoff)[:, None]
        pointing = weighted[:, :, None] * (graph.r_ij / distance[:, None])[:, None, :]
        n = len(self.elements)
        place = graph.center * n + torch.searchsorted(self.elements, graph.numbers[graph.neighbor])
        vectors = pointing.new_zeros(graph.n_atoms * n, *pointing.shape[1:]).index_add(0, place, pointing)
        vectors = vectors.reshape(graph.n_atoms, -1, 3)
        return vectors, vectors / (vectors.square().sum(dim=-1, keepdim=True) + SOFTNESS**2).sqrt()

    def _invariants(self, vectors: Tensor, directions: Tensor) -> Float[Tensor, "atoms features"]:
        return (vectors @ directions.mT).flatten(1)

    @classmethod
    def example(cls) -> "MLOTF":
        """Six vectors and a few points."""
        return cls(cutoff=4.0, decays=(0.4, 0.6, 0.8), powers=(2.0, 6.0), n_points=40)
