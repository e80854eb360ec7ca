"""What an adversarial attack may move: every atom by itself, or the torsions of a molecule.

displacements   X = X_0 + δ                   δ_0 ~ N(0, σ²)
torsions        X = Π_b R(axis_b, φ_b) X_0    φ_0 ~ N(0, σ²), one angle for each bond that can turn
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from jaxtyping import Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError

BONDED = 1.2  # times the sum of covalent radii
DEGREE = np.pi / 180


class Motion(Configurable, ABC):
    """Coordinates of an attack: `learning_rate` and `sigma`, the spread at the start, in their units."""

    rooms = ("sample",)
    learning_rate: float
    sigma: float

    @abstractmethod
    def of(self, atoms: Atoms) -> "tuple[int, Callable[[Tensor], Float[Tensor, 'atoms 3']]]":
        """How many coordinates a structure has, and its positions as a differentiable function of them.

        Raises UserError where it has none.
        """


class Displacements(Motion):
    """Every atom by itself; `sigma` and `learning_rate` in Å."""

    def __init__(self, *, sigma: float = 0.01, learning_rate: float = 0.01):
        self.sigma, self.learning_rate = sigma, learning_rate

    def of(self, atoms: Atoms) -> tuple[int, Callable[[Tensor], Tensor]]:
        """Three for each atom."""
        before = torch.from_numpy(atoms.get_positions())
        return before.numel(), lambda moved: before + moved.reshape(before.shape)

    @classmethod
    def example(cls) -> "Displacements":
        """By 0.01 Å."""
        return cls()


class Torsions(Motion):
    """Angles about the bonds of a molecule that are in no ring and end on neither side; degrees."""

    def __init__(self, *, sigma: float = 5.0, learning_rate: float = 2.0):
        self.sigma, self.learning_rate = sigma, learning_rate

    def of(self, atoms: Atoms) -> tuple[int, Callable[[Tensor], Tensor]]:
        """One for each bond; raises UserError for a structure with a cell, and where no bond can turn."""
        if atoms.pbc.any():
            raise UserError("torsions are those of a molecule; attack what is periodic by Displacements")
        bonds = rotatable_bonds(atoms)
        if not bonds:
            raise UserError(f"{atoms.get_chemical_formula()} has no bond that can turn; attack it by Displacements")
        before = torch.from_numpy(atoms.get_positions())

        def positions(angles: Tensor) -> Tensor:
            places = before
            for (a, b, turned), angle in zip(bonds, angles, strict=True):
                places = _rotated(places, a, b, turned, angle * DEGREE)
            return places

        return len(bonds), positions

    @classmethod
    def example(cls) -> "Torsions":
        """By 5 degrees."""
        return cls()


def rotatable_bonds(atoms: Atoms) -> list[tuple[int, int, list[int]]]:
    """Bonds a-b in no ring, with further atoms on both ends, and the atoms of the smaller side, which is that of b."""
    first, second = neighbor_list("ij", atoms, list(BONDED * covalent_radii[atoms.numbers]))
    n, found = len(atoms), []
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        if a > b:
            continue
        other = ~((first == a) & (second == b) | (first == b) & (second == a))
        links = coo_array((np.ones(other.sum()), (first[other], second[other])), shape=(n, n))
        side = connected_components(links, directed=False)[1]
        if side[a] == side[b]:
            continue  # in a ring
        sides = sorted((np.count_nonzero(side == side[k]), k) for k in (a, b))
        if sides[0][0] < 2:
            continue  # nothing that turns
        near, far = sides[0][1], sides[1][1]
        found.append((far, near, np.flatnonzero((side == side[near]) & (np.arange(n) != near)).tolist()))
    return found


def _rotated(places: Tensor, a: int, b: int, turned: list[int], angle: Tensor) -> Tensor:
    """The atoms `turned` about the axis from a to b (Rodrigues)."""
    axis = places[b] - places[a]
    axis = (axis / axis.norm()).expand(len(turned), 3)
    arms = places[turned] - places[b]
    along = axis * (axis * arms).sum(dim=-1, keepdim=True)
    new = along + torch.cos(angle) * (arms - along) + torch.sin(angle) * torch.linalg.cross(axis, arms)
    return places.index_copy(0, torch.tensor(turned), places[b] + new)
