"""The command `cambrian`: each command is a thin file; torch is imported only by those that compute."""

import importlib
import logging
import pkgutil
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from cambrian.cli.console import Commands

ORDER = (
    *("inspect", "init", "sample", "select", "label", "fit", "learn", "validate", "compare", "compare-selectors"),
    *("choose-functions", "tune", "predict", "md", "deploy", "build-plugin", "import", "run", "list", "schema"),
)  # as a project goes

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def commands() -> dict[str, Callable]:
    """The commands of all files of this folder: what each file lists as COMMANDS."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    files = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found = {name: command for file in files for name, command in getattr(file, "COMMANDS", {}).items()}
    return {name: found[name] for name in sorted(found, key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER))}


for name, command in commands().items():
    app.command(name)(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"cambrian {version('cambrian')}")
        raise typer.Exit


@app.callback()
def cambrian(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Machine-learned interatomic potentials: from reference calculations to a potential that runs in ASE and LAMMPS.

    Start with `cambrian inspect DATA`, then `cambrian fit snap DATA -o fit`. Energies in eV, lengths in Å, stress
    positive where tensile.
    """
    logging.getLogger("cambrian").addHandler(logging.NullHandler())  # notes of reading are shown by the commands


def main() -> None:
    """Entry point of the command line."""
    app()
