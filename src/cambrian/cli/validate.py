"""`cambrian validate`: checks of a potential by name, with their figures as a table, JSON or a page."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, err, out, table
from cambrian.cli.options import OwnClasses, Reading, SetOptions, load_model, model_file, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from cambrian.contracts.check import Result

FAILED = 1
ALL = "all"
MODEL = "potential.safetensors"


@reads_data
def validate(
    words: Annotated[
        list[str],
        typer.Argument(metavar="CHECK... POTENTIAL [DATA]...", help="Checks or `all`, a potential, reference data."),
    ],
    method: Annotated[str | None, typer.Option(help="Compare with this reference method (list labellers).")] = None,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with the plots.")] = None,
    set_: SetOptions = None,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Check a potential: `errors` against labels, `nve_drift`, `rdf` ... (cambrian list checks), or `all` that apply.

    --set CHECK.KEY=VALUE changes a setting of a check, such as errors.force_mae=0.1 for what is tolerated, and
    --set method.KEY=VALUE one of the reference method. What was found is kept beside the potential. Exits with code 1
    where a check fails.
    """
    from cambrian.configuration.kinds import make, settings_by_name
    from cambrian.contracts.check import Check
    from cambrian.contracts.labeller import Labeller
    from cambrian.report.folder_report import refresh
    from cambrian.report.validation import remember

    names, rest = sorted_words(words)
    settings = settings_by_name(set_ or (), [*names, "method"])
    made = {name: make(Check, name, settings[name]) for name in names}
    file = model_file(Path(rest[0]))
    potential = load_model(file, own)
    refuse_energies_of(potential, names)
    reference = reading.read(rest[1:], labelled=names == ["errors"]) if rest[1:] else None
    labeller = None if method is None else make(Labeller, method, settings["method"])
    results = {}
    for name, check in made.items():
        result = outcome(name, check, potential, reference, labeller, forgiving=words[0] == ALL)
        if result is not None:
            results[name] = result
            remember(file, potential, check, name, result)
    if words[0] == ALL:
        summarize(results)
    if file.name == MODEL and refresh(file.parent, potential):
        err().print(f"Added to {file.parent / 'report.html'}")
    write(results, json_, report, str(rest[0]))
    if any(r.verdict == "failed" for r in results.values()):
        raise typer.Exit(FAILED)


def refuse_energies_of(model, names: list[str]) -> None:
    """Raise UserError where checks of an energy are asked of a model that gives forces alone."""
    from cambrian.contracts.force_model import NOT_CONSERVED, ForceModel

    if isinstance(model, ForceModel) and names != ["errors"]:
        raise UserError(f"this model gives forces without an energy, {NOT_CONSERVED}: only `errors` can be checked")


def sorted_words(words: list[str]) -> tuple[list[str], list[str]]:
    """The checks that are named first, and the files that follow them."""
    from cambrian.configuration.kinds import named
    from cambrian.contracts.check import Check

    known = named(Check)
    if words[0] == ALL:
        names, rest = ["errors", *(name for name in known if name != "errors")], words[1:]
    else:
        names = [w for k, w in enumerate(words) if all(v in known for v in words[: k + 1])]
        rest = words[len(names) :]
    if not names:
        raise UserError(
            f"name a check first, then the potential; checks are all, {', '.join(known)} (not '{words[0]}')"
        )
    if not rest:
        raise UserError(f"name the potential after the check: cambrian validate {words[0]} ... POTENTIAL [DATA]")
    return names, rest


def outcome(name: str, check, potential, reference, labeller, *, forgiving: bool) -> "Result | None":
    """What a check found, shown; None where it does not suit or, if `forgiving`, where it lacks what it needs."""
    try:
        reason = check.unsuited(potential, reference, labeller) if forgiving else ""
        if not reason:
            with Bars() as bars:
                result = check.run(potential, reference, method=labeller, progress=partial(bars, name))
            show(name, result)
            return result
    except UserError as error:
        if not forgiving:
            raise
        reason = str(error)
    err().print(f"[bold]{name}[/] left out: {escape(reason)}")
    return None


def summarize(results: dict) -> None:
    """One line for each check, failures first."""
    order = {"failed": 0, "passed": 1, "no reference": 2}
    rows = sorted(([name, r.verdict, r.sentence] for name, r in results.items()), key=lambda row: order[row[1]])
    out().print(table("Checks", ["check", "verdict", "what was found"], rows, words=True))


def show(name: str, result) -> None:
    """Print what a check found."""
    from cambrian.cli.figures import errors_table, group_table
    from cambrian.report.quantities import figure_rows

    if name == "errors":
        out().print(errors_table({"all": result.figures}))
        if len(result.figures["groups"]) > 1:
            out().print(group_table(result.figures))
    else:
        header, rows = figure_rows(result.figures, result.units, result.reference, result.tolerance)
        out().print(table(name, header, rows) if rows else f"[bold]{name}[/]")
    color = {"passed": "green", "failed": "red"}.get(result.verdict)
    said = f"[{color}]{result.verdict}:[/] " if color else ""
    err().print(said + escape(result.sentence))


def write(results: dict, json_file: Path | None, report: Path | None, title: str) -> None:
    """Write figures and page where asked for; the figures of `errors` alone stand as they are in metrics.json."""
    from cambrian.contracts.archive import write_in_place
    from cambrian.report.folder_report import check_section
    from cambrian.report.html import write_page
    from cambrian.report.validation import plain

    if json_file is not None:
        facts = ("figures", "verdict", "sentence", "reference", "tolerance")
        content = {name: {f: getattr(result, f) for f in facts} for name, result in results.items()}
        if list(results) == ["errors"]:
            content = results["errors"].figures
        write_in_place(json_file, (json.dumps(plain(content), indent=2, allow_nan=False) + "\n").encode())
    if report is not None:
        sections = [check_section(result, title=name.replace("_", " ")) for name, result in results.items()]
        write_page(report, "Validation", sections, subtitle=title)


COMMANDS = {"validate": validate}
