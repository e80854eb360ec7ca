"""`cambrian run`: the phases of a workflow in order, each only where something changed."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cambrian.cli.console import Interrupted, err


def run(
    workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW.yaml", help="Commands with their arguments.")],
) -> None:
    """Run the phases of a workflow in order: sample, select, label, fit, learn, validate, compare, deploy ...

    A phase whose arguments and input files are those of its last good run is passed over. Ends at the first phase that
    fails, with its exit code; the same command goes on from there.
    """
    from cambrian.workflow.phases import phases_of, run_phases

    phases = phases_of(workflow, options())
    try:
        code = run_phases(workflow, phases, execute, tell=lambda words: err().print(f"[bold]{escape(words)}[/]"))
    except KeyboardInterrupt:
        raise Interrupted("the same command goes on with this phase") from None
    if code:
        raise typer.Exit(code)


def options() -> dict[str, list[str]]:
    """The options of every command but this one, without dashes."""
    from cambrian.cli import app

    group = typer.main.get_command(app)
    found = {name: command for name, command in vars(group)["commands"].items() if name != "run"}
    return {
        name: [word.removeprefix("--") for p in command.params for word in p.opts if word.startswith("--")]
        for name, command in found.items()
    }


def execute(words: list[str], folder: Path) -> int:
    """Run a command in a process of its own, which shows what it shows."""
    return subprocess.run([sys.executable, "-m", "cambrian.cli", *words], cwd=folder, check=False).returncode


COMMANDS = {"run": run}
