"""What a comparison found: a row for each recipe, the front of cost and accuracy, and the one to take.

On the front stands what no other beats in both: a is beaten by b where error_b <= error_a and cost_b <= cost_a, one of
them strictly (V. Pareto).
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cambrian.report.quantities import rounded

TOLERANCE = 0.2
KINDS = ("energy_mae", "energy_rmse", "force_mae", "force_rmse")
RULE = (
    "the cheapest in dynamics among those whose force RMSE on unseen structures is at most "
    f"{100 * TOLERANCE:.0f} % above the lowest (energy RMSE, where there are no forces)"
)


@dataclass(frozen=True)
class Row:
    """One recipe: errors (eV/atom, eV/Å), their standard deviation over folds, seconds of the fit, µs/atom/step.

    `curve` has the errors by number of training structures, `training` the epochs of the fit on all of them. `failure`
    says why there is nothing else.
    """

    name: str
    errors: dict[str, float | None] = field(default_factory=dict)
    deviations: dict[str, float | None] = field(default_factory=dict)
    fit_seconds: float | None = None
    us_per_atom_step: float | None = None
    n_parameters: int | None = None
    curve: tuple[tuple[int, dict[str, float | None]], ...] = ()
    training: list[dict[str, float]] = field(default_factory=list)
    failure: str = ""

    def error(self, kind: str) -> float | None:
        """An error by its public name; None where there is none."""
        return self.errors.get(kind)


@dataclass(frozen=True)
class Comparison:
    """All rows in the order of the recipes, and `how`: split, budget, machine."""

    rows: tuple[Row, ...]
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def judged_by(self) -> str:
        """The error that decides: force RMSE, or energy RMSE where no row has one."""
        return "force_rmse" if any(row.error("force_rmse") is not None for row in self.rows) else "energy_rmse"

    def ranked(self) -> list[Row]:
        """The rows that can be compared, the most accurate first."""
        known = [r for r in self.rows if r.error(self.judged_by) is not None and r.us_per_atom_step is not None]
        return sorted(known, key=lambda r: (r.errors[self.judged_by], r.us_per_atom_step))

    def front(self) -> list[str]:
        """Names of the rows that no other beats in both error and cost, the most accurate first."""
        ranked = self.ranked()
        kept = on_front([(r.errors[self.judged_by] or 0.0, r.us_per_atom_step or 0.0) for r in ranked])
        return [row.name for row, keep in zip(ranked, kept, strict=True) if keep]

    def recommended(self) -> Row | None:
        """The row that the rule names; None where no fit succeeded."""
        ranked = self.ranked()
        if not ranked:
            return None
        limit = (1 + TOLERANCE) * (ranked[0].errors[self.judged_by] or 0.0)
        near = [r for r in ranked if (r.errors[self.judged_by] or 0.0) <= limit]
        return min(near, key=lambda r: r.us_per_atom_step or 0.0)

    def sentence(self) -> str:
        """The recommendation with its reason."""
        chosen = self.recommended()
        if chosen is None:
            return "No recipe could be fitted and measured; the rows say why."
        best, what = self.ranked()[0], "force" if self.judged_by == "force_rmse" else "energy"
        figures = (
            f"{what} RMSE {_milli(chosen, self.judged_by)}, {rounded(chosen.us_per_atom_step or 0.0)} µs/atom/step"
        )
        if chosen is best:
            reason = f"it has the lowest error, and none within {100 * TOLERANCE:.0f} % of it is cheaper"
        else:
            share = (chosen.errors[self.judged_by] or 0.0) / (best.errors[self.judged_by] or 1.0) - 1
            gain = (best.us_per_atom_step or 0.0) / (chosen.us_per_atom_step or 1.0)
            reason = (
                f"its error is {100 * share:.0f} % above the lowest ({best.name}), and it runs {gain:.1f} times faster"
            )
        return f"Take {chosen.name} ({figures}): {reason}."

    def content(self) -> dict[str, Any]:
        """What compare.json holds."""
        chosen = self.recommended()
        rows = [asdict(row) | {"curve": [{"n_train": n} | errors for n, errors in row.curve]} for row in self.rows]
        return {
            "recommended": None if chosen is None else chosen.name,
            "sentence": self.sentence(),
            "rule": RULE,
            "front": self.front(),
            "rows": rows,
            **self.how,
        }

    def csv(self) -> str:
        """The rows as a table, in eV/atom, eV/Å, s and µs/atom/step."""
        stream, front = io.StringIO(), self.front()
        writer = csv.writer(stream, lineterminator="\n")
        deviations = [f"{kind}_std" for kind in KINDS] if any(row.deviations for row in self.rows) else []
        facts = ["fit_seconds", "us_per_atom_step", "n_parameters"]
        writer.writerow(["recipe", *KINDS, *deviations, *facts, "on_front", "failure"])
        for row in self.rows:
            errors = [row.errors.get(k) for k in KINDS]
            spread = [row.deviations.get(d.removesuffix("_std")) for d in deviations]
            known = [getattr(row, fact) for fact in facts]
            writer.writerow([row.name, *errors, *spread, *known, int(row.name in front), row.failure])
        return stream.getvalue()


def on_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (error, cost) no other point beats."""
    return [not any(e <= error and c <= cost and (e < error or c < cost) for e, c in points) for error, cost in points]


def _milli(row: Row, kind: str) -> str:
    return f"{rounded(1e3 * (row.errors[kind] or 0.0))} {'meV/Å' if kind.startswith('force') else 'meV/atom'}"
