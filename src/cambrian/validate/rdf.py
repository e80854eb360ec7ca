"""Radial distribution functions: the structure of a liquid or solid by the potential beside that of a reference.

    g_ab(r) = V / (N_a (N_b - δ_ab)) · <n_ab(r)> / (4π/3 (r₂³ - r₁³))        score = Σ |g - g_ref| / Σ g_ref

n_ab(r) counts pairs in the shell from r₁ to r₂, periodic images included, so r may exceed half the cell.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.contracts.check import Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.time_series import mean_with_error
from cambrian.validate.curves import Curve, draw_both
from cambrian.validate.motion import InMotion, Sampled, why_no_ensemble


@dataclass(frozen=True)
class Distribution:
    """g(r) of one pair of elements: `r` (bins,) Å, centers of shells; `g`, its standard `error`, and `neighbors`.

    `neighbors` (bins,) is the mean number of atoms of the second element in each shell around one of the first.
    """

    r: NDArray
    g: NDArray
    error: NDArray
    neighbors: NDArray

    def coordination(self, radius: float) -> float:
        """Mean number of neighbors nearer than `radius` Å, rounded to whole shells."""
        return float(self.neighbors[self.r < radius].sum())


def distributions(frames: Iterable[Atoms], *, r_max: float = 6.0, n_bins: int = 120) -> dict[str, Distribution]:
    """Partial g(r) of every pair of elements, averaged over frames of one composition, by names such as `O-H`.

    Raises UserError for frames that are not periodic in three directions or differ in composition.
    """
    sampled = sampled_distributions(frames, r_max=r_max, n_bins=n_bins)
    found = {}
    for name, samples in sampled.samples.items():
        g, error = np.array([mean_with_error(column) for column in samples.T]).T
        found[name] = Distribution(sampled.x, g, error, sampled.counts[name].mean(axis=0))
    return found


def sampled_distributions(frames: Iterable[Atoms], *, r_max: float, n_bins: int, per_atom: bool = True) -> Sampled:
    """g(r) of every pair of elements frame by frame; counts are neighbors per atom, or pairs in the cell."""
    edges = np.linspace(0.0, r_max, n_bins + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    samples: dict[str, list[NDArray]] = {}
    counted: dict[str, list[NDArray]] = {}
    composition = None
    for k, atoms in enumerate(frames):
        composition = atoms.get_chemical_formula() if composition is None else composition
        if not atoms.pbc.all() or atoms.get_chemical_formula() != composition:
            raise UserError(f"g(r) needs frames of one composition, periodic in three directions; frame {k} is not")
        for name, counts, n_first, n_second in _counts(atoms, edges):
            samples.setdefault(name, []).append(counts * atoms.get_volume() / (n_first * max(n_second, 1) * shells))
            a, b = name.split("-")
            counted.setdefault(name, []).append(counts / n_first if per_atom else counts / (1 + (a == b)))
    if not samples:
        raise UserError("g(r) needs at least one frame")
    return Sampled(
        0.5 * (edges[1:] + edges[:-1]),
        {name: np.array(rows) for name, rows in samples.items()},
        {name: np.array(rows) for name, rows in counted.items()},
    )


def _counts(atoms: Atoms, edges: NDArray) -> Iterable[tuple[str, NDArray, int, int]]:
    """Per pair of elements a-b: ordered pairs in each shell, how many a there are, and how many b beside one a."""
    graph = graph_of(atoms, edges[-1])
    distances = graph.r_ij.norm(dim=-1).numpy()
    first, second = atoms.numbers[graph.center.numpy()], atoms.numbers[graph.neighbor.numpy()]
    for a, b in combinations_with_replacement(sorted(set(atoms.numbers.tolist())), 2):
        counts = np.histogram(distances[(first == a) & (second == b)], edges)[0]
        n_first, n_second = int((atoms.numbers == a).sum()), int((atoms.numbers == b).sum())
        yield f"{symbol(a)}-{symbol(b)}", counts, n_first, n_second - (a == b)


def first_minimum(r: NDArray, g: NDArray) -> float:
    """Where g(r) is lowest between its first peak and the next rise, Å; the last r where it only falls.

    g is smoothed over five bins, and a peak counts from a quarter of the highest on, so that noise makes no shell.
    """
    smooth = np.convolve(np.pad(g, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    high = np.nonzero(smooth > 0.25 * smooth.max())[0]
    if not len(high):
        return float(r[-1])
    peak = high[0]
    while peak + 1 < len(smooth) and smooth[peak + 1] >= smooth[peak]:
        peak += 1
    rest = smooth[peak:]
    lowest = np.minimum.accumulate(rest)
    rises = np.nonzero(rest > lowest + 0.1 * smooth[peak])[0]
    until = rises[0] if len(rises) else len(rest)
    return float(r[peak + rest[:until].argmin()])


class RDF(InMotion):
    """g(r) of dynamics with the potential against that of a reference trajectory or method, pair by pair.

    Dynamics at `temperature_K` (that of the reference where none is given) starts from the first frame of the
    reference, which fixes composition and cell, and is recorded after `equilibration_fs`. `score` is what is tolerated,
    beyond what the noise of both explains; where noise is larger than that, the verdict stays open.
    """

    def __init__(
        self,
        *,
        temperature_K: float | None = None,
        n_steps: int = 5000,
        timestep_fs: float = 1.0,
        every: int = 20,
        equilibration_fs: float = 1000.0,
        r_max: float = 6.0,
        n_bins: int = 60,
        seed: int = 0,
        score: float = 0.05,
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
        self.r_max, self.n_bins = r_max, n_bins

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and compare; raises UserError without periodic structures of one composition."""
        sample = partial(sampled_distributions, r_max=self.r_max, n_bins=self.n_bins, per_atom=False)
        draw = partial(draw_both, x_label="r, Å", y_label="g(r)")
        return self.compare("rdf", "g(r)", potential, reference, method, sample, draw, progress, _peaks)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Nothing periodic, or no sample of one system."""
        reason = why_no_ensemble(reference, method)
        if not reason and reference is not None and not reference.structures[0].atoms.pbc.all():
            return "g(r) needs a system that is periodic in three directions"
        return reason

    @classmethod
    def example(cls) -> "RDF":
        """A few frames."""
        return cls(n_steps=100, equilibration_fs=20.0)


def _peaks(name: str, found: Curve, expected: Curve) -> dict:
    return {
        "first_peak": float(found.x[found.y.argmax()]),
        "first_peak_reference": float(expected.x[expected.y.argmax()]),
        "first_minimum_reference": first_minimum(expected.x, expected.y),
    }
