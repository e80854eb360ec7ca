"""File formats, one file each: `read` and `write` know every concrete `Format` in this folder, with no list to keep."""

import importlib
import inspect
import pkgutil
from functools import cache
from pathlib import Path

from cambrian.data.frame import Format
from cambrian.errors import UserError


@cache
def formats() -> tuple[Format, ...]:
    """One of each format, the most particular first."""
    found = {}
    for entry in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, Format) and value.__module__ == module.__name__:
                found[name] = value()
    return tuple(sorted(found.values(), key=lambda f: (-f.priority, f.name)))


def format_of(path: Path, name: str | None = None) -> Format:
    """The format of a file: by its name where given, else the most particular one that it suits.

    Raises UserError for an unknown name or a file that no format suits.
    """
    if name is not None:
        known = {f.name: f for f in formats()}
        if name not in known:
            raise UserError(f"there is no format '{name}'; choose among {', '.join(known)}")
        return known[name]
    for candidate in formats():
        if candidate.suits(path):
            return candidate
    raise UserError(f"{path}: no reader knows this kind of file; formats are {', '.join(f.name for f in formats())}")
