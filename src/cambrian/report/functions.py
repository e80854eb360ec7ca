"""The figure of a study of symmetry functions: error over their number, over cost, and over the cutoff."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from cambrian.contracts.archive import write_in_place
from cambrian.report.html import Section, figure, paragraph, side_by_side, table, write_page
from cambrian.report.quantities import rounded

Rows = Sequence[dict[str, Any]]
COST = "µs/atom/step"
AXES = {"number": "functions of an element (the most)", "cost": f"cost, {COST}", "cutoff": "cutoff, Å"}
ERRORS = {
    "force_rmse": ("force RMSE", "meV/Å", 1e3),
    "force_mae": ("force MAE", "meV/Å", 1e3),
    "energy_rmse": ("energy RMSE", "meV/atom", 1e3),
}
MARKERS = "osD^vP*X<>"
FIGURES = ("method", "number", "cutoff", *ERRORS, "cost", "fit_seconds")


def judged_by(rows: Rows) -> str:
    """The error that is drawn: of forces where there are any."""
    return next(key for key in ERRORS if all(row[key] is not None for row in rows))


def draw_over(axes: Axes, rows: Rows, x: str, y: str) -> None:
    """One quantity over another, a line for each method (and number or cutoff, where those differ along it)."""
    other = "number" if x == "cutoff" else "cutoff"
    several = len({row[other] for row in rows if row["method"] != "recipe"}) > 1
    lines: dict[str, list[dict]] = {}
    for row in rows:
        said = f"{row['number']} functions" if other == "number" else f"{row['cutoff']:g} Å"
        name = row["method"].replace("_", " ") + (f", {said}" if several and row["method"] != "recipe" else "")
        lines.setdefault(name, []).append(row)
    name, unit, factor = ERRORS.get(y, ("cost", COST, 1.0))
    for k, (label, mine) in enumerate(lines.items()):
        mine = sorted(mine, key=lambda row: row[x])
        own = mine[0]["method"] == "recipe"
        axes.errorbar(
            [row[x] for row in mine],
            [factor * row[y] for row in mine],
            yerr=[factor * (row[f"{y}_std"] or 0.0) for row in mine],
            color="0.5" if own else f"C{k}",
            marker=MARKERS[k % len(MARKERS)],
            linestyle="-" if len(mine) > 1 and not (own and x != "cutoff") else "none",
            markersize=4,
            linewidth=1.3,
            elinewidth=0.8,
            label="the recipe's own" if own else label,
        )
    axes.set(xlabel=AXES[x], ylabel=f"{name}, {unit}", yscale="log")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()


def panels(rows: Rows) -> dict[str, Callable[[Axes], None]]:
    """What is drawn, by caption."""
    error = judged_by(rows)
    name = ERRORS[error][0]
    found = {
        f"{name} over the number of functions": partial(draw_over, rows=rows, x="number", y=error),
        f"{name} over cost": partial(draw_over, rows=rows, x="cost", y=error),
    }
    if len({row["cutoff"] for row in rows}) > 1:
        found[f"{name} over the cutoff"] = partial(draw_over, rows=rows, x="cutoff", y=error)
        found["Cost over the cutoff"] = partial(draw_over, rows=rows, x="cutoff", y="cost")
    return found


def picture(rows: Rows, kind: str) -> bytes:
    """The figure as a file, `png` or `svg`."""
    shown = panels(rows)
    made = Figure(figsize=(3.6 * len(shown), 3.4), layout="constrained")
    for place, draw in zip(made.subplots(1, len(shown), squeeze=False)[0], shown.values(), strict=True):
        draw(place)
    made.axes[0].legend(fontsize=7, frameon=False)
    stream = io.BytesIO()
    made.savefig(stream, format=kind, dpi=160)
    return stream.getvalue()


def figures_of(rows: Rows) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table, in printed units."""
    shown = [key for key in ERRORS if any(row[key] is not None for row in rows)]
    header = ["chosen by", "functions", "cutoff, Å", *(f"{ERRORS[k][0]}, {ERRORS[k][1]}" for k in shown)]
    cells = [
        [
            "the recipe's own" if row["method"] == "recipe" else row["method"].replace("_", " "),
            ", ".join(f"{element} {n}" for element, n in row["functions"].items()),
            f"{row['cutoff']:g}",
            *(_cell(row, k) for k in shown),
            rounded(row["cost"]),
        ]
        for row in rows
    ]
    return [*header, f"cost, {COST}"], cells


def _cell(row: dict[str, Any], key: str) -> str:
    factor = ERRORS[key][2]
    if row[key] is None:
        return "–"
    deviation = row[f"{key}_std"]
    return rounded(factor * row[key]) + ("" if deviation is None else f" ± {rounded(factor * deviation)}")


def write_functions(folder: Path, rows: Rows, sentences: Sequence[str], title: str) -> None:
    """study.csv, study.json, study.png, study.svg and report.html."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(FIGURES), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_in_place(folder / "study.csv", stream.getvalue().encode())
    plain = [{key: value for key, value in row.items() if key != "table"} for row in rows]
    write_in_place(folder / "study.json", (json.dumps(plain, indent=2) + "\n").encode())
    for kind in ("png", "svg"):
        write_in_place(folder / f"study.{kind}", picture(rows, kind))
    header, cells = figures_of(rows)
    drawn = [
        figure(partial(_with_legend, draw=draw, named=n == 0), caption)
        for n, (caption, draw) in enumerate(panels(rows).items())
    ]
    sections = [
        Section("Outcome", [paragraph(sentence) for sentence in sentences]),
        Section("Errors and cost", [side_by_side(drawn)]),
        Section("Figures", [paragraph("Mean ± standard deviation over random choices.", "note"), table(header, cells)]),
    ]
    write_page(folder / "report.html", "Choosing symmetry functions", sections, subtitle=title)


def _with_legend(axes: Axes, *, draw: Callable[[Axes], None], named: bool) -> None:
    draw(axes)
    if named:
        axes.legend(fontsize=7)
