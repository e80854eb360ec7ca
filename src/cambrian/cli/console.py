"""What the command line prints: results on stdout, what is said along the way on stderr, faults without traceback."""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from typer.core import TyperGroup

from cambrian.errors import UserError

USER_ERROR, INTERRUPTED = 2, 130


def out() -> Console:
    """The console of results."""
    return Console(highlight=False, **_width(sys.stdout))


def err() -> Console:
    """The console of warnings, progress and errors."""
    return Console(stderr=True, highlight=False, **_width(sys.stderr))


def _width(stream) -> dict:
    """Files and pipes are given lines as long as they are."""
    return {} if stream.isatty() else {"soft_wrap": True, "width": 160}


class Interrupted(KeyboardInterrupt):
    """An interruption that says how to go on."""


class Commands(TyperGroup):
    """The group of all commands: `--debug` may stand anywhere, and a user's error is told in words."""

    def parse_args(self, ctx, args: list[str]) -> list[str]:
        """Move `--debug` to the front, where the group reads it."""
        asked = ["--debug"] if "--debug" in args else []
        return super().parse_args(ctx, asked + [a for a in args if a != "--debug"])

    def invoke(self, ctx):
        """Run a command; exit with 2 for a user's error, 130 for an interruption, 1 for a fault of ours."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as stop:
            err().print(f"\n[bold]interrupted[/]{escape(': ' + str(stop) if str(stop) else '')}")
            raise typer.Exit(INTERRUPTED) from None
        except UserError as error:
            _tell(ctx, f"[bold red]error:[/] {escape(as_options(str(error)))}")
            raise typer.Exit(USER_ERROR) from None
        except MemoryError:
            _tell(ctx, "[bold red]error:[/] there is not enough memory; take fewer structures or a smaller model")
            raise typer.Exit(USER_ERROR) from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            _tell(ctx, f"[bold red]error:[/] {escape(place + (error.strerror or str(error)))}")
            raise typer.Exit(USER_ERROR) from None
        except Exception as error:
            if type(error).__module__.startswith(("click", "typer")):
                raise  # wrong options: typer says it, with code 2
            words = f"{type(error).__name__}: {error}"
            _tell(ctx, f"[bold red]a fault in cambrian:[/] {escape(words)}\nRun it again with --debug and report it.")
            raise typer.Exit(1) from None


def _tell(ctx, words: str) -> None:
    if ctx.params.get("debug"):
        traceback.print_exc()
    err().print(words)


def as_options(message: str) -> str:
    """A message in which arguments of `read` are named as options of the command line."""
    message = re.sub(r"\b(units|format|level)=(?=')", r"--\1 ", message)
    return re.sub(r"\b(?<!-)((?:\w+_key)|mix_levels|skip_bad)\b", lambda m: "--" + m[1].replace("_", "-"), message)


def warn(messages: Iterable[str]) -> None:
    """Print warnings on stderr, each on a line."""
    for message in messages:
        err().print(f"[yellow]warning:[/] {escape(as_options(message))}")


class _Lines(logging.Handler):
    """What the package notes while it works, as lines; its warnings are left to those who gather them."""

    def __init__(self, say: Callable[[str], None]):
        super().__init__(logging.INFO)
        self._say = say
        self.addFilter(lambda record: record.levelno == logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self._say(escape(record.getMessage()))


class Bars:
    """Progress bars on stderr, one per stage, silent where stderr is no terminal; notes of the package above them."""

    def __init__(self):
        self._console = err()
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._progress.disable = not self._console.is_terminal
        self._tasks = {}
        self._log, self._lines = logging.getLogger("cambrian"), _Lines(self.say)
        self._level = self._log.level

    def __enter__(self) -> "Bars":
        self._log.addHandler(self._lines)
        self._level = self._log.level
        self._log.setLevel(min(self._log.getEffectiveLevel(), logging.INFO))
        self._progress.start()
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()
        self._log.setLevel(self._level)
        self._log.removeHandler(self._lines)

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(line)

    def __call__(self, stage: str, fraction: float, words: str = "") -> None:
        """Move the bar of a stage to a fraction done."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=1.0, words="")
        self._progress.update(self._tasks[stage], completed=fraction, words=escape(words))


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], *, words: bool = False) -> Table:
    """A table whose first column is words and whose others are figures, or `words` too."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for k, name in enumerate(columns):
        made.add_column(name, justify="left" if k == 0 or words else "right", overflow="fold", no_wrap=not words)
    for row in rows:
        made.add_row(*(escape(str(cell)) for cell in row))
    return made
