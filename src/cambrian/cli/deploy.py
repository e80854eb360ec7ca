"""`cambrian deploy` and `cambrian import`: other programs' files, written and read."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import err, out
from cambrian.cli.options import OwnClasses, PotentialFile, load_potential, model_file
from cambrian.errors import UserError


def deploy(
    potential: PotentialFile,
    to: Annotated[str, typer.Option(help="Program to write for: lammps.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for its files.")],
    name: Annotated[str, typer.Option(help="Name of the files.")] = "potential",
    own: OwnClasses = None,
) -> None:
    """Write a potential for another program, such as stock LAMMPS."""
    from cambrian.report.validation import survival_warning

    write, loaded = function_of("deploy", to), load_potential(potential, own)
    written = write(loaded, output, name=name)
    for path in written:
        out().print(escape(str(path)))
    err().print(f"Wrote {len(written)} files for {to}; the comments in them say how to use them")
    if warning := survival_warning(model_file(potential), loaded):
        err().print(f"[bold red]WARNING:[/] {escape(warning)}")


def import_(
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="Program whose files these are: lammps.")],
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Folder or file to import.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Model file to write.")],
) -> None:
    """Read a potential from another program's files."""
    from cambrian.contracts.archive import save
    from cambrian.elements import symbols

    potential = function_of("import_{}", program)(place)
    save(potential, output, {"imported_from": program})
    err().print(f"Wrote {output}: {', '.join(symbols(potential.elements))}, cutoff {potential.cutoff:g} Å")


def function_of(function: str, program: str) -> Callable:
    """What a file of the folder `deploy` defines for a program; raises UserError with those there are."""
    from cambrian.contracts.catalogue import nearest

    home = importlib.import_module("cambrian.deploy")
    files = [importlib.import_module(f"{home.__name__}.{m.name}") for m in pkgutil.iter_modules(home.__path__)]
    known = {}
    for file in files:
        short = file.__name__.rpartition(".")[2].removesuffix("_import")
        if hasattr(file, wanted := function.format(short)):
            known[short] = getattr(file, wanted)
    if program not in known:
        raise UserError(f"'{program}' is not known here{nearest(program, known)}; there are {', '.join(known)}")
    return known[program]


COMMANDS = {"deploy": deploy, "import": import_}
