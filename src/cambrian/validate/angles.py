"""Angle distributions: how the neighbors of an atom stand to each other, by the potential beside a reference.

    P_jik(θ) = <number of pairs of bonds i-j, i-k at the angle θ> / Δθ, normalised to ∫ P dθ = 1        (1/degree)

A bond reaches to the first minimum of the reference's g(r) for its two elements, in what is not periodic to 1.3 times
the sum of covalent radii. Angles are named with the central atom in the middle: H-O-H.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from cambrian.contracts.check import Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.validate.comparison import ANGSTROM
from cambrian.validate.curves import Curve, draw_both
from cambrian.validate.motion import InMotion, Sampled, why_no_ensemble
from cambrian.validate.rdf import distributions, first_minimum

MOLECULAR = 1.3  # times the sum of covalent radii
SEARCHED = 6.0  # Å: the first shell of g(r) ends before


def bond_lengths(frames: list[Atoms]) -> dict[str, float]:
    """How far a bond of two elements reaches, Å, by names such as `H-O` (lighter element first)."""
    if all(atoms.pbc.all() for atoms in frames):
        found = distributions(frames, r_max=SEARCHED)
        return {name: first_minimum(d.r, d.g) for name, d in found.items() if d.neighbors.any()}
    numbers = sorted(set(frames[0].numbers.tolist()))
    return {
        f"{symbol(a)}-{symbol(b)}": MOLECULAR * float(covalent_radii[a] + covalent_radii[b])
        for a, b in combinations_with_replacement(numbers, 2)
    }


def sampled_angles(frames: Iterable[Atoms], *, bonds: dict[str, float], n_bins: int = 60) -> Sampled:
    """P(θ) of every three elements frame by frame, over θ in degrees."""
    edges = np.linspace(0.0, 180.0, n_bins + 1)
    counts: dict[str, list[NDArray]] = {}
    n_frames = 0
    for atoms in frames:
        for name, angles in _angles(atoms, bonds):
            rows = counts.setdefault(name, [np.zeros(n_bins)] * n_frames)
            rows.append(np.histogram(angles, edges)[0].astype(float))
        n_frames += 1
        for rows in counts.values():
            rows.extend([np.zeros(n_bins)] * (n_frames - len(rows)))
    counted = {name: np.array(rows) for name, rows in counts.items()}
    means = {name: max(rows.sum() / n_frames, 1e-300) * (edges[1] - edges[0]) for name, rows in counted.items()}
    samples = {name: rows / means[name] for name, rows in counted.items()}
    return Sampled(0.5 * (edges[1:] + edges[:-1]), samples, counted)


def _angles(atoms: Atoms, bonds: dict[str, float]) -> Iterator[tuple[str, NDArray]]:
    """Angles in degrees of each three elements of one structure."""
    graph = graph_of(atoms, max(bonds.values(), default=0.1))
    reach = np.zeros((119, 119))
    for name, length in bonds.items():
        a, b = (number(word) for word in name.split("-"))
        reach[a, b] = reach[b, a] = length
    center, neighbor = graph.center.numpy(), graph.neighbor.numpy()
    distance = graph.r_ij.norm(dim=-1).numpy()
    is_bond = distance < reach[atoms.numbers[center], atoms.numbers[neighbor]]
    directions = (graph.r_ij.numpy() / distance[:, None])[is_bond]
    center, ends = center[is_bond], atoms.numbers[neighbor[is_bond]]
    first, second = pairs_of_equal(center)
    cosines = (directions[first] * directions[second]).sum(axis=1)
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    middle = atoms.numbers[center[first]]
    low, high = np.minimum(ends[first], ends[second]), np.maximum(ends[first], ends[second])
    kinds = (low * 119 + middle) * 119 + high
    for kind in np.unique(kinds):
        a, i, b = (int(z) for z in (kind // 119**2, kind // 119 % 119, kind % 119))
        yield f"{symbol(a)}-{symbol(i)}-{symbol(b)}", angles[kinds == kind]


def pairs_of_equal(values: NDArray) -> tuple[NDArray, NDArray]:
    """Indices first < second of all pairs of equal entries in a sorted array."""
    n = len(values)
    counts = np.searchsorted(values, values, side="right") - np.arange(n) - 1  # later ones of the same value
    first = np.repeat(np.arange(n), counts)
    within = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, first + 1 + within


class Angles(InMotion):
    """Angles between bonds in dynamics with the potential against those of a reference trajectory or method.

    `bonds` (Å, by names such as H-O) says how far bonds reach, where not to the first minimum of g(r); angles that are
    less than `rare` of all those of the reference are left out. The rest as in `rdf`; `score` is what is tolerated.
    """

    def __init__(
        self,
        *,
        temperature_K: float | None = None,
        n_steps: int = 5000,
        timestep_fs: float = 1.0,
        every: int = 20,
        equilibration_fs: float = 1000.0,
        bonds: dict[str, float] | None = None,
        rare: float = 0.01,
        n_bins: int = 45,
        seed: int = 0,
        score: float = 0.1,
    ):
        super().__init__(
            temperature_K=temperature_K,
            n_steps=n_steps,
            timestep_fs=timestep_fs,
            every=every,
            equilibration_fs=equilibration_fs,
            seed=seed,
            score=score,
        )
        self.bonds, self.rare, self.n_bins = bonds, rare, n_bins

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and compare; raises UserError without structures of one composition."""
        if reference is None or len(reference) == 0:
            raise UserError("angles are compared with a reference trajectory: give a file after the potential")
        bonds = bond_lengths([s.atoms for s in reference]) | _checked(self.bonds or {})
        sample = partial(self._common, bonds=bonds, kinds={})
        draw = partial(draw_both, x_label="angle, degrees", y_label="P, 1/degree")
        result = self.compare(
            "angles", "the distribution of angles", potential, reference, method, sample, draw, progress, _mean
        )
        result.figures["bonds"], result.units["bonds"] = bonds, ANGSTROM
        return result

    def _common(self, frames: list[Atoms], *, bonds: dict[str, float], kinds: dict) -> Sampled:
        """Angles of frames; those of the reference, which come first, say which are common."""
        sampled = sampled_angles(frames, bonds=bonds, n_bins=self.n_bins)
        if not kinds:
            totals = {name: float(rows.sum()) for name, rows in sampled.counts.items()}
            everything = sum(totals.values())
            kinds.update({name: total for name, total in totals.items() if total >= self.rare * everything})
        common = {name: rows for name, rows in sampled.samples.items() if name in kinds}
        return Sampled(sampled.x, common, {name: sampled.counts[name] for name in common})

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """No sample of one system, or fewer than three atoms in a molecule."""
        reason = why_no_ensemble(reference, method)
        if not reason and reference is not None:
            first = reference.structures[0].atoms
            if len(first) < 3 and not first.pbc.any():
                return "two atoms make no angle"
        return reason

    @classmethod
    def example(cls) -> "Angles":
        """A few frames."""
        return cls(n_steps=100, equilibration_fs=20.0)


def _checked(bonds: dict[str, float]) -> dict[str, float]:
    found = {}
    for name, length in bonds.items():
        words = name.split("-")
        if len(words) != 2 or not length > 0:
            raise UserError(f"bonds: '{name}: {length}' is no length of a bond; write it as H-O: 1.3")
        a, b = sorted(number(word) for word in words)
        found[f"{symbol(a)}-{symbol(b)}"] = length
    return found


def _mean(name: str, found: Curve, expected: Curve) -> dict:
    def average(curve: Curve) -> float | None:
        return float(curve.x @ curve.y / curve.y.sum()) if curve.y.any() else None

    return {"mean_angle": average(found), "mean_angle_reference": average(expected)}
