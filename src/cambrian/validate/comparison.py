"""The same property by a potential and by its reference, judged alike.

A check measures its property with any calculator; the reference is the same measurement with a reference method, or
known values. A known value says its unit in its name, and is in eV and Å where it says none:

    known={"C11_GPa": 166.0, "bulk_modulus": 0.62}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cambrian.contracts.catalogue import nearest
from cambrian.contracts.check import Result, Unit, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.errors import UserError
from cambrian.units import GPA, KCAL_PER_MOL, KJ_PER_MOL
from cambrian.validate.minimum import NoMinimum

SUFFIXES = {
    "_GPa": GPA,
    "_meV": 1e-3,
    "_kJ_per_mol": KJ_PER_MOL,
    "_kcal_per_mol": KCAL_PER_MOL,
    "_J_per_m2": 10 * GPA,
}
Progress = Callable[[float], None]
Known = dict[str, float] | None
EV, EV_PER_ATOM, ANGSTROM, STRESS = (1.0, "eV"), (1e3, "meV/atom"), (1.0, "Å"), (1 / GPA, "GPa")
SHARE, DRIFT = (100.0, "%"), (1e3, "meV/atom/ps")


@dataclass
class Measured:
    """A property by one calculator: figures by name, what is physically wrong with them, and curves for plots."""

    figures: dict[str, Any]
    faults: list[str] = field(default_factory=list)
    curves: dict[str, Any] = field(default_factory=dict)


def known_values(known: Known, names: "list[str] | tuple[str, ...]") -> dict[str, float]:
    """Known values in the units of the package by the names of figures; raises UserError for other names."""
    found = {}
    for key, value in (known or {}).items():
        suffix = next((s for s in SUFFIXES if key.endswith(s) and key.removesuffix(s) in names), "")
        stem = key.removesuffix(suffix) if suffix else key
        if stem not in names:
            raise UserError(
                f"known: there is no figure '{key}'{nearest(key, names)}; figures are {', '.join(names)}, each in eV "
                f"and Å, or with a unit behind it such as {names[0]}_GPa"
            )
        found[stem] = value * SUFFIXES.get(suffix, 1.0)
    return found


def both_sides(
    measure: Callable[[Potential | Labeller, Progress], Measured],
    potential: Potential,
    method: Labeller | None,
    progress: Progress,
) -> tuple[Measured, Measured | None]:
    """The property by the potential and, where there is one, by the reference method.

    A potential that finds no minimum has a fault; raises UserError where the method finds none.
    """
    share = 1.0 if method is None else 0.5
    try:
        found = measure(potential, lambda fraction: progress(share * fraction))
    except NoMinimum as error:
        found = Measured({}, [str(error)])
    if method is None:
        return found, None
    try:
        return found, measure(method, lambda fraction: progress(0.5 + 0.5 * fraction))
    except NoMinimum as error:
        raise error.at(f"with the reference method {method.level}") from None


def judged(
    name: str,
    said: str,
    found: Measured,
    expected: Mapping[str, Any],
    tolerance: dict[str, float],
    *,
    units: Mapping[str, Unit],
    plots: dict[str, Callable] | None = None,
) -> Result:
    """A verdict on every figure that has an expected value and a tolerance (absolute, in its own unit).

    units: how figures are printed; `said` is the sentence without the comparison.
    A fault fails a check with or without a reference.
    """
    compared = [k for k in tolerance if k in expected and found.figures.get(k) is not None]
    excess = {k: abs(found.figures[k] - expected[k]) / max(tolerance[k], 1e-300) for k in compared}
    missed = [k for k in compared if not excess[k] <= 1]
    parts = [said] if said and found.figures else []
    if compared:
        worst = max(compared, key=lambda k: excess[k])
        parts.append(_in_words(worst, found.figures[worst], expected[worst], tolerance[worst], *units[worst]))
    if missed:
        parts.append(f"outside what is tolerated: {', '.join(map(_spoken, missed))}")
    parts += found.faults
    verdict: Verdict = "failed" if found.faults or missed else "passed" if compared else "no reference"
    return Result(name, found.figures, verdict, "; ".join(parts), dict(expected), tolerance, plots or {}, dict(units))


def _in_words(name: str, found: float, expected: float, tolerance: float, factor: float, unit: str) -> str:
    here, there, allowed = factor * found, factor * expected, factor * tolerance
    shown = _spoken(name)
    if expected == 0:
        return f"{shown} {here:.3g} {unit} ({allowed:.3g} tolerated)"
    return f"{shown} {here:.4g} where the reference has {there:.4g} {unit}".rstrip() + f" (± {allowed:.2g} tolerated)"


def _spoken(name: str) -> str:
    return name.removesuffix("_per_cm").removesuffix("_THz").replace("_", " ")
