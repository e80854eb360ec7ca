"""`cambrian init`: a commented recipe file to start from."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cambrian.cli.console import err
from cambrian.cli.options import DataFiles, Reading, reads_data
from cambrian.errors import UserError


@reads_data
def init(
    data: DataFiles,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file.")] = None,
    *,
    reading: Reading,
) -> None:
    """Write a commented starter recipe, chosen from what the data hold; edit it and give it to `cambrian fit`."""
    from cambrian.configuration.starter import starter
    from cambrian.contracts.archive import write_in_place

    text = starter(reading.read(data), " ".join(data), place=str(output or "recipe.yaml"))
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists():
        raise UserError(f"{output} is there already; choose another name, so that nothing is lost")
    write_in_place(output, text.encode())
    err().print(f"Wrote {output}; next: cambrian fit {output} {' '.join(data)} --test-fraction 0.1 -o fit")


COMMANDS = {"init": init}
