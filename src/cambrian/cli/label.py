"""`cambrian label`: structures and a reference method to a labelled file; what was computed is never computed again."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambrian.cli.console import Bars, Interrupted, err, out, warn
from cambrian.cli.fit import Folder
from cambrian.cli.options import Reading, SetOptions, reads_data
from cambrian.errors import UserError

if TYPE_CHECKING:
    from cambrian.contracts.labeller import Labeller
    from cambrian.data.dataset import Dataset
    from cambrian.label import Failure, Labelled
    from cambrian.label.by_files import FileLabeller

SHOWN = 20  # failures, one line each
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Labelled structures, extxyz.")]


@reads_data
def label(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="Reference method (cambrian list labellers), or FILE.py:CLASS.")
    ],
    structures: Annotated[
        list[str], typer.Argument(metavar="STRUCTURES...", help="Structure files, folders or quoted patterns.")
    ],
    output: Output = None,
    set_: SetOptions = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes of one thread each; 0: this one.", show_default="free cores", min=0)
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of results.", show_default="beside the output")
    ] = None,
    executor: Annotated[
        str | None, typer.Option(metavar="NAME", help="slurm, slurm_job, flux, flux_job, node, or module:Class.")
    ] = None,
    resource: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For the executor, e.g. cores=16; may be repeated.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write input folders only, to be run elsewhere.")
    ] = None,
    collect: Annotated[Path | None, typer.Option(metavar="DIR", help="Read what came of those folders.")] = None,
    *,
    reading: Reading,
) -> None:
    """Label structures with a reference method: energy and forces; stress, charges and dipole where it has them.

    Each result is kept as soon as it is there: after Ctrl-C, a crash or a failure the same command computes what is
    missing. Labels that the structures had are replaced. Exits with code 2 where nothing could be labelled.
    """
    if (write is None) == (output is None):
        raise UserError("name the labelled file with -o FILE; or write inputs only, with --write DIR")
    if write is not None and collect is not None:
        raise UserError("--write and --collect exclude each other: write, run the program in each folder, collect")
    if resource and executor is None:
        raise UserError("--resource is for an executor: give --executor slurm, or leave it away")
    labeller = labeller_of(method, set_ or ())
    mixed = reading.mix_levels or reading.level is None  # earlier labels are replaced, whatever their level
    data = replace(reading, mix_levels=mixed).read(structures, labelled=False)
    if write is not None:
        write_inputs(data, by_files(labeller, method), write)
        return
    assert output is not None
    if any(Path(s).absolute() == output.absolute() for s in structures):
        raise UserError(f"{output} is one of the files to label; choose another -o, so that it stays as it is")
    with Folder(output.absolute().parent):
        if collect is not None:
            from cambrian.label.by_files import collect_folders

            done = collect_folders(data, by_files(labeller, method), collect)
        else:
            place = cache or output.with_name(f"{output.stem}.cache")
            done = compute(data, labeller, place, workers, executor, resource or ())
        finish(done, labeller, output, n_given=len(data))


def labeller_of(method: str, texts) -> "Labeller":
    """The labeller of a name or of the user's own file, with settings."""
    from cambrian.configuration.kinds import class_of, make
    from cambrian.configuration.settings import Setting, apply, defaults, hints_of
    from cambrian.contracts.catalogue import construct, from_file
    from cambrian.contracts.labeller import Labeller

    settings = [Setting.parse(text) for text in texts]
    own = ".py:" in method
    cls = from_file(method) if own else class_of(Labeller, method)
    if not (isinstance(cls, type) and issubclass(cls, Labeller)):
        raise UserError(f"{method} is no labeller; write a class that inherits cambrian.contracts.labeller.Labeller")
    if own:
        sys.path.append(str(Path(method.rpartition(":")[0]).absolute().parent))  # where workers find the class again
    given = {setting.place[0] for setting in settings}
    missing = [name for name in hints_of(cls) if name not in defaults(cls) and name not in given and name != "return"]
    if missing:
        raise UserError(f"{method} needs {', '.join(missing)}: give it with --set {missing[0]}=...")
    if not own:
        return make(Labeller, method, settings)
    arguments = defaults(cls)
    for setting in settings:
        apply(cls, arguments, setting)
    return construct(cls, arguments, where=method)


def by_files(labeller: "Labeller", method: str) -> "FileLabeller":
    """The labeller as one that works by files; raises UserError for one that does not."""
    from cambrian.label.by_files import FileLabeller

    if not isinstance(labeller, FileLabeller):
        raise UserError(f"{method} computes in this program; --write and --collect are for those that work by files")
    return labeller


def write_inputs(data: "Dataset", labeller: "FileLabeller", home: Path) -> None:
    """Write the folders of inputs and say what to do with them."""
    from cambrian.label.by_files import write_folders

    written = write_folders(data, labeller, home)
    tell(written.failures, len(data))
    there = f", {written.n_present} stood there" if written.n_present else ""
    out().print(f"{written.n_new} input folders written to {home}{there}")
    if not written.n_new + written.n_present:
        raise typer.Exit(2)
    if any(home.glob("*/POTCAR.spec")):
        err().print("POTCAR is yours: in each folder join the files that POTCAR.spec names, in that order.")
    err().print(f"Run the program in each folder, then give the same command with --collect {home} -o FILE.")


def compute(
    data: "Dataset", labeller: "Labeller", cache: Path, workers: int | None, executor: str | None, resources
) -> "Labelled":
    """Compute what the cache does not hold."""
    from cambrian.configuration.settings import Setting
    from cambrian.label import label as run
    from cambrian.label.executors import executor_of

    asked = {".".join(s.place): s.value for s in map(Setting.parse, resources)}
    pool = executor and executor_of(executor, workers=workers, resources=asked, folder=cache / "executor")
    ended = False
    try:
        with Bars() as bars:
            done = run(data, labeller, cache=cache, workers=workers, executor=pool or None, progress=bars)
        ended = True
    except KeyboardInterrupt:
        raise Interrupted(f"what was computed is in {cache}; the same command goes on from there") from None
    finally:
        if pool:
            pool.shutdown(wait=ended, cancel_futures=not ended)
    return done


def finish(done: "Labelled", labeller: "Labeller", output: Path, *, n_given: int) -> None:
    """Write what was labelled and say what was not; exits with code 2 where there is nothing."""
    from cambrian.data import write

    tell(done.failures, n_given)
    if not len(done.data):
        err().print("[bold red]error:[/] nothing could be labelled")
        raise typer.Exit(2)
    write(output, done.data)
    kept = f", {done.n_reused} of them known before" if done.n_reused else ""
    out().print(f"{len(done.data)} of {n_given} structures labelled at {labeller.level}{kept}: {output}", markup=False)
    if done.failures:
        err().print("The same command tries those that failed again, with other --set values too.")


def tell(failures: "tuple[Failure, ...]", n_given: int) -> None:
    """Say on stderr which structures failed, where they stand and why."""
    warn(f"{f.where}: {f.reason}" for f in failures[:SHOWN])
    if len(failures) > SHOWN:
        warn([f"... and {len(failures) - SHOWN} more"])
    if failures:
        warn([f"{len(failures)} of {n_given} structures failed and are left out"])


COMMANDS = {"label": label}
