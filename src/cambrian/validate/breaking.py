"""When dynamics has broken: a force, a distance or a bond that no sound structure has.

max |F_i| > largest_force        r_ij < shortest · (shortest distance of these elements in the data)
r_ij > longest · (bond at the start)          for bonds between non-metals, which motion alone does not break
"""

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import graph_of

NON_METALS = (1, 6, 7, 8, 9, 15, 16, 17, 35, 53)
BONDED = 1.2  # times the sum of covalent radii
NEAR = 4.0  # Å: where the shortest distances are looked for
MANY = 50  # frames tell the shortest distances


class Broke(Exception):  # noqa: N818 - an end of a run, in words; no mistake of the program
    """A structure that no sound potential would reach."""


class Breaking:
    """Watches the atoms of a run and raises Broke; `n_frames` counts those that were sound since `begin`."""

    def __init__(
        self,
        start: Atoms,
        reference: Dataset,
        *,
        largest_force: float,
        shortest_distance: float,
        longest_bond: float,
    ):
        self.largest_force, self.longest_bond = largest_force, longest_bond
        chosen = np.unique(np.linspace(0, len(reference) - 1, MANY).round().astype(int))
        known = shortest_distances([start, *(reference.structures[k].atoms for k in chosen)])
        self.floor = shortest_distance * known
        self.bonds = _molecular_bonds(start)
        self.n_frames = 0

    def begin(self) -> None:
        """Count from here."""
        self.n_frames = 0

    def __call__(self, atoms: Atoms) -> None:
        """Raise Broke, in words, where the structure is not sound."""
        if atoms.calc is None:
            return
        trouble = self._force(atoms) or self._distance(atoms) or self._bond(atoms)
        if trouble:
            raise Broke(trouble)
        self.n_frames += 1

    def _force(self, atoms: Atoms) -> str:
        sizes = np.linalg.norm(atoms.get_forces(), axis=1)
        worst = int(sizes.argmax())
        if sizes[worst] <= self.largest_force:
            return ""
        return f"the force on atom {worst} ({symbol(int(atoms.numbers[worst]))}) is {sizes[worst]:.3g} eV/Å"

    def _distance(self, atoms: Atoms) -> str:
        numbers = atoms.numbers
        kinds = np.unique(numbers)
        reach = float(self.floor[np.ix_(kinds, kinds)].max())
        try:
            graph = graph_of(atoms, max(reach, 0.1))
        except UserError as error:
            return str(error)
        first, second = graph.center.numpy(), graph.neighbor.numpy()
        distances = graph.r_ij.norm(dim=-1).numpy()
        short = np.nonzero(distances < self.floor[numbers[first], numbers[second]])[0]
        if not len(short):
            return ""
        k = short[distances[short].argmin()]
        return f"atoms {_pair(atoms, int(first[k]), int(second[k]))} are {distances[k]:.2f} Å apart"

    def _bond(self, atoms: Atoms) -> str:
        first, second, shift, length = self.bonds
        if not len(first):
            return ""
        vectors = atoms.positions[second] - atoms.positions[first] + shift @ atoms.cell.array
        stretched = np.linalg.norm(vectors, axis=1) / length
        worst = int(stretched.argmax())
        if stretched[worst] <= self.longest_bond:
            return ""
        pair = _pair(atoms, first[worst], second[worst])
        return f"the bond between {pair} is {stretched[worst]:.2f} times as long as at the start"


def shortest_distances(structures: Iterable[Atoms]) -> NDArray:
    """Shortest distance in Å of every two elements, (119, 119) by atomic number; where unseen, covalent radii."""
    found = np.full((119, 119), np.inf)
    for atoms in structures:
        graph = graph_of(atoms, NEAR)
        pairs = (atoms.numbers[graph.center.numpy()], atoms.numbers[graph.neighbor.numpy()])
        np.minimum.at(found, pairs, graph.r_ij.norm(dim=-1).numpy())
    radii = covalent_radii[:119]
    return np.where(np.isfinite(found), found, radii[:, None] + radii)


def _molecular_bonds(atoms: Atoms) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """First and second atom, shift of cells and length of each bond between non-metals."""
    graph = graph_of(atoms, NEAR)
    first, second, shift = graph.center.numpy(), graph.neighbor.numpy(), graph.shift.numpy()
    lengths = graph.r_ij.norm(dim=-1).numpy()
    a, b = atoms.numbers[first], atoms.numbers[second]
    bonded = np.isin(a, NON_METALS) & np.isin(b, NON_METALS)
    bonded &= (lengths < BONDED * (covalent_radii[a] + covalent_radii[b])) & (first <= second)
    return first[bonded], second[bonded], shift[bonded], lengths[bonded]


def _pair(atoms: Atoms, i: int, j: int) -> str:
    return f"{symbol(int(atoms.numbers[i]))} {i} and {symbol(int(atoms.numbers[j]))} {j}"
