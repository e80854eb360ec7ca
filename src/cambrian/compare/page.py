"""The files of a comparison: compare.json, compare.csv, and a page with the front of cost and accuracy."""

import json
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from cambrian.compare.comparison import KINDS, RULE, Comparison, Row
from cambrian.contracts.archive import write_in_place
from cambrian.report.drawing import BLUE, ORANGE
from cambrian.report.html import Html, Section, bullets, facts, figure, paragraph, side_by_side, table, write_page
from cambrian.report.quantities import COLUMNS, Column, rounded

SHOWN = [column for column in COLUMNS if column.key in KINDS]
COSTS = {"us_per_atom_step": "dynamics, µs/atom/step", "fit_seconds": "time of the fit, s"}


def write_comparison(folder: Path, comparison: Comparison, *, subtitle: str = "") -> None:
    """Write all files into the folder, each whole or not at all."""
    content = json.dumps(comparison.content(), indent=2, allow_nan=False)
    write_in_place(folder / "compare.json", f"{content}\n".encode())
    write_in_place(folder / "compare.csv", comparison.csv().encode())
    write_page(folder / "compare.html", "Comparison of recipes", sections(comparison), subtitle=subtitle)


def sections(comparison: Comparison) -> list[Section]:
    """Recommendation and table, plots of error against cost and time, learning curves, how it was done."""
    header, rows = as_table(comparison)
    note = "Errors on structures that no fit has seen; on the front (*) stands what no other beats in error and speed."
    blocks = [
        paragraph(comparison.sentence(), "lead"),
        paragraph(f"The rule: {RULE}.", "note"),
        table(header, rows),
        paragraph(note, "note"),
    ]
    failed = [f"{row.name} could not be compared. {row.failure}" for row in comparison.rows if row.failure]
    found = [Section("Which one", [*blocks, *([bullets(failed, "careful")] if failed else [])])]
    if comparison.ranked():
        found.append(Section("Accuracy and cost", [side_by_side(_fronts(comparison))]))
    if any(len(row.training) > 1 for row in comparison.rows):
        found.append(Section("Training", [side_by_side(_trainings(comparison))]))
    if any(len(row.curve) > 1 for row in comparison.rows):
        found.append(Section("Learning curves", [side_by_side(_curves(comparison))]))
    how = [(key.replace("_", " "), _spelled(value)) for key, value in comparison.how.items()]
    return [*found, Section("How it was made", [facts(how)])]


def as_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Header and rows in printed units, the recipes in the order they were given."""
    present = [c for c in SHOWN if any(row.error(c.key) is not None for row in comparison.rows)]
    header = ["recipe", *(c.header for c in present), "fit, s", "µs/atom/step", "parameters"]
    front = comparison.front()

    def cell(row: Row, column) -> str:
        value, spread = row.error(column.key), row.deviations.get(column.key)
        if value is None:
            return "–"
        said = rounded(column.factor * value)
        return said if spread is None else f"{said} ± {rounded(column.factor * spread)}"

    rows = []
    for row in comparison.rows:
        costs = [row.fit_seconds, row.us_per_atom_step]
        known = ["–" if c is None else rounded(c) for c in costs]
        count = "–" if row.n_parameters is None else str(row.n_parameters)
        name = f"{row.name} *" if row.name in front else row.name
        rows.append([name, *(cell(row, c) for c in present), *known, count])
    return header, rows


def _fronts(comparison: Comparison) -> list[Html]:
    what = "force" if comparison.judged_by == "force_rmse" else "energy"
    captions = {
        "us_per_atom_step": f"{what.capitalize()} RMSE over the cost of dynamics; the line joins the front.",
        "fit_seconds": f"{what.capitalize()} RMSE over the time of the fit.",
    }
    return [figure(partial(draw_cost, comparison=comparison, cost=cost), captions[cost]) for cost in COSTS]


def draw_cost(axes: Axes, comparison: Comparison, cost: str) -> None:
    """Error over cost, both logarithmic, the recipes by name; over the cost of dynamics the front is joined."""
    column = next(c for c in SHOWN if c.key == comparison.judged_by)
    rows, front = comparison.ranked(), comparison.front()
    for row in rows:
        point = (getattr(row, cost), column.factor * (row.error(column.key) or 0.0))
        axes.plot(*point, "o", color=ORANGE if row.name in front else BLUE)
        axes.annotate(row.name, point, textcoords="offset points", xytext=(5, 4))
    if cost == "us_per_atom_step":
        line = sorted(
            (r.us_per_atom_step or 0.0, column.factor * (r.error(column.key) or 0.0)) for r in rows if r.name in front
        )
        axes.plot(*zip(*line, strict=True), color=ORANGE, linewidth=1, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel=COSTS[cost], ylabel=column.header)
    axes.margins(x=0.25, y=0.2)


def _trainings(comparison: Comparison) -> list[Html]:
    columns = [c for c in SHOWN if any(f"validation_{c.key}" in e for row in comparison.rows for e in row.training)]
    said = "{} on the validation structures of each fit over its time: how fast a recipe and its solver learn."
    return [figure(partial(draw_training, comparison=comparison, column=c), said.format(_heading(c))) for c in columns]


def draw_training(axes: Axes, comparison: Comparison, column) -> None:
    """Lowest validation error so far over the time of the fit, a line for each recipe that has epochs."""
    kind = f"validation_{column.key}"
    for row in comparison.rows:
        epochs = [e for e in row.training if kind in e]
        if epochs:
            lowest = np.minimum.accumulate([column.factor * e[kind] for e in epochs])
            axes.plot([e["seconds"] for e in epochs], lowest, linewidth=1.2, label=row.name)
    axes.set(xscale="log", yscale="log", xlabel="time, s", ylabel=column.header)
    axes.legend()


def _curves(comparison: Comparison) -> list[Html]:
    columns = [c for c in SHOWN if c.key in ("energy_rmse", "force_rmse")]
    present = [c for c in columns if any(row.error(c.key) is not None for row in comparison.rows)]
    said = "{} on the test structures over the number of training structures."
    return [figure(partial(draw_curves, comparison=comparison, column=c), said.format(_heading(c))) for c in present]


def _heading(column: Column) -> str:
    name = column.header.split(",")[0]
    return name[0].upper() + name[1:]


def draw_curves(axes: Axes, comparison: Comparison, column) -> None:
    """Error over the number of training structures, a line for each recipe."""
    for row in comparison.rows:
        points = [(n, column.factor * e[column.key]) for n, e in row.curve if e[column.key]]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", markersize=3, linewidth=1.2, label=row.name)
    axes.set(xscale="log", yscale="log", xlabel="training structures", ylabel=column.header)
    axes.legend()


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
