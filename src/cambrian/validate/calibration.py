"""Is the stated uncertainty true? Predicted standard deviations beside true errors.

    α² = <(error/σ)²>          the factor by which σ is too small; found on one half, applied to the other
    miscalibration area = ∫ |share of errors inside the central interval p - p| dp          (0 to ½)
    ρ = Spearman's rank correlation of σ and |error|: does it know where it is wrong?

σ_F of an atom holds three components, so one component has σ_F/√3. V. Kuleshov, N. Fenner, S. Ermon, ICML 2018,
arXiv:1807.00263; K. Tran et al., Mach. Learn.: Sci. Technol. 1, 025006 (2020).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.special import ndtri
from scipy.stats import rankdata

from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.engine import spread_of
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.predict import predict
from cambrian.contracts.spread import uncertainty
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError

LEVELS = np.linspace(0.01, 0.99, 99)
FEWEST = 30  # errors: fewer tell nothing of a distribution
TINY = 1e-12  # of the largest error: a σ below says that it is certain
NOUGHT = 1e-6  # eV/Å: a component below, predicted and labelled, is none by symmetry and tells nothing


@dataclass(frozen=True)
class Calibrated:
    """Errors (n,) with their σ, whether each belongs to the half that finds α, and what follows."""

    errors: NDArray
    sigma: NDArray
    finds_scale: NDArray

    @property
    def scale(self) -> float:
        """α, from the first half; infinite where it claims certainty and errs."""
        z = standardised(self.errors[self.finds_scale], self.sigma[self.finds_scale])
        return float(np.sqrt(np.mean(z**2)))

    def area(self, scale: float = 1.0) -> float:
        """Miscalibration area of the second half, σ times `scale`."""
        return miscalibration(self.errors[~self.finds_scale], scale * self.sigma[~self.finds_scale])

    def figures(self) -> dict:
        """All figures of one kind of label."""
        scale = self.scale
        after = self.area(scale) if np.isfinite(scale) else 0.5
        return {
            "scale": scale if np.isfinite(scale) else None,
            "area": self.area(),
            "area_scaled": after,
            "rank_correlation": rank_correlation(self.sigma, np.abs(self.errors)),
            "n": len(self.errors),
        }


def standardised(errors: NDArray, sigma: NDArray) -> NDArray:
    """Errors over σ; infinite where σ is nought."""
    certain = sigma <= TINY * max(float(np.abs(errors).max(initial=0.0)), 1e-300)
    return np.where(certain, np.inf, errors / np.where(certain, 1.0, sigma))


def coverage(errors: NDArray, sigma: NDArray) -> NDArray:
    """Share of errors inside the central interval of each of LEVELS, if they were normal with σ."""
    z = np.abs(standardised(errors, sigma))
    return np.array([(z <= edge).mean() for edge in ndtri(0.5 * (1 + LEVELS))])


def miscalibration(errors: NDArray, sigma: NDArray) -> float:
    """Area between coverage and the diagonal; 0 where σ is true, ½ at worst."""
    return float(trapezoid(np.abs(coverage(errors, sigma) - LEVELS), LEVELS))


def rank_correlation(a: NDArray, b: NDArray) -> float:
    """Spearman's ρ; 0 where one of them does not vary."""
    ranks_a, ranks_b = (rankdata(x) - (len(x) + 1) / 2 for x in (a, b))
    spread = np.sqrt((ranks_a @ ranks_a) * (ranks_b @ ranks_b))
    return float(ranks_a @ ranks_b / spread) if spread > 0 else 0.0


class Calibration(Check):
    """Uncertainty of a committee (or a posterior) against true errors on labelled structures.

    Judged on forces, on energies where there are none: `area` is tolerated after σ was scaled by one factor, which the
    check finds, and `rank_correlation` wanted at least. Structures are parted by `seed`.
    """

    def __init__(self, *, area: float = 0.1, rank_correlation: float = 0.2, seed: int = 0):
        self.area, self.rank_correlation, self.seed = area, rank_correlation, seed

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Compare; raises UserError without labels, or for a potential that tells no uncertainty."""
        if reference is None or len(reference) == 0:
            raise UserError("uncertainties are compared with errors: give labelled structures after the potential")
        kinds = self._compared(potential, reference, progress)
        if not kinds:
            raise UserError("too few energies and forces to compare with: two labelled structures or more are needed")
        figures = {kind: c.figures() for kind, c in kinds.items()}
        kind = "force" if "force" in figures else "energy"
        verdict, sentence = self._judged(kind, figures[kind])
        flat = {name: value for name, value in figures[kind].items() if name != "n"}
        plots = {}
        for name, c in kinds.items():
            plots[f"reliability_{name}"] = partial(_draw_reliability, calibrated=c, name=name)
            plots[f"sigma_{name}"] = partial(_draw_errors, calibrated=c, name=name)
        tolerance = {"area": self.area, "rank_correlation": self.rank_correlation}
        return Result("calibration", flat | {"kinds": figures}, verdict, sentence, tolerance=tolerance, plots=plots)

    def _compared(self, potential: Potential, data: Dataset, progress) -> dict[str, Calibrated]:
        """Errors beside σ: of energies per atom, and of force components."""
        predicted = predict(potential, data, progress=lambda fraction: progress(0.5 * fraction))
        first_half = np.random.default_rng(self.seed).permutation(len(data)) < len(data) / 2
        energies: list[tuple[float, float, bool]] = []
        forces: list[NDArray] = []
        spread_by = spread_of(potential)
        for k, (s, p, graph) in enumerate(zip(data, predicted, data.graphs(potential.cutoff), strict=True)):
            spread = spread_by(graph)
            if s.has_energy:
                energies.append(((p.energy - s.energy) / len(s), float(spread.energy[0]) / len(s), first_half[k]))
            if s.forces is not None and p.forces is not None:
                sigma = np.repeat(spread.forces.cpu().numpy() / np.sqrt(3), 3)
                rows = np.column_stack([(p.forces - s.forces).ravel(), sigma, np.full(3 * len(s), first_half[k])])
                forces.append(rows[np.maximum(np.abs(p.forces), np.abs(s.forces)).ravel() > NOUGHT])
            progress(0.5 + 0.5 * (k + 1) / len(data))
        found = {"energy": np.array(energies).reshape(-1, 3), "force": np.concatenate([np.zeros((0, 3)), *forces])}
        told = {kind: table[np.isfinite(table).all(axis=1)] for kind, table in found.items()}
        halves = {kind: Calibrated(t[:, 0], t[:, 1], t[:, 2] > 0) for kind, t in told.items()}
        return {kind: c for kind, c in halves.items() if 0 < c.finds_scale.sum() < len(c.errors)}

    def _judged(self, kind: str, f: dict) -> tuple[Verdict, str]:
        if f["scale"] is None:
            return "failed", f"it calls {kind} errors impossible that it makes: an uncertainty of nought"
        said = (
            f"{kind} errors are {f['scale']:.2g} times the stated uncertainty; scaled by that, the miscalibration area "
            f"is {f['area_scaled']:.2g} ({self.area:.2g} tolerated; {f['area']:.2g} before), and it ranks errors with "
            f"ρ = {f['rank_correlation']:.2f} ({self.rank_correlation:.2g} wanted)"
        )
        if f["n"] < FEWEST:
            return "no reference", f"{said}; {f['n']} errors are too few to tell"
        good = f["area_scaled"] <= self.area and f["rank_correlation"] >= self.rank_correlation
        return ("passed" if good else "failed"), said

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """No labels, or a potential that tells no uncertainty."""
        if reference is None or not any(s.has_energy or s.forces is not None for s in reference):
            return "it needs labelled structures"
        try:
            uncertainty(potential, next(reference.graphs(potential.cutoff)))
        except UserError as error:
            return str(error)
        return ""

    @classmethod
    def example(cls) -> "Calibration":
        """The defaults."""
        return cls()


def _draw_reliability(axes, calibrated: Calibrated, name: str) -> None:
    axes.axline((0, 0), slope=1, color="0.5", linewidth=0.8, linestyle="--")
    held = ~calibrated.finds_scale
    errors, sigma = calibrated.errors[held], calibrated.sigma[held]
    axes.plot(LEVELS, coverage(errors, sigma), label="as stated")
    if np.isfinite(calibrated.scale):
        axes.plot(LEVELS, coverage(errors, calibrated.scale * sigma), label=f"σ times {calibrated.scale:.2g}")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("share of errors expected inside")
    axes.set_ylabel(f"share found, {name}")
    axes.legend()


def _draw_errors(axes, calibrated: Calibrated, name: str) -> None:
    unit = "meV/Å" if name == "force" else "meV/atom"
    chosen = np.linspace(0, len(calibrated.errors) - 1, min(len(calibrated.errors), 3000)).astype(int)
    sigma, errors = 1e3 * calibrated.sigma[chosen], 1e3 * np.abs(calibrated.errors[chosen])
    axes.scatter(sigma, errors, s=6, alpha=0.4, linewidths=0, rasterized=True)
    shown = (sigma > 0) & (errors > 0)
    if shown.any():
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=8))
            axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"stated uncertainty, {unit}")
    axes.set_ylabel(f"{name} error, {unit}")
