"""`cambrian fit`: recipe and data to a folder with the potential, its errors and a report."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambrian.cli.console import Bars, Interrupted, err, out, warn
from cambrian.cli.options import DataFiles, OwnClasses, Reading, Seed, SetOptions, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cambrian.configuration import Setting
    from cambrian.fit import Fit

Fraction = Annotated[float | None, typer.Option(help="Hold this part of DATA out as the test set.")]
Splitting = Annotated[str, typer.Option(help="How to hold out: structure, group, or block (ends of trajectories).")]


@reads_data
def fit(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a recipe (cambrian list recipes), a YAML file, or a potential to go on from.",
        ),
    ],
    data: DataFiles,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")],
    test: Annotated[list[str] | None, typer.Option(help="Test set of its own; may be repeated.")] = None,
    test_fraction: Fraction = None,
    split_by: Splitting = "structure",
    committee: Annotated[
        int | None, typer.Option(metavar="N", min=2, help="Fit N members; their spread tells how sure the mean is.")
    ] = None,
    seed: Seed = None,
    set_: SetOptions = None,
    own: OwnClasses = None,
    trust_data: Annotated[bool, typer.Option("--trust-data", help="Fit even where the data look wrong.")] = False,
    *,
    reading: Reading,
) -> None:
    """Fit a potential to labelled structures.

    Writes potential.safetensors, metrics.json, recipe.yaml and report.html, and history.csv where there are epochs. An
    interrupted fit is taken up by the same command. --set start=POTENTIAL goes on from a fitted potential, --set
    replay=FILE with old data among the new. Members of a committee differ by their seeds and by how much each structure
    counts; --set committee.resampling=none leaves the seeds alone.
    """
    from cambrian.configuration import Recipe, Setting
    from cambrian.contracts.catalogue import from_file
    from cambrian.report.fit_folder import resolved, write_fit

    if test and test_fraction is not None:
        raise UserError("--test and --test-fraction exclude each other: give one of them")
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise UserError(f"--test-fraction is a number between 0 and 1, not {test_fraction}")
    for place in own or ():
        from_file(place)
    settings = [Setting.parse(text) for text in set_ or ()]
    run = fitting(committee, [s for s in settings if s.place[0] == "committee"])
    chosen = Recipe.of(recipe, [s for s in settings if s.place[0] != "committee"])
    if committee and chosen.tuning is not None:
        raise UserError("a committee begins anew: leave out --committee, or the potential to go on from")
    seed = seed if seed is not None else chosen.seed or 0
    with Folder(output) as folder:
        if (folder / "potential.safetensors").exists():
            warn([f"{folder} holds a fit; its potential will be kept as potential.previous.safetensors"])
        potential, solver = chosen.build()
        train, held_out = reading.read(data), reading.read(test) if test else None
        if test_fraction is not None:
            train, held_out = train.split(1 - test_fraction, by=split_by, seed=seed)
        warnings = examined(train, held_out, trusted=trust_data)
        warm = None if chosen.tuning is None else chosen.tuning.warm_start(reading.read)
        warnings += examined_start(chosen.tuning, train)
        try:
            with Bars() as bars:
                how = {"test": held_out, "seed": seed, "folder": folder, "progress": bars}
                result = run(potential, train, solver, **how, **({} if warm is None else {"warm": warm}))
        except KeyboardInterrupt:
            raise Interrupted("the same command takes the fit up again where it stood") from None
        split = {"data": data, "test": test, "test_fraction": test_fraction, "split_by": split_by}
        decided = resolved(result, split if test_fraction else split | {"split_by": None})
        text = chosen.text(seed, decided | ({"committee": committee} if committee else {}))
        write_fit(folder, result, name=chosen.name, recipe=text, warnings=warnings)
    show(result, folder)


def fitting(committee: int | None, settings: "list[Setting]") -> "Callable[..., Fit]":
    """The function that fits: one potential, or the members of a committee."""
    from functools import partial

    from cambrian.configuration.settings import Setting, apply
    from cambrian.contracts.catalogue import construct
    from cambrian.fit import fit as fit_one
    from cambrian.fit.committee import Members, fit_committee

    if committee is None and settings:
        raise UserError(f"{settings[0].where}: there is no committee; ask for one with --committee 4")
    if committee is None:
        return fit_one
    arguments: dict = {"members": committee}
    for setting in settings:
        apply(Members, arguments, Setting(setting.place[1:] or ("",), setting.value, setting.where))
    size = construct(Members, arguments, where="committee")
    return partial(fit_committee, n_members=size.members, resampling=size.resampling)


def show(result: "Fit", folder: Path) -> None:
    """Print errors, what changed since the start of a fit that went on, and what to be careful about."""
    from cambrian.cli.figures import errors_table
    from cambrian.report.quantities import before_and_after
    from cambrian.report.words import careful

    out().print(errors_table({name: part.errors.figures() for name, part in result.parts.items()}))
    if result.changes:
        out().print(errors_table(before_and_after(result.changes), title="Since the start"))
    for note in [*result.solution.notes, *careful(result, [])]:
        err().print(note)
    out().print(f"\n{result.n_parameters} parameters in {result.seconds:.1f} s: {folder / 'potential.safetensors'}")
    out().print(
        f"Read {folder / 'report.html'}; next: cambrian md {folder / 'potential.safetensors'} START --steps 1000"
    )


def examined(train, test, *, trusted: bool) -> list[str]:
    """What the doctor finds in the data and between training and test set, shown on stderr.

    Raises UserError where it would spoil any fit and the user did not say otherwise.
    """
    from cambrian.data.doctor import examine
    from cambrian.data.likeness import leakage

    found = [f for f in examine(train) if f.gravity != "note"]
    spoiling = next((f for f in found if f.gravity == "error" and not trusted), None)
    if spoiling is not None:
        raise UserError(f"{said(train, spoiling)}. If the data are right all the same: --trust-data")
    sentences = [said(train, f) for f in found]
    sentences += [said(test, f) for f in (leakage(train, test) if test is not None else ())]
    warn(sentences)
    return sentences


def examined_start(tuning, train) -> list[str]:
    """Whether the new labels suit the potential that the fit goes on from, shown on stderr."""
    sentences = [] if tuning is None else tuning.other_levels(train)
    warn(sentences)
    return sentences


def said(data, finding) -> str:
    """A finding in a sentence, with where it was seen first: file and frame, or the files where it concerns all."""
    if finding.frames:
        return f"{finding.sentence} (first: {data[finding.frames[0]].where}); {finding.mend}"
    files = list(dict.fromkeys(s.source for s in data if s.source))
    where = f"{', '.join(files[:2])}{' ...' if len(files) > 2 else ''}: " if files else ""
    return f"{where}{finding.sentence}; {finding.mend}"


class Folder:
    """The folder of results: proven to be writable before the work, and gone again if nothing came into it."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Path:
        missing = [p for p in (self.path, *self.path.parents) if not p.exists()]
        self._made = missing
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle, trial = tempfile.mkstemp(dir=self.path)
            os.close(handle)
            os.unlink(trial)
        except OSError as error:
            self._leave_nothing()
            raise UserError(f"cannot write into {self.path}: {error.strerror}; choose another -o") from None
        return self.path

    def __exit__(self, *exception) -> None:
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        for folder in self._made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


COMMANDS = {"fit": fit}
