"""The report of active learning: how errors fell with the number of labels, and how much was accurate."""

from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cambrian.learn.learn import Learned
from cambrian.learn.round import Round
from cambrian.report.drawing import BLUE, ORANGE
from cambrian.report.html import Html, Section, code, figure, fold, paragraph, side_by_side, table
from cambrian.report.quantities import rounded

HEADER = (
    *("round", "labels", "frames", "accurate, %", "candidates", "failed", "new labels"),
    *("candidates: force RMSE, meV/Å", "test: force RMSE, meV/Å", "test: energy RMSE, meV/atom"),
)


def learning_sections(learned: Learned, workflow: str) -> list[Section]:
    """What the rounds were and why learning ended; `workflow` is the YAML with every value."""
    said = ("Learning ended " + learned.reason + ".").replace("  ", " ")
    drawn = [
        figure(partial(draw_errors, rounds=learned.rounds), "Errors of forces with the number of labels."),
        figure(partial(draw_accurate, rounds=learned.rounds), "Frames below the lower limit of the trigger, by round."),
    ]
    rounds = table(HEADER, rows_of(learned.rounds))
    blocks = [paragraph(said), rounds, side_by_side(drawn), paragraph(NOTE, "note"), fold("Workflow", code(workflow))]
    return [Section("Active learning", blocks)]


NOTE = (
    "Errors of candidates are those of the potential that proposed them, before it was fitted to them; errors on the "
    "test set those of the potential fitted in the round."
)


def rows_of(rounds: list[Round]) -> list[list[str | Html]]:
    """A row of words for each round."""
    return [
        [
            str(r.number),
            str(r.n_labels),
            str(r.n_frames) if r.number else "–",
            "–" if r.accurate_fraction is None else f"{100 * r.accurate_fraction:.0f}",
            str(r.n_candidates) if r.number else "–",
            str(r.n_failed) if r.number else "–",
            str(r.n_new),
            *(_milli(x) for x in (r.candidate_force_rmse, r.test_force_rmse, r.test_energy_rmse)),
        ]
        for r in rounds
    ]


def _milli(value: float | None) -> str:
    return "–" if value is None else rounded(1e3 * value)


def draw_errors(axes: Axes, rounds: list[Round]) -> None:
    """Force RMSE on the test set and on candidates, in meV/Å, over labels."""
    tested = [(r.n_labels, 1e3 * r.test_force_rmse) for r in rounds if r.test_force_rmse]
    proposed = [(r.n_labels - r.n_new, 1e3 * r.candidate_force_rmse) for r in rounds if r.candidate_force_rmse]
    for points, color, label in ((tested, BLUE, "test"), (proposed, ORANGE, "candidates")):
        if points:
            axes.plot(*zip(*points, strict=True), color=color, label=label, marker="o", markersize=3, linewidth=1.4)
    axes.set(yscale="log", xlabel="labels trained on", ylabel="force RMSE, meV/Å")
    if tested or proposed:
        axes.legend()


def draw_accurate(axes: Axes, rounds: list[Round]) -> None:
    """Percent of accurate frames over rounds."""
    points = [(r.number, 100 * r.accurate_fraction) for r in rounds if r.accurate_fraction is not None]
    if points:
        axes.plot(*zip(*points, strict=True), color=BLUE, marker="o", markersize=3, linewidth=1.4)
    axes.set(xlabel="round", ylabel="accurate frames, %", ylim=(0, 102))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
