"""`cambrian learn`: explore, select, label and fit in rounds, until the potential is sure of what it meets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Bars, Interrupted, err, out, table
from cambrian.cli.fit import Folder
from cambrian.cli.options import OwnClasses, Seed

NOT_CALM = 1


def learn(
    workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW.yaml", help="What is to be learned, and how.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for everything.")],
    seed: Seed = None,
    own: OwnClasses = None,
) -> None:
    """Learn actively: explore with the potential, label where it is unsure, fit again, until it is sure.

    The same command goes on where it was interrupted, in whatever phase. Writes potential.safetensors, train.extxyz,
    rounds.csv, report.html and a folder for each round. Exits with code 1 where learning ended before it was calm.
    """
    from cambrian.contracts.catalogue import from_file
    from cambrian.learn import learn as run
    from cambrian.report.fit_folder import write_fit
    from cambrian.report.folder_report import add, adopt, refresh
    from cambrian.report.learning import learning_sections
    from cambrian.workflow.learning import Learning

    for place in own or ():
        from_file(place)
    learning = Learning.of(workflow, seed=seed)
    recipe = learning.recipe
    with Folder(output) as folder:
        learning.claim(folder)

        def keep(place: Path, fit) -> None:
            write_fit(place, fit, name=recipe.name, recipe=recipe.text(learning.plan.seed))

        try:
            with Bars() as bars:
                learned = run(learning.plan, folder, keep=keep, progress=bars, on_round=tell)
        except KeyboardInterrupt:
            raise Interrupted("the same command takes learning up again where it stood") from None
        sections = learning_sections(learned, (folder / "workflow.yaml").read_text(encoding="utf-8"))
        last = max(r.number for r in learned.rounds if r.n_new)
        title = f"{recipe.name}: active learning"
        adopt(folder, folder / f"round-{last:03d}" / "fit", title, subtitle=folder.resolve().name)
        add(folder, "learning", sections)
        refresh(folder)
    show(learned, folder)
    if not learned.calm:
        raise typer.Exit(NOT_CALM)


def tell(rounds: list) -> None:
    """A line for the round that has ended."""
    r = rounds[-1]
    met = "" if r.accurate_fraction is None else f"{100 * r.accurate_fraction:.0f} % of {r.n_frames} frames accurate, "
    error = "" if r.test_force_rmse is None else f", test force RMSE {1e3 * r.test_force_rmse:.0f} meV/Å"
    unlabelled = f" ({r.n_unlabelled} could not be labelled)" if r.n_unlabelled else ""
    err().print(f"round {r.number}: {met}{r.n_new} new labels{unlabelled}, {r.n_labels} in all{error}")


def show(learned, folder: Path) -> None:
    """Print the rounds as a table, why learning ended, and what comes next."""
    from cambrian.report.learning import HEADER, rows_of

    out().print(table("Rounds", HEADER, rows_of(learned.rounds)))
    color = "green" if learned.calm else "yellow"
    err().print(f"[{color}]ended[/] {escape(learned.reason)}")
    if learned.rounds[-1].test_force_rmse is None:
        err().print("No test set: `test:` in the workflow tells how it does on structures it was never trained on.")
    out().print(f"\n{learned.potential}; read {folder / 'report.html'}; next: cambrian validate {learned.potential}")


COMMANDS = {"learn": learn}
