"""Neighbor lists by vesin: any cell, any mixture of periodic directions, cutoffs beyond half the cell.

`NeighborList` keeps a list with a skin s: it stays valid until two atoms together may have moved by the skin, so
dynamics rebuilds it every few tens of steps and in between only recomputes r_ij. Where the cell changes too, from h₀ to
h = h₀ F, r_ij = (r⁰_ij + δ_j - δ_i) F with δ_i = x_i F⁻¹ - x⁰_i: a pair that was further than r_c + s is no nearer than
σ_min(F) (r_c + s - 2 max |δ|), and the list holds while that is above r_c. `graph_of` and `graph_of_all` make one list
for one use: of small structures by compiled loops over all pairs (native/neighbors.py), many structures in one call.
"""

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from vesin import NeighborList as VesinList

from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph.graph import Graph, batch
from cambrian.native import neighbors as all_pairs
from cambrian.native.library import available

CLOSEST = 1e-3  # Å: nearer than this two atoms are one place, whatever the elements
PROBE = 1.5  # Å: where atoms at one place are looked for; a shorter list would be slower, for its many empty bins
MOST_PAIRS = 4000  # atoms times images of the cell: from there on vesin's bins are quicker than all pairs


def graph_of(atoms: Atoms, cutoff: float, *, total_charge: float = 0.0, spin: float = 0.0) -> Graph:
    """Graph of one structure with all edges shorter than `cutoff` (Å).

    Raises UserError for a flat cell, positions that are not finite and atoms at one place.
    """
    return graph_of_all([atoms], cutoff, total_charge=[total_charge], spin=[spin])


def graph_of_all(
    structures: Sequence[Atoms], cutoff: float, *, total_charge: Sequence[float], spin: Sequence[float]
) -> Graph:
    """One graph of several structures, at least one; raises what `graph_of` raises."""
    pbc = np.array([a.pbc for a in structures])
    boxes = _boxes(structures, pbc, cutoff)
    sizes, reach = np.array([len(a) for a in structures]), min(cutoff, 1e9)
    heights = 1 / np.linalg.norm(np.linalg.inv(boxes), axis=1)
    pairs = sizes * np.where(pbc, 2 * reach / heights + 1, 1.0).prod(axis=1)  # of each atom
    if not available() or pairs.max() > MOST_PAIRS:
        each = zip(structures, total_charge, spin, strict=True)
        return batch([NeighborList(cutoff).graph(a, total_charge=q, spin=s) for a, q, s in each])
    positions = np.concatenate([a.positions for a in structures])
    first_atom = np.concatenate([[0], np.cumsum(sizes)])
    crowded = 16 + 6 * reach**3 * sizes / heights.prod(axis=1)  # 6 instead of 4π/3: rarely too few
    expected = int((sizes * np.minimum(crowded, pairs)).sum())
    try:
        center, neighbor, shift, r_ij = all_pairs.neighbors(
            first_atom, positions, boxes, pbc, cutoff=cutoff, closest=CLOSEST, expected=expected
        )
    except all_pairs.Coincident as found:
        where = int(np.searchsorted(first_atom, found.center, side="right")) - 1
        i, j = found.center - first_atom[where], found.neighbor - first_atom[where]
        raise _coincident(structures[where], i, j) from None
    return Graph(
        positions=torch.from_numpy(positions),
        numbers=torch.from_numpy(np.concatenate([a.numbers for a in structures]).astype(np.int64)),
        structure=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)),
        cell=torch.from_numpy(np.array([a.cell.array for a in structures], dtype=float)),
        pbc=torch.from_numpy(pbc),
        center=torch.from_numpy(center),
        neighbor=torch.from_numpy(neighbor),
        shift=torch.from_numpy(shift),
        r_ij=torch.from_numpy(r_ij),
        total_charge=torch.tensor(total_charge, dtype=torch.float64),
        spin=torch.tensor(spin, dtype=torch.float64),
        owned=torch.ones(len(positions), dtype=torch.bool),
        cutoff=cutoff,
    )


def _boxes(structures: Sequence[Atoms], pbc: NDArray, cutoff: float) -> NDArray:
    """Invertible cells (structures, 3, 3); raises UserError for geometries that cannot be used."""
    whole: NDArray = np.all(pbc, axis=1)
    cells = np.array([a.cell.array for a in structures], dtype=float)
    lengths = np.linalg.norm(cells[whole], axis=2, keepdims=True)
    good = np.isfinite(lengths).all() and (lengths > 1e-6).all()
    if not (good and (np.linalg.svd(cells[whole] / lengths, compute_uv=False) > 1e-6).all()):
        for atoms in structures:
            _refuse_bad_cell(atoms)
    for k, atoms in enumerate(structures):
        if not whole[k]:
            _refuse_bad_cell(atoms)
            cells[k] = atoms.cell.complete().array if atoms.pbc.any() else np.eye(3)
        elif not np.isfinite(atoms.positions).all():
            _refuse_bad_cell(atoms)
    if np.isinf(cutoff) and pbc.any():
        raise _endless()
    return cells


class NeighborList:
    """Edges of one structure, rebuilt only when atoms may have come near that are not in it; `skin` in Å."""

    def __init__(self, cutoff: float, *, skin: float = 0.0):
        self.cutoff, self.skin = cutoff, skin
        self.n_builds = 0
        self._reference: tuple[NDArray, ...] | None = None

    def graph(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Graph:
        """Graph of `atoms` with exactly the edges shorter than the cutoff."""
        positions, cell, box = atoms.get_positions(), atoms.cell.array, _box(atoms)
        if not self._is_valid(atoms, box):
            self._build(atoms, box)
        center, neighbor, shift, per_atom, crossing, images = self._edges
        r_ij = positions.take(neighbor, axis=0)
        r_ij -= positions.repeat(per_atom, axis=0)
        r_ij[crossing] += images @ box
        squared = np.einsum("ij,ij->i", r_ij, r_ij)
        if squared.min(initial=np.inf) < CLOSEST**2:
            k = squared.argmin()
            raise _coincident(atoms, int(center[k]), int(neighbor[k]))
        if self.skin > 0 or self._searched > self.cutoff:
            kept = np.flatnonzero(squared < self.cutoff**2)
            center, neighbor = center.take(kept), neighbor.take(kept)
            shift, r_ij = shift.take(kept, axis=0), r_ij.take(kept, axis=0)
        return Graph(
            positions=torch.from_numpy(positions),
            numbers=torch.from_numpy(atoms.numbers.astype(np.int64)),
            structure=torch.zeros(len(atoms), dtype=torch.int64),
            cell=torch.from_numpy(cell.astype(float))[None],
            pbc=torch.from_numpy(atoms.pbc.copy())[None],
            center=torch.from_numpy(center),
            neighbor=torch.from_numpy(neighbor),
            shift=torch.from_numpy(shift),
            r_ij=torch.from_numpy(r_ij),
            total_charge=torch.tensor([float(total_charge)], dtype=torch.float64),
            spin=torch.tensor([float(spin)], dtype=torch.float64),
            owned=torch.ones(len(atoms), dtype=torch.bool),
            cutoff=self.cutoff,
        )

    def _is_valid(self, atoms: Atoms, box: NDArray) -> bool:
        if self._reference is None or self.skin == 0:
            return False
        before, reference_box, pbc, numbers = self._reference
        if not (np.array_equal(numbers, atoms.numbers) and np.array_equal(pbc, atoms.pbc)):
            return False
        slack, positions = self.skin, atoms.get_positions()
        if not np.array_equal(box, reference_box):
            _refuse_bad_cell(atoms)
            deformation = np.linalg.solve(reference_box, box)
            slack += self.cutoff * (1 - 1 / np.linalg.svd(deformation, compute_uv=False).min())
            positions = positions @ np.linalg.inv(deformation)
        moved = positions - before
        return slack > 0 and 4 * np.einsum("ij,ij->i", moved, moved).max(initial=0.0) < slack**2

    def _build(self, atoms: Atoms, box: NDArray) -> None:
        _refuse_bad_cell(atoms)
        self._searched = _search_radius(atoms, self.cutoff + self.skin)
        finder = VesinList(cutoff=self._searched, full_list=True)
        pairs, shift = finder.compute(atoms.get_positions(), box, atoms.pbc, quantities="PS", copy=False)
        center, neighbor, shift = _ordered(pairs, shift)
        crossing = np.flatnonzero(shift.any(axis=1))
        per_atom = np.bincount(center, minlength=len(atoms))
        self._edges = center, neighbor, shift, per_atom, crossing, shift[crossing].astype(float)
        self._reference = (atoms.get_positions(), box, atoms.pbc.copy(), atoms.numbers.copy())
        self.n_builds += 1


def _box(atoms: Atoms) -> NDArray:
    """What vesin wants: an invertible cell where any direction is periodic, though others may lack a vector."""
    return atoms.cell.complete().array.astype(float) if atoms.pbc.any() else np.zeros((3, 3))


def _ordered(pairs: NDArray, shift: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Edges in order of (center, neighbor, shift), as int64: packed into one integer each, a plain sort does it."""
    key, neighbor = pairs.T.astype(np.int64, order="C")
    shifts = shift.T.astype(np.int64, order="C")
    lowest = shifts.min(axis=1, initial=0, keepdims=True)
    columns = [neighbor, *(shifts - lowest)]
    widths = [int(column.max(initial=0)).bit_length() for column in columns]
    for column, width in zip(columns, widths, strict=True):
        key <<= width
        key |= column
    key.sort(kind="stable")
    for column, width in reversed(list(zip(columns, widths, strict=True))):
        np.bitwise_and(key, (1 << width) - 1, out=column)
        key >>= width
    return key, columns[0], np.stack(columns[1:], axis=1) + lowest[:, 0]


def _search_radius(atoms: Atoms, cutoff: float) -> float:
    """What vesin searches well: not near zero, and in open space no further than there are atoms, so inf means all."""
    if not atoms.pbc.any():
        extent = float(np.linalg.norm(np.ptp(atoms.positions, axis=0))) if len(atoms) else 0.0
        cutoff = min(cutoff, extent + 1.0)
    elif np.isinf(cutoff):
        raise _endless()
    return max(cutoff, PROBE)


def refuse_bad_geometry(atoms: Atoms) -> None:
    """Raise UserError for a flat cell, positions that are not finite and atoms at one place."""
    _refuse_bad_cell(atoms)
    finder = VesinList(cutoff=PROBE, full_list=False)
    center, neighbor, distance = finder.compute(atoms.get_positions(), _box(atoms), atoms.pbc, quantities="ijd")
    if distance.min(initial=PROBE) < CLOSEST:
        k = distance.argmin()
        raise _coincident(atoms, int(center[k]), int(neighbor[k]))


def _refuse_bad_cell(atoms: Atoms) -> None:
    if not np.isfinite(atoms.positions).all():
        bad = int(np.argwhere(~np.isfinite(atoms.positions))[0, 0])
        raise UserError(f"the position of atom {bad} is not a finite number; repair or remove this frame")
    periodic = atoms.cell.array[atoms.pbc]
    if not np.isfinite(periodic).all():
        raise UserError("the cell holds a value that is not a finite number; repair or remove this frame")
    lengths = np.linalg.norm(periodic, axis=1)
    if len(periodic) and (
        lengths.min() < 1e-6 or np.linalg.matrix_rank(periodic / lengths[:, None], tol=1e-6) < len(periodic)
    ):
        raise UserError(
            "the cell is flat (its periodic vectors span no volume); give three independent vectors, or set pbc to F"
        )


def _endless() -> UserError:
    return UserError("this potential reads whole molecules (its cutoff is infinite), not periodic structures")


def _coincident(atoms: Atoms, i: int, j: int) -> UserError:
    return UserError(
        f"atoms {i} ({symbol(atoms.numbers[i])}) and {j} ({symbol(atoms.numbers[j])}) are at one place "
        f"(closer than {CLOSEST} Å); remove one of them"
    )
