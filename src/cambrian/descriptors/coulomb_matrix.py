"""Coulomb matrix of a whole molecule, arranged so that the order of the atoms does not matter.

    M_ii = ½ Z_i^2.4          M_ij = Z_i Z_j / r_ij          r in Å; molecules smaller than the largest padded by zeros

Eigenvalues (descending by size) are continuous and have forces; rows sorted by their norm keep all of the matrix, but
jump where two rows are equally long, so they are for energies alone. M. Rupp, A. Tkatchenko, K.-R. Müller, O. A. von
Lilienfeld, Phys. Rev. Lett. 108, 058301 (2012); K. Hansen et al., J. Chem. Theory Comput. 9, 3404 (2013) (the others).
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from ase import Atoms
from jaxtyping import Float
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.contracts.descriptor import Descriptor
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph


class Arrangement(Configurable, ABC):
    """How a matrix becomes a list of features that does not depend on the order of rows."""

    rooms = ("descriptors",)
    is_continuous: bool = False

    @abstractmethod
    def n_features(self, n_atoms: int) -> int:
        """How many features a matrix of `n_atoms` rows has."""

    @abstractmethod
    def features(self, matrix: Float[Tensor, "rows rows"], n_atoms: int) -> Float[Tensor, "features"]:
        """Features of one molecule's matrix, padded to `n_atoms` rows."""


class Eigenvalues(Arrangement):
    """Eigenvalues by descending absolute value."""

    is_continuous = True

    def n_features(self, n_atoms: int) -> int:
        """One for each row."""
        return n_atoms

    def features(self, matrix: Float[Tensor, "rows rows"], n_atoms: int) -> Float[Tensor, "features"]:
        """Eigenvalues, then zeros."""
        values = torch.linalg.eigvalsh(matrix)
        order = values.detach().abs().argsort(descending=True, stable=True)
        return torch.nn.functional.pad(values[order], (0, n_atoms - len(values)))


class SortedRows(Arrangement):
    """The matrix with rows and columns by descending norm of the rows."""

    def n_features(self, n_atoms: int) -> int:
        """Every element of the matrix."""
        return n_atoms**2

    def features(self, matrix: Float[Tensor, "rows rows"], n_atoms: int) -> Float[Tensor, "features"]:
        """The sorted matrix, row by row."""
        return _padded(_by_norm(matrix, matrix.norm(dim=1)), n_atoms)


class RandomlySortedRows(Arrangement):
    """Several copies of the matrix, each sorted by norms with noise of its own, the same noise for every molecule.

    So that two rows of nearly equal norm do not decide alone. noise: standard deviation added to the norms, in their
    unit; copies: how many; seed: decides the noise.
    """

    def __init__(self, *, noise: float = 1.0, copies: int = 8, seed: int = 0):
        self.noise, self.copies, self.seed = noise, copies, seed

    def n_features(self, n_atoms: int) -> int:
        """Every element of every copy."""
        return self.copies * n_atoms**2

    def features(self, matrix: Float[Tensor, "rows rows"], n_atoms: int) -> Float[Tensor, "features"]:
        """The copies behind each other."""
        ordered = _by_norm(matrix, matrix.norm(dim=1))  # so that noise does not depend on the order of the atoms
        drawn = np.random.default_rng(self.seed).normal(0.0, self.noise, (self.copies, n_atoms))
        norms = ordered.norm(dim=1)
        noises = torch.from_numpy(drawn).to(norms)[:, : len(norms)]
        return torch.cat([_padded(_by_norm(ordered, norms + noise), n_atoms) for noise in noises])


class CoulombMatrix(Descriptor):
    """Features (structures, n_features) of free molecules of up to `n_atoms` atoms; None: the largest of the data."""

    per = "structure"

    def __init__(self, *, arrangement: Arrangement = Eigenvalues(), n_atoms: int | None = None):  # noqa: B008
        super().__init__()
        self.cutoff = 0.0  # it reads positions
        self.arrangement, self.differentiable = arrangement, arrangement.is_continuous
        self.register_buffer("largest", torch.tensor(n_atoms or 0))

    @property
    def n_features(self) -> int:
        """Columns, once the largest molecule is known."""
        return self.arrangement.n_features(int(self.largest))

    def setup(self, train: Dataset) -> None:
        """Note the largest molecule, unless it was given."""
        if self.arguments["n_atoms"] is None:
            self.largest = torch.tensor(max(len(s) for s in train))

    def features(self, graph: Graph) -> Float[Tensor, "structures features"]:
        """Raises UserError for periodic structures and for molecules larger than the largest of the training set."""
        sizes = torch.bincount(graph.structure, minlength=graph.n_structures).tolist()
        if max(sizes) > int(self.largest) or bool(graph.pbc.any()):
            raise UserError(f"this Coulomb matrix is for free molecules of at most {int(self.largest)} atoms")
        charges = graph.numbers.to(graph.positions.dtype)
        parts = zip(graph.positions.split(sizes), charges.split(sizes), strict=True)
        return torch.stack([self.arrangement.features(coulomb_matrix(x, z), int(self.largest)) for x, z in parts])

    @classmethod
    def example(cls) -> "CoulombMatrix":
        """Eigenvalues of molecules of up to four atoms."""
        return cls(n_atoms=4)

    @classmethod
    def example_atoms(cls) -> list[Atoms]:
        """Molecules of three atoms, no two alike."""
        rng = np.random.default_rng(2)
        corners = np.array([[0, 0, 0], [1.2, 0, 0], [0, 1.1, 0.0]])
        return [Atoms(s, corners + rng.normal(scale=0.1, size=(3, 3))) for s in ("CHO", "OHH", "HCC", "OCH")]


def coulomb_matrix(positions: Float[Tensor, "atoms 3"], charges: Float[Tensor, "atoms"]) -> Tensor:
    """M of one molecule (atoms, atoms) in e²/Å."""
    n = len(charges)
    apart = positions[:, None] - positions
    own = torch.eye(n, dtype=positions.dtype, device=positions.device)
    inverse = (apart.square().sum(dim=-1) + own).rsqrt() * (1 - own)
    return charges[:, None] * charges * inverse + torch.diag(0.5 * charges**2.4)


def _by_norm(matrix: Float[Tensor, "rows rows"], norms: Float[Tensor, "rows"]) -> Tensor:
    order = norms.argsort(descending=True, stable=True)
    return matrix[order][:, order]


def _padded(matrix: Float[Tensor, "rows rows"], n_atoms: int) -> Tensor:
    missing = n_atoms - len(matrix)
    return torch.nn.functional.pad(matrix, (0, missing, 0, missing)).flatten()
