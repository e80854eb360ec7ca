"""The page of a search over hyperparameters: how the objective fell, and what it was over each of them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from cambrian.report.drawing import BLUE, ORANGE
from cambrian.report.html import Section, figure, paragraph, side_by_side, table, write_page
from cambrian.report.quantities import rounded


def draw_course(axes: Axes, *, objectives: Sequence[float]) -> None:
    """The objective of each trial, and the least so far."""
    counts = np.arange(1, len(objectives) + 1)
    axes.plot(counts, objectives, "o", color=BLUE, markersize=3.5, alpha=0.7, label="trial")
    axes.step(counts, np.minimum.accumulate(objectives), where="post", color=ORANGE, label="best so far")
    axes.set(xlabel="trial", ylabel="objective")
    axes.legend()


def draw_over(axes: Axes, *, values: Sequence, objectives: Sequence[float], name: str) -> None:
    """The objective over one variable, the best trial marked."""
    shown = values if all(isinstance(v, (int, float)) for v in values) else [str(v) for v in values]
    best = int(np.argmin(objectives))
    axes.plot(shown, objectives, "o", color=BLUE, markersize=3.5, alpha=0.7)
    axes.plot(shown[best : best + 1], objectives[best : best + 1], "o", color=ORANGE, markersize=7)
    axes.set(xlabel=name, ylabel="objective")


def write_tuning(folder: Path, trials: Sequence, sentences: Sequence[str], title: str) -> None:
    """report.html; `trials` have `values`, `objective`, `energy_rmse`, `force_rmse` (eV/atom, eV/Å) and `seconds`."""
    objectives = [t.objective for t in trials]
    drawn = [figure(partial(draw_course, objectives=objectives), "Objective of each trial")]
    for name in trials[0].values:
        values = [t.values[name] for t in trials]
        drawn.append(figure(partial(draw_over, values=values, objectives=objectives, name=name), f"Over {name}"))
    header = [*trials[0].values, "objective", "energy RMSE, meV/atom", "force RMSE, meV/Å", "s"]
    rows = [
        [
            *(rounded(v) if isinstance(v, float) else str(v) for v in t.values.values()),
            rounded(t.objective),
            *("–" if x is None else rounded(1e3 * x) for x in (t.energy_rmse, t.force_rmse)),
            f"{t.seconds:.1f}",
        ]
        for t in sorted(trials, key=lambda t: t.objective)
    ]
    sections = [
        Section("Outcome", [paragraph(s) for s in sentences]),
        Section("Trials", [side_by_side(drawn)]),
        Section("Figures", [paragraph("The best first.", "note"), table(header, rows)]),
    ]
    write_page(folder / "report.html", "Tuning", sections, subtitle=title)
