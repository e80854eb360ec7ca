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

from cambrian.calculator import Calculator
from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.math.time_series import mean_with_error
from cambrian.sample.dynamics import Dynamics
from cambrian.sample.ensembles import NVT


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
    edges = np.linspace(0.0, r_max, n_bins + 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    samples: dict[str, list[tuple[NDArray, NDArray]]] = {}
    composition = None
    for k, atoms in enumerate(frames):
        composition = atoms.get_chemical_formula() if composition is None else composition
        if not atoms.pbc.all() or atoms.get_chemical_formula() != composition:
            raise UserError(f"g(r) needs frames of one composition, periodic in three directions; frame {k} is not")
        for name, counts, n_second in _counts(atoms, edges):
            g = counts * atoms.get_volume() / (max(n_second, 1) * shells)
            samples.setdefault(name, []).append((g, counts))
    if not samples:
        raise UserError("g(r) needs at least one frame")
    return {name: _averaged(0.5 * (edges[1:] + edges[:-1]), pairs) for name, pairs in samples.items()}


def _counts(atoms: Atoms, edges: NDArray) -> Iterable[tuple[str, NDArray, int]]:
    """Per pair of elements a-b: neighbors b per atom a in each shell, and how many b there are beside a."""
    graph = graph_of(atoms, edges[-1])
    distances = graph.r_ij.norm(dim=-1).numpy()
    first, second = atoms.numbers[graph.center.numpy()], atoms.numbers[graph.neighbor.numpy()]
    for a, b in combinations_with_replacement(sorted(set(atoms.numbers.tolist())), 2):
        counts = np.histogram(distances[(first == a) & (second == b)], edges)[0]
        n_first, n_second = np.count_nonzero(atoms.numbers == a), np.count_nonzero(atoms.numbers == b)
        yield f"{symbol(a)}-{symbol(b)}", counts / n_first, n_second - (a == b)


def _averaged(r: NDArray, pairs: list[tuple[NDArray, NDArray]]) -> Distribution:
    g = np.array([values for values, _ in pairs])
    mean, error = np.array([mean_with_error(column) for column in g.T]).T
    return Distribution(r, mean, error, np.mean([counts for _, counts in pairs], axis=0))


class RDF(Check):
    """g(r) of dynamics with the potential against that of a reference trajectory, pair by pair.

    Dynamics at `temperature_K` starts from the first frame of the reference, which fixes composition and cell, and is
    recorded after `equilibration_fs`. `score` is what is tolerated, beyond what the noise of both explains.
    """

    def __init__(
        self,
        *,
        temperature_K: float = 300.0,
        n_steps: int = 5000,
        timestep_fs: float = 1.0,
        every: int = 20,
        equilibration_fs: float = 1000.0,
        r_max: float = 6.0,
        n_bins: int = 120,
        seed: int = 0,
        score: float = 0.05,
    ):
        self.temperature_K, self.n_steps, self.timestep_fs, self.every = temperature_K, n_steps, timestep_fs, every
        self.equilibration_fs, self.seed = equilibration_fs, seed
        self.r_max, self.n_bins, self.score = r_max, n_bins, score

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and compare; raises UserError without a periodic reference trajectory of one composition."""
        if reference is None or len(reference) == 0:
            raise UserError("g(r) is compared with a reference trajectory: give a file after the potential")
        expected = distributions((s.atoms for s in reference), r_max=self.r_max, n_bins=self.n_bins)
        first = reference.structures[0]
        start = first.atoms.copy()
        start.info |= {"total_charge": first.total_charge, "spin": first.spin}
        start.calc = Calculator(potential)
        skipped = round(self.equilibration_fs / self.timestep_fs)
        dynamics = Dynamics(
            NVT(self.temperature_K), n_steps=skipped + self.n_steps, timestep_fs=self.timestep_fs, every=self.every
        )
        run = dynamics.run(start, seed=self.seed, progress=lambda _, fraction, __: progress(fraction))
        if run.stopped:
            return Result("rdf", {"score": None}, "failed", f"dynamics with the potential {run.stopped}")
        kept = [f for f in run.frames if f.info["time_fs"] >= self.equilibration_fs]
        return self._judged(distributions(kept, r_max=self.r_max, n_bins=self.n_bins), expected)

    def _judged(self, found: dict[str, Distribution], expected: dict[str, Distribution]) -> Result:
        pairs = {name: _compared(found[name], expected[name]) for name in expected if expected[name].g.any()}
        if not pairs:
            raise UserError(f"no two atoms of the reference are within {self.r_max} Å; raise r_max")
        worst = max(pairs, key=lambda name: pairs[name]["score"] - pairs[name]["noise"])
        figures = {"score": pairs[worst]["score"], "noise": pairs[worst]["noise"], "pairs": pairs}
        verdict: Verdict = "passed" if figures["score"] <= self.score + figures["noise"] else "failed"
        sentence = (
            f"g(r) differs from the reference by {100 * figures['score']:.2g} % in {worst}, "
            f"{100 * figures['noise']:.2g} % of it noise ({100 * self.score:.2g} % tolerated beyond the noise)"
        )
        plots = {f"rdf_{name}": partial(_draw, name=name, found=found[name], expected=expected[name]) for name in pairs}
        curves = {
            name: {"r": d.r.tolist(), "g": d.g.tolist(), "error": d.error.tolist()} for name, d in expected.items()
        }
        return Result("rdf", figures, verdict, sentence, curves, {"score": self.score}, plots)

    @classmethod
    def example(cls) -> "RDF":
        """A few frames."""
        return cls(n_steps=100, equilibration_fs=20.0)


def _compared(found: Distribution, expected: Distribution) -> dict:
    total = expected.g.sum()
    error = np.hypot(np.nan_to_num(found.error), np.nan_to_num(expected.error))
    return {
        "score": float(np.abs(found.g - expected.g).sum() / total),
        "noise": float(np.sqrt(2 / np.pi) * error.sum() / total),  # <|x|> of normal differences
        "first_peak": float(found.r[found.g.argmax()]),
        "first_peak_reference": float(expected.r[expected.g.argmax()]),
        **_curve(found),
    }


def _curve(d: Distribution) -> dict[str, list[float]]:
    return {"r": d.r.tolist(), "g": d.g.tolist(), "error": d.error.tolist()}


def _draw(axes, name: str, found: Distribution, expected: Distribution) -> None:
    axes.plot(expected.r, expected.g, color="0.5", label="reference")
    axes.plot(found.r, found.g, label="potential")
    axes.fill_between(found.r, found.g - 2 * found.error, found.g + 2 * found.error, alpha=0.3, linewidth=0)
    axes.set_xlabel("r, Å")
    axes.set_ylabel(f"g(r), {name}")
    axes.legend()
