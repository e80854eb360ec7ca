"""`cambrian choose-functions`: which symmetry functions, how many, and to which cutoff, as the data decide."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambrian.cli.compare_selectors import whole_numbers
from cambrian.cli.console import Bars, Interrupted, err, out, table
from cambrian.cli.fit import Folder
from cambrian.cli.options import DataFiles, Reading, Seed, SetOptions, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from cambrian.math.symmetry_sets import FunctionSet

USUAL = "cur,farthest_point,correlation,random"


@reads_data
def choose_functions(
    data: DataFiles,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for lists and figures.")],
    number: Annotated[
        str, typer.Option("-n", "--number", metavar="N,...", help="How many functions for each element.")
    ] = "10,20,30,40",
    method: Annotated[str, typer.Option(metavar="NAME,...", help="Ways to choose them.")] = USUAL,
    cutoffs: Annotated[str, typer.Option("--cutoffs", metavar="Å,...", help="Cutoffs to compare.")] = "6",
    pool: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML list of function sets to choose from.", show_default="automatic"),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="What judges: a recipe with functions (hdnnp).", show_default="linear model")
    ] = None,
    structures: Annotated[int, typer.Option(metavar="N", help="Use N structures of DATA, at random.", min=5)] = 200,
    held_out: Annotated[float, typer.Option(metavar="SHARE", help="Share of them that judges.")] = 0.2,
    least_range: Annotated[float, typer.Option(metavar="X", help="Leave out functions that vary by less.")] = 1e-4,
    repeats: Annotated[int, typer.Option(help="Random choices of each number.", min=1)] = 3,
    seed: Seed = None,
    set_: SetOptions = None,
    *,
    reading: Reading,
) -> None:
    """Choose symmetry functions from a large pool, and plot error against number, cost and cutoff.

    The errors are those on structures held out of DATA: keep a test set apart. functions.yaml is the cheapest list
    within 5 % of the least error: cambrian fit hdnnp DATA --set functions=DIR/functions.yaml --set cutoff=6. All lists
    are in DIR/functions. --set reaches the recipe (solver.epochs=50). An interrupted study goes on with the same
    command.
    """
    import numpy as np

    from cambrian.configuration import Recipe, Setting
    from cambrian.function_study import FunctionStudy, automatic_pool, recommended
    from cambrian.report.functions import figures_of, write_functions

    if not 0 < held_out < 1:
        raise UserError(f"--held-out is a number between 0 and 1, not {held_out}")
    if set_ and recipe is None:
        raise UserError("--set reaches the recipe that judges: name it with --recipe hdnnp")
    everything = reading.read(data)
    order = np.random.default_rng(seed or 0).permutation(len(everything))[:structures]
    with Folder(output) as folder:
        study = FunctionStudy(
            data=everything[np.sort(order).tolist()],
            methods=tuple(name.strip() for name in method.split(",")),
            numbers=whole_numbers(number),
            cutoffs=lengths(cutoffs),
            folder=folder,
            pool=automatic_pool() if pool is None else read_pool(pool),
            recipe=None if recipe is None else Recipe.of(recipe, [Setting.parse(text) for text in set_ or ()]),
            repeats=repeats,
            held_out=held_out,
            least_range=least_range,
            seed=seed or 0,
        )
        try:
            with Bars() as bars:
                rows = study.run(bars)
        except KeyboardInterrupt:
            raise Interrupted("the same command goes on with the study where it stood") from None
        best = recommended(rows)
        write_lists(folder, rows, best)
        sentences = outcome(rows, best)
        judge = "a linear model" if study.recipe is None else study.recipe.name
        write_functions(folder, rows, sentences, f"{len(study.data)} structures, judged by {judge}")
    header, cells = figures_of(rows)
    out().print(table("Errors on structures held out", [h.replace(", ", "\n") for h in header], cells))
    for sentence in sentences:
        out().print(sentence)
    cutoff = f" --set cutoff={best['cutoff']:g}"
    out().print(f"cambrian fit hdnnp {' '.join(data)} --set functions={folder / 'functions.yaml'}{cutoff}")
    err().print(f"Read {folder / 'report.html'}")


def lengths(text: str) -> tuple[float, ...]:
    """`4,5,6.5` as numbers in rising order; raises UserError for anything else."""
    try:
        return tuple(sorted({float(word) for word in text.split(",")}))
    except ValueError:
        raise UserError(f"--cutoffs {text}: write lengths in Å such as 4,5,6") from None


def read_pool(path: Path) -> "list[FunctionSet]":
    """The function sets of a YAML file."""
    from cambrian.configuration.yaml_text import parse_file
    from cambrian.contracts.catalogue import build
    from cambrian.math.symmetry_sets import FunctionSet

    content = parse_file(path)
    sets = build(content if isinstance(content, list) else [content], where=str(path))
    if not sets or not all(isinstance(s, FunctionSet) for s in sets):
        raise UserError(f"{path}: a pool is a list of function sets, such as `- Radial: {{grid: ...}}`")
    return sets


def write_lists(folder: Path, rows: list[dict], best: dict) -> None:
    """Every list as YAML, and the recommended one as functions.yaml."""
    from cambrian.configuration.yaml_text import dump
    from cambrian.contracts.archive import write_in_place

    for row in rows:
        if row["table"] is not None:
            text = dump({"Listed": {"table": row["table"]}}).encode()
            write_in_place(folder / "functions" / f"{row['method']}-{row['number']}-{row['cutoff']:g}.yaml", text)
    write_in_place(folder / "functions.yaml", dump({"Listed": {"table": best["table"]}}).encode())


def outcome(rows: list[dict], best: dict) -> list[str]:
    """What was found, in sentences."""
    from cambrian.report.functions import COST, ERRORS, judged_by
    from cambrian.report.quantities import rounded

    key = judged_by(rows)
    name, unit, factor = ERRORS[key]

    def said(row: dict) -> str:
        return f"{rounded(factor * row[key])} {unit} at {rounded(row['cost'])} {COST}"

    way = best["method"].replace("_", " ")
    found = [f"functions.yaml: {best['number']} by {way}, cutoff {best['cutoff']:g} Å: {name} {said(best)}."]
    peers = {(r["number"], r["cutoff"]): r for r in rows if r["method"] == "random"}
    peer = peers.get((best["number"], best["cutoff"]))
    if peer is not None and peer is not best:
        found.append(f"As many at random: {said(peer)}.")
    found += [f"The recipe's own at {r['cutoff']:g} Å: {said(r)}." for r in rows if r["method"] == "recipe"]
    return found


COMMANDS = {"choose-functions": choose_functions}
