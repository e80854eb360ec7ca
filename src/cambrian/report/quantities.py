"""How figures are printed: meV/atom, meV/Å and GPa, with RMSE or MAE said in the header."""

import json
from dataclasses import dataclass

from cambrian.fit.warm_start import Change
from cambrian.units import GPA


@dataclass(frozen=True)
class Column:
    """A figure of metrics.json with its header and the factor from the package's unit to the printed one."""

    key: str
    header: str
    factor: float


COLUMNS = (
    Column("energy_mae", "energy MAE, meV/atom", 1e3),
    Column("energy_rmse", "energy RMSE, meV/atom", 1e3),
    Column("force_mae", "force MAE, meV/Å", 1e3),
    Column("force_rmse", "force RMSE, meV/Å", 1e3),
    Column("force_max", "force max, meV/Å", 1e3),
    Column("stress_mae", "stress MAE, GPa", 1 / GPA),
    Column("stress_rmse", "stress RMSE, GPa", 1 / GPA),
)


def shown(value: float | None, column: Column) -> str:
    """A figure in the unit of its column, three digits; a dash where there is no label."""
    return "–" if value is None else rounded(column.factor * value)


def rounded(value: float) -> str:
    """Three significant digits, no exponent in the usual range."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        digits = f"{value:#.3g}" if abs(value) < 1000 else f"{value:.0f}"
        return digits.rstrip(".")
    return f"{value:.2e}"


def before_and_after(changes: dict[str, Change]) -> dict[str, dict]:
    """Figures of metrics.json for a table: new and old data, by the start and by the fitted potential."""
    return {
        f"{name} data, {who}": figures[when]
        for name, figures in ((name, change.figures()) for name, change in changes.items())
        for when, who in (("before", "start"), ("after", "now"))
    }


def spelled(value: object) -> str:
    """A figure of any kind in words."""
    if isinstance(value, float):
        return rounded(value)
    return value if isinstance(value, str) else json.dumps(value)
