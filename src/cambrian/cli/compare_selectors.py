"""`cambrian compare-selectors`: ways of choosing training structures, judged by the potentials that come of them."""

from pathlib import Path
from typing import Annotated

import typer

from cambrian.cli.console import Bars, Interrupted, err, out, table
from cambrian.cli.fit import Folder
from cambrian.cli.options import DataFiles, OwnClasses, Reading, Seed, SetOptions, load_potential, reads_data
from cambrian.cli.select import Guide, made
from cambrian.errors import UserError

USUAL = "random,energy,force,atomic_energy,farthest_point,cur,uncertainty"


@reads_data
def compare_selectors(
    data: DataFiles,
    test: Annotated[list[str], typer.Option(metavar="FILE", help="The test set; may be repeated.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")],
    recipe: Annotated[str, typer.Option(help="The recipe that is fitted.")] = "snap",
    selectors: Annotated[str, typer.Option(metavar="NAME,...", help="Which to compare.")] = USUAL,
    numbers: Annotated[str, typer.Option(metavar="N,...", help="How many structures to choose.")] = "20,50,100,200",
    repeats: Annotated[int, typer.Option(help="Seeds of each.", min=1)] = 3,
    potential: Guide = None,
    seed: Seed = None,
    set_: SetOptions = None,
    own: OwnClasses = None,
    *,
    reading: Reading,
) -> None:
    """Fit the same recipe to structures chosen in different ways from DATA, and plot the errors on one test set.

    --set reaches the recipe and the selectors: recipe.two_j_max=4, energy.n_bins=20, farthest_point.by=atoms. Writes
    selection.csv, .json, .png, .svg and report.html. An interrupted study goes on with the same command.
    """
    from cambrian.configuration import Recipe
    from cambrian.configuration.kinds import settings_by_name
    from cambrian.contracts.catalogue import from_file
    from cambrian.report.selection import figures_of, write_selection
    from cambrian.selection_study import SelectionStudy

    for place in own or ():
        from_file(place)
    names = [name.strip() for name in selectors.split(",")]
    settings = settings_by_name(set_ or (), ["recipe", *names])
    with Folder(output) as folder:
        study = SelectionStudy(
            pool=reading.read(data),
            test=reading.read(test),
            recipe=Recipe.of(recipe, settings["recipe"]),
            selectors={name: made(name, settings[name], guided=False) for name in names},
            numbers=whole_numbers(numbers),
            repeats=repeats,
            folder=folder,
            seed=seed or 0,
            guide=None if potential is None else load_potential(potential, None),
        )
        try:
            with Bars() as bars:
                rows = study.run(bars)
        except KeyboardInterrupt:
            raise Interrupted("the same command goes on with the study where it stood") from None
        sentences = outcome(rows)
        title = f"{study.recipe.name}, {len(study.pool)} structures to choose from, {len(study.test)} to test"
        write_selection(folder, rows, sentences, title)
    header, cells = figures_of(rows)
    out().print(table("Errors on the test set", [h.replace(", ", "\n") for h in header], cells))
    for sentence in sentences:
        out().print(sentence)
    err().print(f"Read {folder / 'report.html'}")


def whole_numbers(text: str) -> tuple[int, ...]:
    """`20,50,100` as numbers in rising order; raises UserError for anything else."""
    try:
        return tuple(sorted({int(word) for word in text.split(",")}))
    except ValueError:
        raise UserError(f"--numbers {text}: write whole numbers such as 20,50,100") from None


def outcome(rows: list[dict]) -> list[str]:
    """Which selector has the least mean error at each number, in sentences."""
    from cambrian.report.selection import PANELS, panels
    from cambrian.selection_study import winners

    sentences = []
    for key in panels(rows):
        best = [f"{name.replace('_', ' ')} with {n}" for n, name in winners(rows, key).items()]
        sentences.append(f"Least {PANELS[key][0]}: {', '.join(best)}.")
    return sentences


COMMANDS = {"compare-selectors": compare_selectors}
