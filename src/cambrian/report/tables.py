"""Errors as tables of a page."""

from cambrian.report.html import Html, table
from cambrian.report.quantities import COLUMNS, shown


def figures_table(figures: dict[str, dict], *, first: str = "") -> Html:
    """A row for each set of figures of metrics.json, in printed units."""
    present = [c for c in COLUMNS if any(f[c.key] is not None for f in figures.values())]
    rows = [[name, f["n_structures"], *(shown(f[c.key], c) for c in present)] for name, f in figures.items()]
    return table([first, "structures", *(c.header for c in present)], rows)
