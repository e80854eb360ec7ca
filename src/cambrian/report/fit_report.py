"""The report of a fit: verdict in words, errors, parity, worst structures, learning curve, cost, data, facts."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes

from cambrian.contracts.force_model import ForceModel
from cambrian.data.census import census
from cambrian.elements import symbols
from cambrian.fit.fit import Fit
from cambrian.report.drawing import BLUE, ORANGE
from cambrian.report.html import (
    Html,
    Section,
    bullets,
    code,
    facts,
    figure,
    fold,
    paragraph,
    side_by_side,
    table,
)
from cambrian.report.interactive import parity_view, structures_view, worst_rows
from cambrian.report.quantities import before_and_after, rounded, spelled
from cambrian.report.tables import figures_table
from cambrian.report.words import MEANING, PART_WORDS, careful, judged, verdict
from cambrian.validate.errors import plots
from cambrian.validate.speed import microseconds_per_atom_step, timed_structure

SECONDS = 0.1  # of dynamics to measure a speed, five times
LOSSES = {"train_loss": (BLUE, "training"), "validation_loss": (ORANGE, "validation")}


def fit_chapters(fit: Fit, *, name: str, recipe: str, warnings: Sequence[str] = ()) -> dict[str, Sequence[Section]]:
    """What a report tells of a fit; `name` and `recipe` are those of the recipe (its YAML)."""
    accuracy = [errors_section(fit), parity_section(fit), worst_section(fit)]
    history = fit.solution.history
    if any(name in row for row in history for name in LOSSES):
        accuracy.append(learning_section(history))
    elif history:
        accuracy.append(tried_section(history))
    return {
        "verdict": [verdict_section(fit, name, list(warnings))],
        "accuracy": accuracy,
        "cost": [cost_section(fit)],
        "data": [data_section(fit)],
        "making": [facts_section(fit, recipe)],
    }


def verdict_section(fit: Fit, name: str, warnings: list[str]) -> Section:
    """In words: what was fitted, how good it is, what to be careful about."""
    blocks = [paragraph(" ".join(verdict(fit, name)), "lead")]
    concerns = careful(fit, warnings)
    if concerns:
        blocks += [paragraph("Be careful:"), bullets(concerns, "careful")]
    return Section("Verdict", [*blocks, paragraph(MEANING, "note")])


def errors_section(fit: Fit) -> Section:
    """Tables of errors: by part, then by group where there are several."""
    figures = {name: part.errors.figures() for name, part in fit.parts.items()}
    blocks = [figures_table(figures)]
    for name, part in figures.items():
        if len(part["groups"]) > 1:
            by_group = figures_table(part["groups"], first="group")
            blocks.append(by_group if name == judged(fit) else fold(f"Groups of {name}", by_group))
            if name == judged(fit):
                blocks.insert(-1, paragraph(f"By group, {name}:"))
    if fit.changes:
        blocks.append(paragraph("The potential the fit went on from, and what it is now:"))
        blocks.append(figures_table(before_and_after(fit.changes)))
    return Section("Errors", blocks)


def parity_section(fit: Fit) -> Section:
    """Parity plots of the most independent part."""
    part = judged(fit)
    captions = {
        "energy": "Energies per atom, counted from the lowest reference.",
        "forces": "Force components.",
        "stress": "Stress components; positive is tensile.",
    }
    drawn = []
    for name, draw in plots(fit.parts[part].errors).items():
        kind = name.removeprefix("parity_")
        drawn.append(parity_view(fit.parts[part], kind, captions[kind], figure(draw, captions[kind])))
    n = len(fit.parts[part].data)
    said = (
        f"Prediction over reference on {n} {PART_WORDS[part].rstrip(',')}. On the dashed line both are equal. Point at "
        "a dot to see what it is; drag a box to look closer, double-click to go back; groups can be switched off."
    )
    return Section("Parity", [paragraph(said, "note"), side_by_side(drawn)])


def worst_section(fit: Fit) -> Section:
    """The structures with the largest errors, to look at."""
    part = fit.parts[judged(fit)]
    rows = worst_rows(part)
    listed = table(["", "structure", "group", "errors"], rows, kind="facts")
    caption = "Red arrows show errors of forces, the longest 2 Å long. Drag to turn, double-click to come closer."
    said = f"The {len(rows)} {PART_WORDS[judged(fit)].rstrip(',')} with the largest errors of forces."
    return Section("Worst structures", [paragraph(said, "note"), structures_view(part, caption, listed), listed])


def cost_section(fit: Fit) -> Section:
    """What fitting and running cost on this machine."""
    atoms = timed_structure(fit.parts[judged(fit)].data)
    rows = []
    if not isinstance(fit.potential, ForceModel):
        cost = microseconds_per_atom_step(fit.potential, atoms, seconds=SECONDS)
        rows += [
            ("dynamics by the ASE calculator, one thread", f"{rounded(cost)} µs/atom/step on {len(atoms)} atoms"),
            ("a nanosecond of 1000 atoms at 1 fs", f"{rounded(cost * 1e3 / 3600)} hours"),
        ]
    rows += [
        ("time of the fit", f"{rounded(fit.seconds)} s"),
        ("parameters", str(fit.n_parameters)),
    ]
    return Section("Cost", [facts(rows)])


def data_section(fit: Fit) -> Section:
    """What was in the data."""
    counted = {name: dict(census(part.data).rows()) for name, part in fit.parts.items()}
    names = list(dict.fromkeys(name for rows in counted.values() for name in rows))
    return Section("Data", [table(["", *counted], [[n, *(c.get(n, "–") for c in counted.values())] for n in names])])


def tried_section(history: list[dict[str, float]]) -> Section:
    """What a solver tried that has no epochs."""
    names = list(dict.fromkeys(name for row in history for name in row))
    rows = [[spelled(row[name]) if name in row else "" for name in names] for row in history]
    return Section("What was tried", [table([name.replace("_", " ") for name in names], rows)])


def learning_section(history: list[dict[str, float]]) -> Section:
    """Loss and validation errors over the epochs."""
    drawn = [figure(partial(draw_losses, history=history), "Loss on training and validation structures.")]
    kinds = {"validation_force_rmse": "force RMSE, meV/Å", "validation_energy_rmse": "energy RMSE, meV/atom"}
    for key, label in kinds.items():
        if key in history[-1]:
            draw = partial(draw_curve, history=history, key=key, label=label)
            drawn.append(figure(draw, f"Validation {label.split(',')[0]} of the averaged weights."))
    return Section("Learning curve", [side_by_side(drawn)])


def draw_losses(axes: Axes, history: list[dict[str, float]]) -> None:
    """Training and validation loss over epochs."""
    for key, (color, label) in LOSSES.items():
        rows = [row for row in history if row.get(key) is not None]
        if rows:
            axes.plot(
                [_step(r, history) for r in rows], [r[key] for r in rows], color=color, label=label, linewidth=1.4
            )
    axes.set(yscale="log", xlabel="epoch", ylabel="loss")
    axes.legend()


def draw_curve(axes: Axes, history: list[dict[str, float]], key: str, label: str) -> None:
    """One validation error, in thousandths of its unit, over epochs."""
    rows = [row for row in history if row.get(key) is not None]
    axes.plot([_step(r, history) for r in rows], [1e3 * r[key] for r in rows], color=ORANGE, linewidth=1.4)
    axes.set(yscale="log", xlabel="epoch", ylabel=label)


def _step(row: dict[str, float], history: list[dict[str, float]]) -> float:
    return row.get("epoch", history.index(row) + 1)


def facts_section(fit: Fit, recipe: str) -> Section:
    """How the fit came about, so that it can be repeated."""
    versions = fit.metrics()["versions"]
    rows = [
        ["elements", ", ".join(symbols(fit.potential.elements))],
        ["cutoff", f"{fit.potential.cutoff:g} Å"],
        ["parameters", fit.n_parameters],
        ["time of the fit", f"{rounded(fit.seconds)} s"],
        ["seed", fit.seed],
        ["hash of the training data", Html(f"<code>{fit.data_hash[:16]}…</code>")],
        *([key.replace("_", " "), spelled(value)] for key, value in fit.solution.figures.items()),
        ["versions", ", ".join(f"{name} {number}" for name, number in versions.items())],
    ]
    return Section("How it was made", [bullets(fit.solution.notes), facts(rows), fold("Recipe", code(recipe))])
