"""The command `cambrian`: each command is a thin file; torch is imported only by those that compute."""

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from cambrian.cli.catalogue import list_, schema
from cambrian.cli.console import Commands
from cambrian.cli.deploy import deploy, import_
from cambrian.cli.fit import fit
from cambrian.cli.init import init
from cambrian.cli.inspect import inspect
from cambrian.cli.md import md
from cambrian.cli.predict import predict
from cambrian.cli.validate import validate

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, command in {
    "inspect": inspect,
    "init": init,
    "fit": fit,
    "validate": validate,
    "predict": predict,
    "md": md,
    "deploy": deploy,
    "import": import_,
    "list": list_,
    "schema": schema,
}.items():
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
