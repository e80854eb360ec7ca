"""`cambrian inspect`: what the data hold, and what the doctor says of them."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import as_options, out, table
from cambrian.cli.options import DataFiles, Reading, reads_data

COLORS = {"error": "bold red", "warning": "yellow", "note": "dim"}
N_PLACES = 3


@reads_data
def inspect(
    data: DataFiles,
    json_: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write it all as JSON.")] = None,
    *,
    reading: Reading,
) -> None:
    """Count what the data hold and look for mistakes: units, signs, duplicates, outliers, contradicting labels."""
    from cambrian.contracts.archive import write_in_place
    from cambrian.data.census import census
    from cambrian.data.doctor import examine

    structures = reading.read(data, labelled=False)
    found, findings = census(structures), examine(structures)
    out().print(table(" ".join(data), ["", ""], found.rows(), words=True))
    out().print()
    for finding in findings:
        color = COLORS[finding.gravity]
        out().print(f"[{color}]{finding.gravity}:[/] {escape(finding.sentence)}{escape(places(structures, finding))}")
        out().print(f"    {escape(as_options(finding.mend))}")
    if not findings:
        out().print("[green]Nothing looks wrong.[/]")
    if json_ is not None:
        content = found.plain() | {"findings": [vars(f) | {"frames": list(f.frames)} for f in findings]}
        write_in_place(json_, (json.dumps(content, indent=2) + "\n").encode())


def places(structures, finding) -> str:
    """The first places where a finding was made, unless it concerns everything."""
    if not finding.frames or len(finding.frames) == len(structures):
        return ""
    named = ", ".join(structures[k].where for k in finding.frames[:N_PLACES])
    return f" ({named}{' ...' if len(finding.frames) > N_PLACES else ''})"


COMMANDS = {"inspect": inspect}
