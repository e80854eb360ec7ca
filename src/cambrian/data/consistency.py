"""Whether energies, forces and stresses of close frames go together: the evidence for units and signs.

Between two frames a, b of one composition and atom order, with strain ε and small displacements Δu besides,

    E_b - E_a  ≈  -½ Σ (F_a + F_b) · Δu  +  ½ V (σ_a + σ_b) : ε        (to third order in both)

so the energy regressed on either work has slope 1 when units and signs are right: forces in kcal/mol/Å give 1/23, a
gradient in place of a force -1, a stress in kbar with VASP's sign -1/1602.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.units import BOLTZMANN

FARTHEST = 0.3  # Å: rms displacement beyond which the trapezoid says little
SMALLEST_STRAIN, LARGEST_STRAIN = 2e-4, 0.06
MOST_FRAMES = 1500  # of one composition: more evidence than needed


@dataclass(frozen=True)
class Slope:
    """Energy against work through the origin: slope, correlation and number of pairs."""

    slope: float
    correlation: float
    n_pairs: int

    @property
    def is_clear(self) -> bool:
        """Whether the pairs agree well enough to judge by."""
        return self.n_pairs >= 5 and abs(self.correlation) > 0.85


def buckets(data: Dataset) -> Iterator[list[int]]:
    """Indices of structures with the same atoms in the same order and the same periodicity, two or more of them."""
    found = defaultdict(list)
    for k, s in enumerate(data):
        found[(s.atoms.numbers.tobytes(), s.atoms.pbc.tobytes(), s.total_charge, s.spin)].append(k)
    for members in found.values():
        if len(members) > 1:
            step = -(-len(members) // MOST_FRAMES)
            yield members[::step]


def displacement(a: Atoms, b: Atoms) -> NDArray:
    """Displacements from a to b, Å, to the nearest image, without the common translation; (atoms, 3)."""
    delta = b.positions - a.positions
    if a.pbc.any():
        cell = (a.cell.complete().array + b.cell.complete().array) / 2
        fractional = b.cell.complete().scaled_positions(b.positions) - a.cell.complete().scaled_positions(a.positions)
        fractional[:, a.pbc] -= np.round(fractional[:, a.pbc])
        delta = fractional @ cell
    return delta - delta.mean(axis=0)


def same_cell(a: Atoms, b: Atoms) -> bool:
    """Whether the periodic vectors are the same."""
    return np.allclose(a.cell.array[a.pbc], b.cell.array[b.pbc], rtol=0, atol=1e-6)


def unwrapped(structures: list[Structure]) -> NDArray:
    """Positions of frames of one bucket relative to the first, (frames, 3 atoms) Å: near frames are near points."""
    first = structures[0].atoms
    return np.stack([displacement(first, s.atoms).reshape(-1) for s in structures])


def close_pairs(data: Dataset, *, farthest: float = FARTHEST) -> list[tuple[int, int]]:
    """Frames and their nearest within `farthest` (Å: displacement over the root of atoms), in one cell."""
    found = set()
    for members in buckets(data):
        structures = [data[k] for k in members]
        n_atoms = len(structures[0])
        reach = farthest * np.sqrt(n_atoms)
        points = unwrapped(structures)
        neighbors = KDTree(points).query(points, k=2, distance_upper_bound=reach)
        near, which = cast(tuple[NDArray, NDArray], neighbors)
        for a in range(len(members)):
            for distance, b in zip(near[a], which[a], strict=True):
                if b != a and 1e-6 < distance < reach and same_cell(structures[a].atoms, structures[b].atoms):
                    found.add((min(members[a], members[b]), max(members[a], members[b])))
    return sorted(found)


def force_slope(data: Dataset) -> Slope:
    """Energy differences of close frames against the work of their forces: the typical group's slope."""
    found = defaultdict(list)
    for a, b in close_pairs(data):
        s, t = data[a], data[b]
        if s.forces is not None and t.forces is not None and s.has_energy and t.has_energy:
            work = -0.5 * ((s.forces + t.forces) * displacement(s.atoms, t.atoms)).sum()
            found[s.group, t.group].append((work, t.energy - s.energy))
    return _typical(found)


def stress_slope(data: Dataset) -> Slope:
    """Energy differences of slightly strained frames against the work of their stresses: the typical group's slope."""
    found = defaultdict(list)
    for s, t, strain, (before, after) in _strained_pairs(data):
        inner = displacement(s.atoms, t.atoms)
        if not (s.has_energy and t.has_energy) or np.sqrt((inner**2).sum(axis=1).mean()) > FARTHEST:
            continue
        by_forces = 0.0
        if s.forces is not None and t.forces is not None:
            by_forces = -0.5 * ((s.forces + t.forces) * inner).sum()
        volume = (s.atoms.get_volume() + t.atoms.get_volume()) / 2
        by_stress = 0.5 * volume * ((before + after) * strain).sum()
        if abs(by_forces) < 0.5 * max(abs(by_forces + by_stress), abs(t.energy - s.energy)):
            found[s.group, t.group].append((by_stress, t.energy - s.energy - by_forces))
    return _typical(found)


def stiffness(data: Dataset) -> float:
    """Median of Δσ:ε / ε:ε over slightly strained frames, eV/Å³, as elastic constants are; NaN without such."""
    pairs = _strained_pairs(data)
    found = [((after - before) * strain).sum() / (strain**2).sum() for _, _, strain, (before, after) in pairs]
    return float(np.median(found)) if len(found) >= 5 else np.nan


def _strained_pairs(data: Dataset) -> Iterator[tuple[Structure, Structure, NDArray, tuple[NDArray, NDArray]]]:
    """Two frames, the strain from one to the other, and their stresses."""
    for members in buckets(data):
        structures = [data[k] for k in members]
        kept = [(s, s.stress) for s in structures if s.stress is not None and s.atoms.pbc.all()]
        cells = np.array([s.atoms.cell.array for s, _ in kept]).reshape(-1, 3, 3)
        for a in range(len(kept)):
            deformation = np.linalg.inv(cells[a]) @ cells[a + 1 :] - np.eye(3)
            size = np.abs(deformation).max(axis=(1, 2))
            near = np.flatnonzero((size > SMALLEST_STRAIN) & (size < LARGEST_STRAIN))
            for b in near[np.argsort(size[near], kind="stable")][:5]:
                (s, before), (t, after) = kept[a], kept[a + 1 + b]
                yield s, t, (deformation[b] + deformation[b].T) / 2, (before, after)


def _typical(pairs: dict[tuple[str, str], list[tuple[float, float]]]) -> Slope:
    """The weighted median of the slopes of the groups that are clear; of all pairs together where none is."""
    everything = [pair for members in pairs.values() for pair in members]
    clear = sorted((s for s in map(_slope, pairs.values()) if s.is_clear), key=lambda s: s.slope)
    if not clear:
        return _slope(everything)
    reached = np.cumsum([s.n_pairs for s in clear])
    return clear[int(np.searchsorted(reached, reached[-1] / 2))]


def _slope(pairs: list[tuple[float, float]]) -> Slope:
    work, change = np.array(pairs).reshape(-1, 2).T
    norm = np.sqrt((work**2).sum() * (change**2).sum())
    if norm == 0:
        return Slope(np.nan, 0.0, len(work))
    product = (work * change).sum()
    return Slope(float(product / (work**2).sum()), float(product / norm), len(work))


def temperature(data: Dataset) -> float:
    """Temperature (K) that -⟨Δf · Δr⟩ = 6 N k T gives for pairs of frames of one cell; NaN where there are none.

    Exact for independent harmonic samples, and right in its order of magnitude for any dynamics: forces in a larger
    unit show as tens of thousands of kelvin.
    """
    found = []
    for a, b in close_pairs(data, farthest=1.0):
        s, t = data[a], data[b]
        if s.forces is not None and t.forces is not None:
            pull = -((t.forces - s.forces) * displacement(s.atoms, t.atoms)).sum()
            found.append(pull / (6 * len(s)) / BOLTZMANN)
    return float(np.median(found)) if len(found) >= 5 else np.nan
