"""PIPs: permutationally invariant polynomials of all distances of one molecule, the first generation's coordinates.

    y_ij = e^(-r_ij/a)          p_k = Σ_{monomials m in orbit k} Π_ij y_ij^{e_m,ij}

Like atoms may be exchanged, and the molecule turned and moved, without any change. The polynomials belong to one
composition: neither another molecule nor two of the same have as many distances.
B. J. Braams, J. M. Bowman, Int. Rev. Phys. Chem. 28, 577 (2009).
"""

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.descriptor import Descriptor
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.invariant_polynomials import invariant_orbits


class PermutationInvariantPolynomials(Descriptor):
    """Features (structures, n_features) of one molecule: all invariants of degree 1 to `degree`.

    length: a in Å, over which a distance fades; 1 to 1.6 Å (2 to 3 bohr) is usual.
    Raises UserError for data that are not of one composition, or are periodic, and where polynomials would be too many.
    """

    per = "structure"
    cutoff = float("inf")

    def __init__(self, *, degree: int = 6, length: float = 1.3):
        super().__init__()
        if degree < 1 or not length > 0:
            raise UserError(f"polynomials need a degree of at least 1 and a length above 0, not {degree} and {length}")
        self.degree, self.length = degree, length
        self.register_buffer("composition", torch.zeros(0, dtype=torch.int64))  # atomic numbers, ascending
        self._orbits: tuple[tuple[int, ...], NDArray, NDArray] | None = None

    def setup(self, train: Dataset) -> None:
        """Take the composition of the molecule; raises UserError where there is more than one."""
        found: dict[tuple[int, ...], str] = {}
        for s in train:
            if s.atoms.pbc.any():
                raise UserError(f"{s.where} is periodic; these polynomials describe one molecule in open space")
            found.setdefault(tuple(sorted(s.atoms.numbers.tolist())), s.atoms.get_chemical_formula())
        if len(found) != 1:
            names = ", ".join(list(found.values())[:4])
            raise UserError(
                f"the data hold {len(found)} compositions ({names}), and these polynomials belong to one molecule; fit "
                "each by itself, or take a method that works atom by atom (hdnnp)"
            )
        self.composition = torch.tensor(next(iter(found)), dtype=torch.int64)

    @property
    def n_features(self) -> int:
        """Number of invariants."""
        return int(self._polynomials()[1].max(initial=-1)) + 1 if len(self.composition) > 1 else 0

    def features(self, graph: Graph) -> Float[Tensor, "structures features"]:
        """Invariants of every molecule; raises UserError for any other molecule."""
        exponents, orbit = (torch.from_numpy(a).to(graph.r_ij.device) for a in self._polynomials())
        distances = self._distances(graph)
        monomials = torch.exp(distances @ exponents.to(distances).mT / -self.length)
        return monomials.new_zeros(graph.n_structures, self.n_features).index_add(1, orbit, monomials)

    def _distances(self, graph: Graph) -> Float[Tensor, "structures pairs"]:
        """Distances between all atoms, atoms ordered by element, in the order of the polynomials' variables."""
        n, n_structures = len(self.composition), graph.n_structures
        order = torch.argsort(graph.structure * 200 + graph.numbers, stable=True)
        expected = self.composition.repeat(n_structures)
        is_known = graph.n_atoms == n * n_structures and torch.equal(graph.numbers[order], expected)
        if not is_known or graph.n_edges != n_structures * n * (n - 1):
            symbols = [symbol(z) for z in self.composition.tolist()]
            formula = Atoms(symbols).get_chemical_formula() or "no molecule"
            raise UserError(
                f"this potential knows {formula} alone: its polynomials have one variable for each distance between "
                "its atoms, and say nothing of other molecules, of two of the same, or of periodic structures"
            )
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) % max(n, 1)
        first, second = rank[graph.center], rank[graph.neighbor]
        once = torch.nonzero(first < second)[:, 0]
        table = torch.zeros(n, n, dtype=torch.int64, device=order.device)
        i, j = np.triu_indices(n, 1)
        table[i, j] = torch.arange(len(i), device=order.device)
        place = (graph.structure[graph.center[once]], table[first[once], second[once]])
        empty = graph.r_ij.new_zeros(n_structures, len(i))
        return empty.index_put(place, graph.r_ij[once].norm(dim=-1))

    def _polynomials(self) -> tuple[NDArray, NDArray]:
        """Exponents of all monomials and their orbits; decided by the composition, which the archive restores."""
        composition = tuple(self.composition.tolist())
        if self._orbits is None or self._orbits[0] != composition:
            groups = np.unique(composition, return_counts=True)[1].tolist()
            self._orbits = (composition, *invariant_orbits(groups, self.degree))
        return self._orbits[1:]

    @classmethod
    def example(cls) -> "PermutationInvariantPolynomials":
        """Degree 3 for water."""
        descriptor = cls(degree=3)
        descriptor.composition = torch.tensor([1, 1, 8])
        return descriptor

    @classmethod
    def example_atoms(cls) -> list[Atoms]:
        """Water molecules, atoms in different orders."""
        found = []
        for k, order in enumerate(([0, 1, 2], [1, 0, 2], [1, 2, 0])):
            atoms = molecule("H2O")[order]
            atoms.rattle(0.08, seed=k)
            found.append(atoms)
        return found
