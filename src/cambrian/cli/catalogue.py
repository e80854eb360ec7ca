"""`cambrian list` and `cambrian schema`: what there is, read from the folders and signatures."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cambrian.cli.console import out, table
from cambrian.errors import UserError


def list_(
    what: Annotated[str | None, typer.Argument(help="recipes, potentials, descriptors, checks, formats ...")] = None,
) -> None:
    """Show what there is: recipes, potentials, descriptors, solvers, checks, labellers, file formats ..."""
    from cambrian.configuration.kinds import kinds
    from cambrian.contracts.catalogue import nearest

    known = kinds()
    if what is not None and what not in known:
        raise UserError(f"there is no list of '{what}'{nearest(what, known)}; there are {', '.join(known)}")
    for name, entries in known.items():
        if name == what or (what is None and entries):
            out().print(table(name, ["name", "what it is"], entries.items(), words=True))
            out().print()


def schema(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file.")] = None,
) -> None:
    """Write the JSON schema of recipe files, with which editors complete and check them."""
    from cambrian.configuration.schema import schema as made
    from cambrian.contracts.archive import write_in_place

    text = json.dumps(made(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        write_in_place(output, text.encode())


COMMANDS = {"list": list_, "schema": schema}
