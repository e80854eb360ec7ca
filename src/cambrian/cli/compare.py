"""`cambrian compare`: several recipes on one split with one limit of time, and which of them to take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, Interrupted, err, out, table
from cambrian.cli.fit import Folder, Fraction, Splitting, examined
from cambrian.cli.options import DataFiles, OwnClasses, Reading, Seed, SetOptions, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from cambrian.compare import Comparison
    from cambrian.data.dataset import Dataset

NOTHING_FITTED = 1


@reads_data
def compare(
    data: DataFiles,
    recipes: Annotated[
        str, typer.Option(metavar="A,B,...", help="Recipes or recipe files, by commas; NAME=RECIPE renames.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")],
    minutes: Annotated[float | None, typer.Option(help="Limit of time for each fit that can be limited.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="Test set of its own; may be repeated.")] = None,
    test_fraction: Fraction = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Hold out each of K parts in turn.", min=2)] = None,
    split_by: Splitting = "structure",
    portions: Annotated[
        str, typer.Option(metavar="P,Q,...", help="Parts of the training data for the learning curve.")
    ] = "0.125,0.25,0.5,1",
    threads: Annotated[int, typer.Option(help="Threads on which dynamics is timed.", min=1)] = 1,
    seed: Seed = None,
    set_: SetOptions = None,
    report: Annotated[Path | None, typer.Option(metavar="FIT", help="Put it into the report of this fit too.")] = None,
    own: OwnClasses = None,
    trust_data: Annotated[bool, typer.Option("--trust-data", help="Fit even where the data look wrong.")] = False,
    *,
    reading: Reading,
) -> None:
    """Compare recipes: errors on unseen structures, time of the fit, speed of dynamics, learning curves.

    Writes compare.json, compare.csv, compare.html and every fit. --set RECIPE.KEY=VALUE changes a value of one recipe.
    The same command goes on where an interrupted one stood.
    """
    from cambrian.compare import Contest, contestants
    from cambrian.compare.contest import name_of
    from cambrian.compare.page import sections, write_comparison
    from cambrian.configuration.kinds import settings_by_name
    from cambrian.contracts.catalogue import from_file
    from cambrian.report.folder_report import add, refresh

    for place in own or ():
        from_file(place)
    sources = [word.strip() for word in recipes.split(",") if word.strip()]
    chosen = contestants(sources, dict(settings_by_name(set_ or (), [name_of(s) for s in sources])), minutes)
    seed, parts = seed or 0, fractions(portions)
    if sum(option is not None for option in (test or None, test_fraction, folds)) > 1:
        raise UserError("--test, --test-fraction and --folds exclude each other: give one of them")
    with Folder(output) as folder:
        everything = reading.read(data)
        pairs = split(everything, reading.read(test) if test else None, test_fraction, folds, split_by, seed)
        examined(*pairs[0], trusted=trust_data)
        how = {"data": data, "test": test, "split_by": None if test else split_by, "minutes": minutes}
        contest = Contest(chosen, pairs, folder / "fits", seed, parts, threads, how)
        try:
            with Bars() as bars:
                found = contest.run(bars)
        except KeyboardInterrupt:
            raise Interrupted("the same command goes on; fits that are done stay") from None
        write_comparison(folder, found, subtitle=" ".join(data))
    if report is not None:
        add(report, "comparison", sections(found))
        if not refresh(report):
            raise UserError(f"{report} holds no report of a fit; name the folder of one after --report")
    show(found, folder)
    if found.recommended() is None:
        raise typer.Exit(NOTHING_FITTED)


def split(
    data: "Dataset", test: "Dataset | None", fraction: float | None, folds: int | None, by: str, seed: int
) -> "list[tuple[Dataset, Dataset]]":
    """Pairs of training and test data; a tenth is held out where nothing else is asked for."""
    from cambrian.compare.contest import folds as folded

    if test is not None:
        return [(data, test)]
    if folds is not None:
        return folded(data, folds, by=by, seed=seed)
    fraction = 0.1 if fraction is None else fraction
    if not 0 < fraction < 1:
        raise UserError(f"--test-fraction is a number between 0 and 1, not {fraction}")
    return [data.split(1 - fraction, by=by, seed=seed)]


def fractions(text: str) -> tuple[float, ...]:
    """Numbers above 0 and up to 1 from a list with commas."""
    try:
        found = tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        found = ()
    if not found or not all(0 < p <= 1 for p in found):
        raise UserError(f"--portions takes numbers above 0 and up to 1, by commas, not '{text}'")
    return found


def show(found: "Comparison", folder: Path) -> None:
    """Print the table, what failed and why, and the recommendation."""
    from cambrian.compare.page import as_table

    header, rows = as_table(found)
    out().print(table("Comparison", [h.replace(", ", " ").replace(" ", "\n") for h in header], rows))
    for row in found.rows:
        if row.failure:
            err().print(f"[yellow]{escape(row.name)} could not be compared:[/] {escape(row.failure)}")
    out().print(f"\n{escape(found.sentence())}")
    out().print("* on the front: no other is both as accurate and as fast")
    out().print(f"Read {folder / 'compare.html'}; every fit stands in {folder / 'fits'}")


COMMANDS = {"compare": compare}
