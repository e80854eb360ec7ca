"""How figures are printed: meV/atom, meV/Å and GPa, with RMSE or MAE said in the header."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian.contracts.check import Unit
from cambrian.units import GPA

if TYPE_CHECKING:
    from cambrian.fit.warm_start import Change

ENDINGS = {
    "_K": "K",
    "_ps": "ps",
    "_THz": "THz",
    "_per_cm": "1/cm",
    "_S_per_m": "S/m",
    "_W_per_mK": "W/(m K)",
}
NEGLIGIBLE = 1e-6  # of the largest figure of the same unit: rounding


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


def figure_rows(
    figures: Mapping[str, Any],
    units: Mapping[str, Unit],
    reference: Mapping[str, Any],
    tolerance: Mapping[str, float],
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a check's figures as they are printed, beside their reference and what is tolerated."""
    flat, of = _flat(figures), {"reference": _flat(reference), "tolerated": dict(tolerance)}
    beside = {head: values for head, values in of.items() if any(values.get(name) for name in flat)}  # no goal of 0
    largest: dict[str, float] = {}
    for name, value in flat.items():
        if isinstance(value, float):
            unit = unit_of(name, units)[1]
            largest[unit] = max(largest.get(unit, 0.0), abs(value))
    rows = []
    for name, value in flat.items():
        factor, unit = unit_of(name, units)
        nothing = NEGLIGIBLE * largest.get(unit, 0.0) if unit else 0.0
        cells = [value, *(values.get(name, "") for values in beside.values())]
        cells = [rounded(0.0 if abs(c) < nothing else factor * c) if isinstance(c, float) else str(c) for c in cells]
        rows.append([_said(name), *cells, unit])
    if not any(row[-1] for row in rows):
        return ["figure", "value", *beside], [row[:-1] for row in rows]
    return ["figure", "value", *beside, "unit"], rows


def unit_of(name: str, units: Mapping[str, Unit]) -> Unit:
    """How a figure is printed: as its check says, else in the unit its name ends in."""
    stem = name.split(", ")[0]
    ending = next((e for e in ENDINGS if stem.endswith(e)), None)
    return units.get(stem, (1.0, "" if ending is None else ENDINGS[ending]))


def _said(name: str) -> str:
    stem, *rest = name.split(", ")
    ending = next((e for e in ENDINGS if stem.endswith(e)), "")
    return ", ".join([stem.removesuffix(ending).replace("_", " "), *rest])


def _flat(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and words of a mapping, and of mappings within; lists are for plots."""
    found = {}
    for name, value in figures.items():
        if isinstance(value, Mapping) and all(isinstance(v, (int, float, str)) for v in value.values()):
            found |= {f"{name}, {key}": v for key, v in value.items()}
        elif isinstance(value, (int, float, str)):
            found[name] = value
    return found


def before_and_after(changes: "dict[str, Change]") -> dict[str, dict]:
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
