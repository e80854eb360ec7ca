"""`cambrian deploy` and `cambrian import`: other programs' files, written and read."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import err, out
from cambrian.cli.options import OwnClasses, PotentialFile, load_potential, model_file
from cambrian.errors import UserError

if TYPE_CHECKING:
    from ase import Atoms

FileUnits = Annotated[
    str | None,
    typer.Option("--units", help="Units of the files, e.g. 'eV, Å'.", show_default="those usual for the program"),
]


def deploy(
    potential: PotentialFile,
    to: Annotated[str, typer.Option(help="What to write for: lammps, lammps-stock, n2p2, tables or yace (PACE).")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for its files.")],
    name: Annotated[str | None, typer.Option(help="Name of the files.", show_default="potential")] = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", metavar="FILE", help="Structure to begin a run from: in.lammps is a whole input then."),
    ] = None,
    units: FileUnits = None,
    own: OwnClasses = None,
) -> None:
    """Write a potential for another program, such as stock LAMMPS."""
    from cambrian.report.validation import survival_warning

    write = function_of("deploy", to)
    remarks: list[str] = []
    begin = None if start is None else _structure(start)
    options = options_for(write, to, remarks.append, name=name, units=units, start=begin)
    loaded = load_potential(potential, own)
    written = write(loaded, output, **options)
    for path in written:
        out().print(escape(str(path)))
    err().print(f"Wrote {len(written)} files for {to}; the comments in them say how to use them")
    for remark in remarks:
        err().print(f"[bold]Note:[/] {escape(remark)}")
    if warning := survival_warning(model_file(potential), loaded):
        err().print(f"[bold red]WARNING:[/] {escape(warning)}")


def import_(
    program: Annotated[
        str, typer.Argument(metavar="PROGRAM", help="Whose files: lammps, mliap, n2p2, tables or yace.")
    ],
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Folder or file to import.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Model file to write.")],
    units: FileUnits = None,
) -> None:
    """Read a potential from another program's files."""
    from cambrian.contracts.archive import save
    from cambrian.elements import symbols

    read = function_of("import_{}", program)
    remarks: list[str] = []
    potential = read(place, **options_for(read, program, remarks.append, units=units))
    usual = inspect.signature(read).parameters.get("units")
    of_files = units or (usual.default if usual else None)
    save(potential, output, {"imported_from": program, "units_of_files": of_files, "remarks": remarks})
    for remark in remarks:
        err().print(escape(remark))
    err().print(f"Wrote {output}: {', '.join(symbols(potential.elements))}, cutoff {potential.cutoff:g} Å")


def _structure(path: Path) -> "Atoms":
    """The first structure of a file."""
    from cambrian.data.read import read

    return read(path, labelled=False).structures[0].atoms


def function_of(function: str, program: str) -> Callable:
    """What a file of the folder `deploy` defines for a program; raises UserError with those there are."""
    from cambrian.contracts.catalogue import nearest

    home = importlib.import_module("cambrian.deploy")
    files = [importlib.import_module(f"{home.__name__}.{m.name}") for m in pkgutil.iter_modules(home.__path__)]
    known = {}
    for file in files:
        short = file.__name__.rpartition(".")[2].removesuffix("_import").replace("_", "-")
        if hasattr(file, wanted := function.format(short)):
            known[short] = getattr(file, wanted)
    if program not in known:
        raise UserError(f"'{program}' is not known here{nearest(program, known)}; there are {', '.join(known)}")
    return known[program]


def options_for(function: Callable, program: str, remark: Callable[[str], None], **given: object) -> dict[str, object]:
    """The options of the command line that a program's function takes; raises UserError for others that were given.

    `remark` goes along where the function has something to say.
    """
    takes = inspect.signature(function).parameters
    options: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if name not in takes:
            raise UserError(f"--{name} has no meaning for {program}; leave it out")
    return options | ({"remark": remark} if "remark" in takes else {})


COMMANDS = {"deploy": deploy, "import": import_}
