"""`cambrian validate`: checks of a potential by name, with their figures as a table, JSON or a page."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, err, out, table
from cambrian.cli.options import OwnClasses, Reading, SetOptions, load_potential, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from cambrian.contracts.check import Check

FAILED = 1


@reads_data
def validate(
    words: Annotated[
        list[str], typer.Argument(metavar="CHECK... POTENTIAL [DATA]...", help="Checks, a potential, reference data.")
    ],
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with the plots.")] = None,
    set_: SetOptions = None,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Check a potential: `errors` against labels, `nve_drift`, `rdf` ... (cambrian list checks).

    --set CHECK.KEY=VALUE changes a setting of a check, such as errors.force_mae=0.1 for what is tolerated. Exits with
    code 1 where a check fails.
    """
    from cambrian.configuration.kinds import named
    from cambrian.contracts.check import Check

    known = named(Check)
    names = [w for k, w in enumerate(words) if all(v in known for v in words[: k + 1])]
    rest = words[len(names) :]
    if not names:
        raise UserError(f"name a check first, then the potential; checks are {', '.join(known)} (not '{words[0]}')")
    if not rest:
        raise UserError(f"name the potential after the check: cambrian validate {' '.join(names)} POTENTIAL [DATA]")
    made = configured(names, set_ or ())
    potential = load_potential(Path(rest[0]), own)
    reference = reading.read(rest[1:], labelled="errors" in names) if rest[1:] else None
    results = {}
    for name, check in made.items():
        with Bars() as bars:
            results[name] = check.run(potential, reference, progress=partial(bars, name))
        show(name, results[name])
    write(results, json_, report, str(rest[0]))
    if any(r.verdict == "failed" for r in results.values()):
        raise typer.Exit(FAILED)


def configured(names: list[str], texts) -> "dict[str, Check]":
    """The checks, with the settings that are theirs."""
    from cambrian.configuration.kinds import make, settings_by_name
    from cambrian.contracts.check import Check

    return {name: make(Check, name, settings) for name, settings in settings_by_name(texts, names).items()}


def show(name: str, result) -> None:
    """Print what a check found."""
    from cambrian.cli.figures import errors_table, group_table
    from cambrian.report.quantities import rounded

    if name == "errors":
        out().print(errors_table({"all": result.figures}))
        if len(result.figures["groups"]) > 1:
            out().print(group_table(result.figures))
    else:
        plain = {k: v for k, v in result.figures.items() if isinstance(v, (int, float, str))}
        rows = [[k.replace("_", " "), rounded(v) if isinstance(v, float) else str(v)] for k, v in plain.items()]
        out().print(table(name, ["figure", "value (eV, Å, ps, K)"], rows))
    color = {"passed": "green", "failed": "red"}.get(result.verdict)
    said = f"[{color}]{result.verdict}:[/] " if color else ""
    err().print(said + escape(result.sentence))


def write(results: dict, json_file: Path | None, report: Path | None, title: str) -> None:
    """Write figures and page where asked for; the figures of `errors` alone stand as they are in metrics.json."""
    from cambrian.contracts.archive import write_in_place
    from cambrian.report.fit_report import check_section
    from cambrian.report.html import write_page

    if json_file is not None:
        facts = ("figures", "verdict", "sentence", "reference", "tolerance")
        content = {name: {f: getattr(result, f) for f in facts} for name, result in results.items()}
        if list(results) == ["errors"]:
            content = results["errors"].figures
        write_in_place(json_file, (json.dumps(content, indent=2, default=lambda array: array.tolist()) + "\n").encode())
    if report is not None:
        sections = [check_section(result, title=name.replace("_", " ")) for name, result in results.items()]
        write_page(report, "Validation", sections, subtitle=title)


COMMANDS = {"validate": validate}
