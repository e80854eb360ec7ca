"""Which frames are alike: exact duplicates in any order and orientation, and near copies along a trajectory."""

from collections import defaultdict
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cambrian.data.consistency import buckets, same_cell, unwrapped
from cambrian.data.dataset import Dataset
from cambrian.data.finding import Finding
from cambrian.data.structure import Structure
from cambrian.graph import graph_of

REACH = 5.0  # Å: how far the fingerprint sees
SAME = 1e-5  # Å: files carry eight digits
LARGEST = 300  # atoms: above, far parts are not compared
NEAR = 0.03  # Å, rms displacement: frames of one trajectory a few femtoseconds apart


def fingerprint(s: Structure) -> NDArray:
    """Distances, and what three rounds of messages tell each atom: the same in any order of atoms and orientation."""
    graph = graph_of(s.atoms, REACH)
    distance = graph.r_ij.norm(dim=1).numpy()
    weight = np.exp(-distance) * (1 - (distance / REACH) ** 2) ** 2
    levels = np.linspace(0, 1, 12)
    parts = [np.quantile(distance, levels) if len(distance) else np.zeros(12)]
    heard = s.atoms.numbers / s.atoms.numbers.mean()
    for _ in range(3):
        heard = heard + np.bincount(graph.center, weight * heard[graph.neighbor] ** 2, minlength=len(s))
        parts.append(np.quantile(heard, levels))
    size = np.cbrt(s.atoms.get_volume() / len(s)) if s.atoms.pbc.all() else 0.0
    return np.concatenate([*parts, [size]])


def duplicates(data: Dataset) -> list[list[int]]:
    """Groups of frames that are one structure, by indices; charge and spin state tell frames apart."""
    by_kind = defaultdict(list)
    for k, s in enumerate(data):
        by_kind[_kind(s)].append(k)
    found = []
    for members in by_kind.values():
        if len(members) > 1 and len(data[members[0]]) > 1:
            points = np.stack([fingerprint(data[k]) for k in members])
            alike = [[members[i] for i in group] for group in _clusters(points, SAME)]
            found += [group for candidates in alike if len(group := _confirmed(data, candidates)) > 1]
    return found


def _confirmed(data: Dataset, candidates: list[int]) -> list[int]:
    """Those whose distances between all atoms, near and far, are those of the first."""
    if len(data[candidates[0]]) > LARGEST:
        return candidates
    first = _all_distances(data[candidates[0]])
    return [k for k in candidates if np.abs(_all_distances(data[k]) - first).max() < 100 * SAME]


def _all_distances(s: Structure) -> NDArray:
    return np.sort(s.atoms.get_all_distances(mic=bool(s.atoms.pbc.any())), axis=None)


def _kind(s: Structure) -> tuple:
    return (*sorted(s.atoms.numbers.tolist()), s.atoms.pbc.tobytes(), s.total_charge, s.spin)


def _clusters(points: NDArray, reach: float) -> list[list[int]]:
    group = np.arange(len(points))
    for a, b in KDTree(points).query_pairs(reach * np.sqrt(points.shape[1]), output_type="ndarray"):
        group[group == group[b]] = group[a]
    names, counts = np.unique(group, return_counts=True)
    return [np.flatnonzero(group == name).tolist() for name in names[counts > 1]]


def leakage(train: Dataset, test: Dataset) -> list[Finding]:
    """Test structures that also stand in the training data, exactly or as near copies along a trajectory."""
    joined = train + test
    exact = {k for group in duplicates(joined) if min(group) < len(train) for k in group if k >= len(train)}
    near = _near_copies(joined, len(train)) - exact
    findings = []
    if exact:
        sentence = f"{len(exact)} of {len(test)} test structures also stand in the training data"
        mend = "remove them from one of the two; the test errors are too good otherwise"
        findings.append(Finding("leakage", "error", sentence, mend, _shifted(exact, len(train))))
    if near:
        sentence = (
            f"{len(near)} of {len(test)} test structures lie within {NEAR} Å of a training structure, "
            f"as frames of one trajectory do"
        )
        mend = "split by block or by group instead of by structure"
        findings.append(Finding("leakage", "warning", sentence, mend, _shifted(near, len(train))))
    return findings


def _near_copies(joined: Dataset, n_train: int) -> set[int]:
    found = set()
    for members in buckets(joined):
        first = [k for k in members if k < n_train]
        second = [k for k in members if k >= n_train]
        if first and second and len(joined[first[0]]) > 1:
            structures = [joined[k] for k in first + second]
            points = unwrapped(structures) / np.sqrt(len(structures[0]))
            neighbors = KDTree(points[: len(first)]).query(points[len(first) :])
            distance, nearest = cast(tuple[NDArray, NDArray], neighbors)
            for k, d, n in zip(range(len(second)), distance, nearest, strict=True):
                if d < NEAR and same_cell(structures[len(first) + k].atoms, structures[n].atoms):
                    found.add(second[k])
    return found


def _shifted(frames: set[int], start: int) -> tuple[int, ...]:
    return tuple(k - start for k in sorted(frames))
