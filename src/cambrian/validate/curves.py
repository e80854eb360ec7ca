"""Curves averaged over frames, with their noise, and the verdict on two of them.

    score = Σ |y - y_ref| / Σ y_ref          noise = what score two samples of the same curve would show

The noise of one curve is the larger of two estimates: √(2/π) Σ error / Σ y, with errors that know of correlation in
time, and Σ |first half - second half| / 2 Σ y, which also sees a drift. Few frames tell neither; then the number of
events that were counted does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.check import Result, Verdict
from cambrian.math.time_series import mean_with_error
from cambrian.validate.comparison import SHARE

FEW = 8  # frames: with fewer, a spread says little
BALLISTIC = 3.0  # displacement² of straight flight grows 4 times when time doubles, that of anything settled 1 to 2


@dataclass(frozen=True)
class Curve:
    """A curve (bins,) with its standard error, and its noise as a share of its sum."""

    x: NDArray
    y: NDArray
    error: NDArray
    noise: float


def averaged(x: NDArray, samples: NDArray, counts: NDArray, *, settled: bool = True) -> Curve:
    """The mean of samples (frames, bins); `counts` (frames, bins) is how many events each of them counted.

    settled: whether the frames saw more than one configuration; where not, they count as one.
    """
    y, error = np.array([mean_with_error(column) for column in samples.T]).T
    total = max(float(y.sum()), 1e-300)
    halves = np.array_split(samples, 2) if len(samples) > 1 else []
    noise = 0.0
    if len(samples) < FEW or not settled:
        events = counts.mean(axis=0) * (len(samples) if settled else 1)
        error = y / np.sqrt(np.maximum(events, 1.0))
    elif halves:
        noise = float(np.abs(halves[0].mean(axis=0) - halves[1].mean(axis=0)).sum() / (2 * total))
    return Curve(x, y, error, max(noise, float(np.sqrt(2 / np.pi) * error.sum() / total)))


def has_settled(positions: NDArray) -> bool:
    """Whether atoms did more than fly on: positions (frames, atoms, 3), unwrapped, from first frame to last."""
    if len(positions) < 3:
        return False
    middle = (len(positions) - 1) // 2
    moved = ((positions[[middle, 2 * middle]] - positions[0]) ** 2).sum(axis=(1, 2))
    return bool(moved[1] < BALLISTIC * moved[0] or moved[0] == 0)


@dataclass(frozen=True)
class Comparison:
    """How far a curve lies from that of the reference, and how far noise alone would take it."""

    score: float
    noise: float

    @classmethod
    def of(cls, found: Curve, expected: Curve) -> "Comparison":
        """Compare two curves over the same bins."""
        total = max(float(expected.y.sum()), 1e-300)
        return cls(float(np.abs(found.y - expected.y).sum() / total), float(np.hypot(found.noise, expected.noise)))

    def verdict(self, tolerance: float) -> Verdict:
        """Failed beyond what noise explains; passed only where noise is less than what is tolerated."""
        if self.score - 2 * self.noise > tolerance:
            return "failed"
        if self.noise > tolerance:
            return "no reference"
        return "passed" if self.score - self.noise <= tolerance else "failed"


def compared(
    name: str,
    what: str,
    found: dict[str, Curve],
    expected: dict[str, Curve],
    tolerance: float,
    *,
    draw: Callable,
    figures: dict[str, dict] | None = None,
) -> Result:
    """The result of a check that compares several curves by their names, the worst of them deciding.

    what: the curve in words; draw(axes, name, found, expected): one figure for each; figures: more about each curve.
    """
    comparisons = {k: Comparison.of(found[k], expected[k]) for k in expected}
    verdicts: dict[str, Verdict] = {k: c.verdict(tolerance) for k, c in comparisons.items()}
    worst = max(comparisons, key=lambda k: (verdicts[k] == "failed", comparisons[k].score - comparisons[k].noise))
    noisiest = max(comparisons, key=lambda k: comparisons[k].noise)
    verdict: Verdict = overall(list(verdicts.values()))
    c = comparisons[worst]
    sentence = (
        f"{what} differs from the reference by {100 * c.score:.2g} % in {worst}, {100 * c.noise:.2g} % of it noise "
        f"({100 * tolerance:.2g} % tolerated beyond the noise)"
    )
    if verdict == "no reference":
        sentence += (
            f"; too short to tell: the noise of {noisiest} is {100 * comparisons[noisiest].noise:.2g} %. Give a longer "
            "reference trajectory, or raise n_steps"
        )
    details = {
        k: {"score": comparisons[k].score, "noise": comparisons[k].noise, "verdict": verdicts[k]}
        | (figures or {}).get(k, {})
        | as_lists(found[k])
        for k in comparisons
    }
    return Result(
        name,
        {"score": c.score, "noise": c.noise, "worst": worst, "curves": details},
        verdict,
        sentence,
        {k: as_lists(curve) for k, curve in expected.items()},
        {"score": tolerance},
        {f"{name}_{k}": partial(draw, name=k, found=found[k], expected=expected[k]) for k in comparisons},
        {"score": SHARE, "noise": SHARE},
    )


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Failed where any failed, passed where all did, otherwise it cannot be told."""
    if "failed" in verdicts:
        return "failed"
    return "passed" if verdicts and all(v == "passed" for v in verdicts) else "no reference"


def as_lists(curve: Curve) -> dict[str, list[float]]:
    """A curve as plain data."""
    return {"x": curve.x.tolist(), "y": curve.y.tolist(), "error": curve.error.tolist()}


def draw_both(axes, name: str, found: Curve, expected: Curve, *, x_label: str, y_label: str) -> None:
    """The reference in grey, the potential over it with twice its error."""
    axes.plot(expected.x, expected.y, color="0.5", label="reference")
    axes.plot(found.x, found.y, label="potential")
    axes.fill_between(found.x, found.y - 2 * found.error, found.y + 2 * found.error, alpha=0.3, linewidth=0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(f"{y_label}, {name}")
    axes.legend()
