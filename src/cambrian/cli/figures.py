"""Errors as tables: meV, meV/Å and GPa, converted here and nowhere else in the command line."""

from rich.table import Table

from cambrian.cli.console import table


def errors_table(figures: dict[str, dict], title: str = "Errors") -> Table:
    """One row per part (train, validation, test ...) of figures under their public names."""
    from cambrian.report.quantities import COLUMNS, shown

    present = [c for c in COLUMNS if any(f[c.key] is not None for f in figures.values())]
    header = ["", "structures", *(c.header.replace(", ", " ").replace(" ", "\n") for c in present)]
    rows = [[name, str(f["n_structures"]), *(shown(f[c.key], c) for c in present)] for name, f in figures.items()]
    return table(title, header, rows)


def group_table(figures: dict) -> Table:
    """One row per group."""
    return errors_table(figures["groups"], title="Errors by group")
