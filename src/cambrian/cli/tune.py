"""`cambrian tune`: search for cutoff, radii, weights and other values that no fit finds by itself."""

from pathlib import Path
from typing import Annotated

import typer

from cambrian.cli.console import Bars, Interrupted, err, out, table
from cambrian.cli.fit import Folder, Splitting
from cambrian.cli.options import DataFiles, Reading, Seed, SetOptions, reads_data
from cambrian.errors import UserError


@reads_data
def tune(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a YAML file.")],
    data: DataFiles,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for trials and the best recipe.")
    ],
    over: Annotated[
        list[str],
        typer.Option(metavar="NAME:LOW:HIGH", help="A number and its bounds, or NAME:A,B,C; may be repeated."),
    ],
    trials: Annotated[int, typer.Option(metavar="N", help="Fits at most.", min=1)] = 50,
    validation: Annotated[list[str] | None, typer.Option(help="Structures that judge; may be repeated.")] = None,
    held_out: Annotated[float, typer.Option(metavar="SHARE", help="Part of DATA that judges otherwise.")] = 0.2,
    split_by: Splitting = "structure",
    energy_weight: Annotated[
        float, typer.Option(metavar="W", help="Minimise W x energy RMSE (eV/atom) + force RMSE (eV/Å).", min=0)
    ] = 10.0,
    seed: Seed = None,
    set_: SetOptions = None,
    *,
    reading: Reading,
) -> None:
    """Search for the values of a recipe that no fit finds: cutoff, radii and weights of elements, the ridge.

    Each trial is a fit, judged by structures held out of DATA: keep a test set apart. DIR/best.yaml is the recipe with
    the best values: cambrian fit DIR/best.yaml DATA. An interrupted search goes on with the same command, one that has
    ended with a larger --trials.
    """
    from cambrian.configuration import Setting
    from cambrian.contracts.archive import write_in_place
    from cambrian.report.tuning import write_tuning
    from cambrian.tuning import Tuning, Variable

    if not 0 < held_out < 1:
        raise UserError(f"--held-out is a number between 0 and 1, not {held_out}")
    variables, settings = [Variable.parse(text) for text in over], [Setting.parse(text) for text in set_ or ()]
    train = reading.read(data)
    if validation:
        judge = reading.read(validation)
    else:
        train, judge = train.split(1 - held_out, by=split_by, seed=seed or 0)
    with Folder(output) as folder:
        study = Tuning(
            recipe,
            variables,
            train,
            judge,
            folder,
            settings=settings,
            energy_weight=energy_weight,
            n_trials=trials,
            seed=seed or 0,
        )
        try:
            with Bars() as bars:
                found = study.run(bars)
        except KeyboardInterrupt:
            raise Interrupted("the same command goes on with the search where it stood") from None
        write_in_place(folder / "best.yaml", study.recipe_with(study.best.values).text(seed or 0).encode())
        sentences = outcome(study)
        write_tuning(folder, found, sentences, f"{recipe}: {len(train)} structures, judged by {len(judge)}")
    rows = [[name, str(study.present(name)), f"{value:.6g}" if isinstance(value, float) else str(value)]
            for name, value in study.best.values.items()]  # fmt: skip
    out().print(table("Best values", ["", "before", "best"], rows))
    for sentence in sentences:
        out().print(sentence)
    out().print(f"cambrian fit {folder / 'best.yaml'} {' '.join(data)} -o fit")
    err().print(f"Read {folder / 'report.html'}")


def outcome(study) -> list[str]:
    """What was found, in sentences."""
    first, best = study.trials[0], study.best

    def said(trial) -> str:
        known = (("meV/atom", trial.energy_rmse), ("meV/Å", trial.force_rmse))
        errors = " and ".join(f"{1e3 * x:.3g} {unit}" for unit, x in known if x is not None)
        return f"{trial.objective:.4g} ({errors})"

    sentences = [f"The best of {len(study.trials)} trials has the objective {said(best)}; the first had {said(first)}."]
    edges = [v.place for v in study.variables if v.bounds and not 0.01 < v.unit(best.values[v.place]) < 0.99]
    if edges:
        sentences.append(f"{', '.join(edges)} ended at a bound: widen it if that makes sense.")
    return sentences


COMMANDS = {"tune": tune}
