"""The figure of a comparison of selectors: each error over the number of training structures, one line a selector."""

import csv
import io
import json
from collections.abc import Sequence
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
PANELS = {
    "force_max": ("largest force error", "eV/Å", 1.0),
    "force_rmse": ("force RMSE", "meV/Å", 1e3),
    "force_mae": ("force MAE", "meV/Å", 1e3),
    "energy_mae": ("energy MAE", "meV/atom", 1e3),
}
MARKERS = "osD^vP*X<>"


def draw_panel(axes: Axes, rows: Rows, key: str) -> None:
    """One error over the number of structures; bars are standard deviations over the seeds."""
    name, unit, factor = PANELS[key]
    selectors = list(dict.fromkeys(row["selector"] for row in rows))
    for k, selector in enumerate(selectors):
        mine = [row for row in rows if row["selector"] == selector and row[key] is not None]
        axes.errorbar(
            [row["number"] * 1.02 ** (k - len(selectors) / 2) for row in mine],  # side by side, to be seen
            [factor * row[key] for row in mine],
            yerr=[factor * (row[f"{key}_std"] or 0.0) for row in mine],
            color=f"C{k}",
            marker=MARKERS[k % len(MARKERS)],
            markersize=4,
            linewidth=1.3,
            elinewidth=0.8,
            label=selector.replace("_", " "),
        )
    numbers = sorted({row["number"] for row in rows})
    axes.set(xscale="log", yscale="log", xlabel="training structures", ylabel=f"{name}, {unit}")
    axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.yaxis.set_major_locator(MaxNLocator(6))  # decades alone may leave an axis without any number
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()


def panels(rows: Rows) -> list[str]:
    """The errors that the test set has labels for."""
    return [key for key in PANELS if any(row[key] is not None for row in rows)]


def draw(rows: Rows) -> Figure:
    """All errors side by side."""
    shown = panels(rows)
    made = Figure(figsize=(3.4 * len(shown), 3.4), layout="constrained")
    for place, key in zip(made.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        draw_panel(place, rows, key)
    made.axes[0].legend(fontsize=7, frameon=False)
    return made


def picture(rows: Rows, kind: str) -> bytes:
    """The figure as a file, `png` or `svg`."""
    stream = io.BytesIO()
    draw(rows).savefig(stream, format=kind, dpi=160)
    return stream.getvalue()


def comma_separated(rows: Rows) -> bytes:
    """The rows with their keys as header; an empty cell where there is no label."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def figures_of(rows: Rows) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the table, in printed units."""
    shown = panels(rows)
    header = ["selector", "structures", *(f"{PANELS[k][0]}, {PANELS[k][1]}" for k in shown)]
    return header, [[r["selector"], str(r["number"]), *(_cell(r, k) for k in shown)] for r in rows]


def _cell(row: dict[str, Any], key: str) -> str:
    factor = PANELS[key][2]
    if row[key] is None:
        return "–"
    deviation = row[f"{key}_std"]
    return rounded(factor * row[key]) + ("" if deviation is None else f" ± {rounded(factor * deviation)}")


def selection_sections(rows: Rows, sentences: Sequence[str]) -> list[Section]:
    """The page: what was done and found, the figure, the table."""
    header, cells = figures_of(rows)
    drawn = [
        figure(partial(_with_legend, rows=rows, key=k, named=n == 0), PANELS[k][0]) for n, k in enumerate(panels(rows))
    ]
    return [
        Section("Outcome", [paragraph(sentence) for sentence in sentences]),
        Section("Errors over the number of structures", [side_by_side(drawn)]),
        Section("Figures", [paragraph("Mean ± standard deviation over the seeds.", "note"), table(header, cells)]),
    ]


def _with_legend(axes: Axes, *, rows: Rows, key: str, named: bool) -> None:
    draw_panel(axes, rows, key)
    if named:
        axes.legend(fontsize=7)


def write_selection(folder: Path, rows: Rows, sentences: Sequence[str], title: str) -> None:
    """selection.csv, selection.json, selection.png, selection.svg and report.html."""
    write_in_place(folder / "selection.csv", comma_separated(rows))
    write_in_place(folder / "selection.json", (json.dumps(list(rows), indent=2) + "\n").encode())
    for kind in ("png", "svg"):
        write_in_place(folder / f"selection.{kind}", picture(rows, kind))
    sections = selection_sections(rows, sentences)
    write_page(folder / "report.html", "Ways of choosing structures", sections, subtitle=title)
