"""sGDML: the forces of one molecule by a Gaussian process on all its inverse distances, energies by integration.

    D_ab = 1 / r_ab          E = -Σ_π Σ_j A (1 + q d) Δ · (J_j α_j) + c          Δ = D(x_π) - D_j,  d = |Δ|,  q = √5/σ
    A = (q²/3) exp(-q d)          J_j = ∂D/∂x at the geometry j of the training set          c = mean(E_ref - E)

over the orders π of like atoms that mean the same, which the training geometries tell. Forces are exactly the gradient.

S. Chmiela, H. E. Sauceda, K.-R. Müller, A. Tkatchenko, Nat. Commun. 9, 3887 (2018); S. Chmiela et al., Comput. Phys.
Commun. 240, 38 (2019). For molecules up to some thirty atoms: the matrix of a fit has (3 atoms × geometries)² elements.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from cambrian.contracts.evaluate import Prediction
from cambrian.contracts.fused import Watched
from cambrian.contracts.kernel import KernelView
from cambrian.contracts.linear import Rows
from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.force_kernel import MaternForceSum, energies_of_forces, force_covariance
from cambrian.math.inverse_distances import inverse_distances, jacobian, pull_back, push_forward, reordered_pairs
from cambrian.math.kernels import MaternKernel
from cambrian.math.orders import closed, equivalent_orders

MATCHED = 1000  # geometries that the search for equivalent orders compares; their pairs are what takes time
LARGEST = 100  # orders in a group
KERNEL = MaternKernel()


class SGDML(Potential):
    """The force kernel of one molecule, whose atoms always come in the order of the training data.

    length: σ of the kernel in 1/Å; the solver may choose it.
    orders: orders of the atoms that mean the same, and generate a group with others; None finds them in the training
        geometries, and the identity alone, [[0, 1, 2 ...]], leaves symmetry out.
    """

    scope = "global"
    extensive = False
    numbers: Tensor
    geometries: Float[Tensor, "geometries atoms 3"]
    orders: Tensor
    length: Tensor
    alpha: Float[Tensor, "geometries atoms 3"]
    constant: Tensor

    def __init__(self, *, length: float = 20.0, orders: list[list[int]] | None = None):
        super().__init__()
        self.cutoff = 0.0  # it reads positions
        self.known_orders = orders
        self.register_buffer("length", torch.tensor(float(length), dtype=torch.float64))
        self.register_buffer("numbers", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("orders", torch.zeros(0, 0, dtype=torch.int64))
        self.register_buffer("geometries", torch.zeros(0, 0, 3, dtype=torch.float64))
        self.alpha = nn.Parameter(torch.zeros(0, 0, 3, dtype=torch.float64))
        self.constant = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def setup(self, train: Dataset) -> None:
        """Keep the training geometries and find the orders; all coefficients are zero.

        Raises UserError where the structures are not all one free molecule with its atoms in one order.
        """
        super().setup(train)
        numbers = train[0].atoms.numbers
        for s in train:
            if not np.array_equal(s.atoms.numbers, numbers) or s.atoms.pbc.any() or len(numbers) < 2:
                raise UserError(
                    "sgdml is for one free molecule, with its atoms in the same order in every structure and no "
                    f"periodic directions; this is {s.atoms.get_chemical_formula('reduce')}, the first structure was "
                    f"{train[0].atoms.get_chemical_formula('reduce')}"
                ).at(s.where)
        self.numbers = torch.from_numpy(numbers.astype(np.int64))
        self.geometries = torch.from_numpy(np.stack([s.atoms.positions for s in train]))
        self.orders = torch.from_numpy(self._orders(numbers))
        self.alpha = nn.Parameter(torch.zeros_like(self.geometries))
        self.constant = nn.Parameter(self.geometries.new_zeros(()))

    def _orders(self, numbers: NDArray) -> NDArray:
        if self.known_orders is None:
            few = np.unique(np.linspace(0, len(self.geometries) - 1, MATCHED).round().astype(int))
            return equivalent_orders(self.geometries.numpy()[few], numbers, limit=LARGEST)
        given = np.array(self.known_orders, dtype=np.int64)
        if given.ndim != 2 or not all(np.array_equal(np.sort(g), np.arange(len(numbers))) for g in given):
            raise UserError(f"each of the orders must name the {len(numbers)} atoms once, counted from 0")
        if not (numbers[given] == numbers).all():
            raise UserError("the orders exchange atoms of different elements")
        group = closed(given, LARGEST)
        if group is None:
            raise UserError(f"the orders generate a group of more than {LARGEST} elements; give fewer")
        return group

    def molecules(self, graph: Graph) -> Float[Tensor, "structures atoms 3"]:
        """Positions by structure; raises UserError for any other molecule than that of the training set."""
        n = graph.n_structures
        if graph.n_atoms != n * len(self.numbers) or not torch.equal(graph.numbers, self.numbers.repeat(n)):
            raise UserError("this potential is for one molecule, with its atoms in the order of the training data")
        if bool(graph.pbc.any()):
            raise UserError("this potential is for a free molecule: switch periodic directions off (atoms.pbc = False)")
        return graph.positions.reshape(n, -1, 3)

    def forward(self, graph: Graph) -> Terms:
        """Energies of the molecules; structures one by one, since each meets every training geometry."""
        D_train, v_train = inverse_distances(self.geometries), push_forward(self.geometries, self.alpha)
        D, pairs, length = inverse_distances(self.molecules(graph)), reordered_pairs(self.orders), float(self.length)
        energies = [energies_of_forces(d[pairs], D_train, v_train, KERNEL, length).sum() for d in D]
        return Terms(torch.stack(energies) + self.constant)

    def native(self) -> Callable[[Graph], Prediction]:
        """Energy and forces in closed form, without a graph of derivatives; made anew after another fit."""
        watched = kernel = pairs = None

        @torch.no_grad()
        def predict(graph: Graph) -> Prediction:
            nonlocal watched, kernel, pairs
            tensors = [self.geometries, self.alpha, self.length, self.orders]
            if watched is None or kernel is None or pairs is None or not watched.unchanged(tensors):
                v_train = push_forward(self.geometries, self.alpha)
                kernel = MaternForceSum(inverse_distances(self.geometries), v_train, float(self.length))
                watched, pairs = Watched(tensors), reordered_pairs(self.orders)
            positions = self.molecules(graph)
            D = inverse_distances(positions)
            energies, slopes = zip(*(kernel(d[pairs]) for d in D), strict=True)
            back = [s.new_zeros(s.shape[1]).index_add(0, pairs.flatten(), s.flatten()) for s in slopes]
            forces = -pull_back(positions, torch.stack(back)).reshape(-1, 3)
            stress = torch.full_like(graph.cell, torch.nan)
            return Prediction(torch.stack([e.sum() for e in energies]) + self.constant, forces, stress)

        return predict

    def linear(self) -> "SGDMLRows":
        """Linear in α and c."""
        return SGDMLRows(self)

    @classmethod
    def example(cls) -> "SGDML":
        """Water on five geometries, both hydrogens alike."""
        potential = cls(length=2.0, orders=[[0, 1, 2], [0, 2, 1]])
        potential.setup(Dataset(Structure(a) for a in waters(5, seed=0)))
        generator = torch.Generator().manual_seed(0)
        potential.alpha.data = torch.randn(5, 3, 3, generator=generator, dtype=torch.float64)
        potential.constant.data = torch.tensor(-3.0, dtype=torch.float64)
        return potential

    @classmethod
    def example_atoms(cls) -> list[Atoms]:
        """Other geometries of water."""
        return waters(3, seed=9)


class SGDMLRows(KernelView):
    """The view of an sGDML potential on its coefficients: α geometry by geometry, then c."""

    observes = ("forces",)

    def __init__(self, potential: SGDML):
        self.potential = potential

    @property
    def coefficients(self) -> Float[Tensor, "coefficients"]:
        """α and c in one."""
        return torch.cat([self.potential.alpha.detach().flatten(), self.potential.constant.detach()[None]])

    @coefficients.setter
    def coefficients(self, values: Float[Tensor, "coefficients"]) -> None:
        self.potential.alpha.data = values[:-1].reshape(self.potential.alpha.shape).clone()
        self.potential.constant.data = values[-1].clone()

    @property
    def length(self) -> float:
        """σ in 1/Å."""
        return float(self.potential.length)

    @length.setter
    def length(self, value: float) -> None:
        self.potential.length = torch.tensor(float(value), dtype=torch.float64)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """The same for every geometry."""
        return np.full(len(self.potential.geometries), len(self.potential.numbers))

    @torch.no_grad()
    def covariance(
        self, chosen: Sequence[int] | NDArray, progress: Callable[[float], None] = lambda fraction: None
    ) -> NDArray[np.float64]:
        """K among the forces of the chosen geometries."""
        points = self.potential.geometries[torch.as_tensor(np.asarray(chosen))]
        D, J, pairs = inverse_distances(points), jacobian(points), reordered_pairs(self.potential.orders)
        n = J.shape[-1]
        K = np.zeros((n * len(points), n * len(points)))
        for k in range(len(points)):
            block, _ = force_covariance(D[k, pairs], J[k, pairs], D[: k + 1], J[: k + 1], KERNEL, self.length)
            K[k * n : (k + 1) * n, : (k + 1) * n] = block.reshape(n, -1).numpy()
            progress(((k + 1) / len(points)) ** 2)
        return K

    @torch.no_grad()
    def rows(self, graph: Graph, *, derivatives: bool = True) -> Rows:
        """Covariances with the forces of all training geometries, and the column of c."""
        training, pairs = self.potential.geometries, reordered_pairs(self.potential.orders)
        D_train, J_train = inverse_distances(training), jacobian(training)
        molecules = self.potential.molecules(graph)
        D, J = inverse_distances(molecules), jacobian(molecules)
        found = [
            force_covariance(d[pairs], j[pairs], D_train, J_train, KERNEL, self.length)
            for d, j in zip(D, J, strict=True)
        ]
        energy = torch.stack([torch.cat([e.flatten(), e.new_ones(1)]) for _, e in found])
        if not derivatives:
            return Rows(energy)
        forces = torch.cat([f.flatten(1) for f, _ in found])
        forces = torch.cat([forces, forces.new_zeros(len(forces), 1)], dim=1).reshape(graph.n_atoms, 3, -1)
        return Rows(energy, forces, graph.cell.new_full((*graph.cell.shape, energy.shape[1]), torch.nan))


def waters(n: int, *, seed: int) -> list[Atoms]:
    """Distorted water molecules."""
    rng = np.random.default_rng(seed)
    found = [molecule("H2O") for _ in range(n)]
    for atoms in found:
        atoms.positions += rng.normal(scale=0.08, size=(3, 3))
    return found
