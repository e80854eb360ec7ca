"""The report of a fit: verdict in words, errors, parity plots, learning curve, facts."""

import json
from collections.abc import Iterable, Sequence
from functools import partial

from matplotlib.axes import Axes

from cambrian.contracts.check import Result
from cambrian.elements import symbols
from cambrian.fit.fit import Fit
from cambrian.report.drawing import BLUE, ORANGE
from cambrian.report.html import (
    Html,
    Section,
    bullets,
    code,
    escaped,
    facts,
    figure,
    fold,
    paragraph,
    side_by_side,
    table,
)
from cambrian.report.quantities import COLUMNS, before_and_after, rounded, shown
from cambrian.report.words import MEANING, PART_WORDS, careful, judged, verdict
from cambrian.validate.errors import plots


def fit_sections(fit: Fit, *, name: str, recipe: str, warnings: Sequence[str] = ()) -> list[Section]:
    """All sections of the report of a fit; `name` and `recipe` are those of the recipe (its YAML)."""
    found = [verdict_section(fit, name, list(warnings)), errors_section(fit), parity_section(fit)]
    if fit.solution.history:
        found.append(learning_section(fit.solution.history))
    return [*found, facts_section(fit, recipe)]


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


def figures_table(figures: dict[str, dict], *, first: str = "") -> Html:
    """A row for each set of figures of metrics.json, in printed units."""
    present = [c for c in COLUMNS if any(f[c.key] is not None for f in figures.values())]
    rows = [[name, f["n_structures"], *(shown(f[c.key], c) for c in present)] for name, f in figures.items()]
    return table([first, "structures", *(c.header for c in present)], rows)


def parity_section(fit: Fit) -> Section:
    """Parity plots of the most independent part."""
    part = judged(fit)
    captions = {
        "parity_energy": "Energies per atom, counted from the lowest reference.",
        "parity_forces": "Force components.",
        "parity_stress": "Stress components; positive is tensile.",
    }
    drawn = [figure(draw, captions[name]) for name, draw in plots(fit.parts[part].errors).items()]
    n = len(fit.parts[part].data)
    said = f"Prediction over reference on {n} {PART_WORDS[part].rstrip(',')}. On the dashed line both are equal."
    return Section("Parity", [paragraph(said, "note"), side_by_side(drawn)])


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
    for key, color, label in (("train_loss", BLUE, "training"), ("validation_loss", ORANGE, "validation")):
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
        *([key.replace("_", " "), _spelled(value)] for key, value in fit.solution.figures.items()),
        ["versions", ", ".join(f"{name} {number}" for name, number in versions.items())],
    ]
    return Section("How it was made", [bullets(fit.solution.notes), facts(rows), fold("Recipe", code(recipe))])


def check_section(result: Result, *, title: str | None = None) -> Section:
    """A check as a section: its verdict and sentence, its figures and its plots."""
    sentence = result.sentence[:1].upper() + result.sentence[1:]
    blocks = [paragraph(sentence)]
    if result.verdict != "no reference":
        mark = Html(f'<strong class="{escaped(result.verdict)}">{escaped(result.verdict.capitalize())}.</strong> ')
        blocks = [paragraph(Html(mark + escaped(sentence)))]
    if "groups" in result.figures:
        blocks.append(figures_table({"all": result.figures, **result.figures["groups"]}))
    else:
        plain = {k: v for k, v in result.figures.items() if isinstance(v, (int, float, str))}
        blocks.append(facts([(k.replace("_", " "), _spelled(v)) for k, v in plain.items()]))
        blocks.append(paragraph("Energies in eV or eV/atom, lengths in Å, times in ps.", "note"))
    drawn = [figure(draw, name.rsplit(".", 1)[0].replace("_", " ")) for name, draw in result.plots.items()]
    heading = title or result.name[:1].upper() + result.name[1:]
    return Section(heading, [*blocks, side_by_side(drawn)])


def check_sections(results: Iterable[Result]) -> list[Section]:
    """Several checks, a section each."""
    return [check_section(result) for result in results]


def _spelled(value: object) -> str:
    if isinstance(value, float):
        return rounded(value)
    return value if isinstance(value, str) else json.dumps(value)
