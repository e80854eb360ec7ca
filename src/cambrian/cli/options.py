"""Options that several commands share: how data are read, how a potential is named."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from cambrian.cli.console import warn

if TYPE_CHECKING:
    from cambrian.contracts.force_model import Model
    from cambrian.contracts.potential import Potential
    from cambrian.data.dataset import Dataset

PANEL = "Reading data"
DataFiles = Annotated[list[str], typer.Argument(metavar="DATA...", help="Structure files, folders or quoted patterns.")]
PotentialFile = Annotated[
    Path, typer.Argument(metavar="POTENTIAL", help="A potential.safetensors, or the folder of a fit.")
]
OwnClasses = Annotated[
    list[str] | None,
    typer.Option("--own", metavar="FILE.py:CLASS", help="Your own class that the potential is made of; runs the file."),
]
SetOptions = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value, e.g. solver.max_minutes=2; may be repeated."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.", show_default="0")]


def _option(words: str):
    return typer.Option(help=words, rich_help_panel=PANEL)


@dataclass(frozen=True)
class Reading:
    """How files are read: the options of `cambrian.read`."""

    energy_key: Annotated[str | None, _option("Key of the energy, where it has no usual name.")] = None
    forces_key: Annotated[str | None, _option("Per-atom key of the forces.")] = None
    stress_key: Annotated[str | None, _option("Key of the stress, positive = tensile.")] = None
    virial_key: Annotated[str | None, _option("Key of the virial, -volume x stress.")] = None
    charges_key: Annotated[str | None, _option("Per-atom key of the charges.")] = None
    group_key: Annotated[str | None, _option("Key of the group (config_type, group).")] = None
    units: Annotated[str | None, _option("Units of the files, e.g. 'Hartree, bohr' or 'eV, Å, -kbar'.")] = None
    format: Annotated[str | None, _option("Format, where the name does not tell (cambrian list formats).")] = None
    level: Annotated[str | None, _option("Take this level of theory only.")] = None
    mix_levels: Annotated[bool, _option("Take several levels of theory together.")] = False
    skip_bad: Annotated[bool, _option("Leave out frames that cannot be used, and say so.")] = False

    def read(self, paths: list[str] | list[Path], *, labelled: bool = True) -> "Dataset":
        """Read files; what reading chose or left out is said on stderr."""
        from cambrian.data import read

        data = read(*paths, labelled=labelled, **vars(self))
        warn(data.notes)
        return data


def reads_data(command: Callable) -> Callable:
    """Give a command the options of `Reading`, handed over together as its argument `reading`."""
    hints = get_type_hints(Reading, include_extras=True)
    added = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(Reading)
    ]
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "reading"]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    names = [p.name for p in added]

    @functools.wraps(command)
    def run(**given):
        return command(reading=Reading(**{n: given.pop(n) for n in names}), **given)

    del run.__wrapped__
    wrapped: Any = run
    wrapped.__signature__ = inspect.Signature([*own, *added])
    wrapped.__annotations__ = {p.name: p.annotation for p in [*own, *added]}
    return wrapped


def load_potential(path: Path, own: list[str] | None) -> "Potential":
    """Load a model file; the user's own classes are taken from the files that the user named."""
    from cambrian.contracts.archive import load

    take_own(own)
    return load(model_file(path))


def load_model(path: Path, own: list[str] | None) -> "Model":
    """The same where a model that gives forces without an energy will do."""
    from cambrian.contracts.archive import load_model

    take_own(own)
    return load_model(model_file(path))


def take_own(own: list[str] | None) -> None:
    """Make the user's own classes known."""
    from cambrian.contracts.catalogue import from_file

    for place in own or ():
        from_file(place)


def model_file(path: Path) -> Path:
    """The model file that a path means: itself, or the potential of a fit's folder."""
    return path / "potential.safetensors" if path.is_dir() else path
