"""Energies of isolated atoms: those in the data, and the least-squares fit of energy on composition.

E ≈ Σ_elements n_element E0_element        (pseudo-inverse: compositions may be degenerate)
"""

import numpy as np
from numpy.typing import NDArray

from cambrian.data.dataset import Dataset


def stated_atomic_energies(data: Dataset) -> dict[int, list[float]]:
    """Energies (eV) of the structures that are a single neutral atom without neighbors, by atomic number."""
    found: dict[int, list[float]] = {}
    for s in data:
        if len(s) == 1 and s.has_energy and s.total_charge == 0 and _is_alone(s.atoms):
            found.setdefault(int(s.atoms.numbers[0]), []).append(s.energy)
    return found


def _is_alone(atoms) -> bool:
    lengths = atoms.cell.lengths()[atoms.pbc]
    return lengths.min(initial=np.inf) > 8.0


def fitted_atomic_energies(data: Dataset) -> dict[int, float]:
    """Energy per atom of each element (eV) that explains the energies best; of least norm where several do."""
    counts, energies = composition(data)
    kept = np.isfinite(energies) & (counts.sum(axis=1) > 1)
    kept = kept if kept.any() else np.isfinite(energies)
    if not kept.any():
        return {}
    scale = counts[kept].sum(axis=1, keepdims=True)
    best = np.linalg.pinv(counts[kept] / scale, rcond=1e-8) @ (energies[kept] / scale[:, 0])
    return dict(zip(data.numbers, best.tolist(), strict=True))


def composition(data: Dataset) -> tuple[NDArray, NDArray]:
    """Atoms of each element, (structures, elements) in the order of `data.numbers`, and energies (structures,) eV."""
    counts = np.array([[np.count_nonzero(s.atoms.numbers == z) for z in data.numbers] for s in data], dtype=float)
    return counts.reshape(len(data), -1), np.array([s.energy for s in data])


def compositions_decide(data: Dataset) -> bool:
    """Whether the structures differ enough in composition to give each element an energy of its own."""
    counts, energies = composition(data)
    known = counts[np.isfinite(energies)]
    return np.linalg.matrix_rank(known / known.sum(axis=1, keepdims=True), tol=1e-6) == len(data.numbers)
