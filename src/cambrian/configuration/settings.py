"""`--set a.b=value`: a place in the arguments of a constructor or a recipe, and what to put there.

A place descends by argument names through the objects that stand in defaults (`solver.schedule.final`), through
mappings by key and through lists by number; the name of the class on the way may be written or left out. Where an
object belongs, the value may be a YAML file that holds it.
"""

import inspect
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian.configurable import describe
from cambrian.configuration.yaml_text import parse, parse_file
from cambrian.contracts.catalogue import check_names, configurables, find, fits, nearest, spelled
from cambrian.errors import UserError


@dataclass(frozen=True)
class Setting:
    """A value and its place, with where the user wrote it."""

    place: tuple[str, ...]
    value: Any
    where: str

    @classmethod
    def parse(cls, text: str) -> "Setting":
        """From `a.b=value`, the value in YAML; raises UserError for anything else."""
        place, equals, value = text.partition("=")
        parts = tuple(place.strip().split("."))
        if not equals or not all(parts):
            raise UserError(f"--set {text}: write it as name=value, for example --set solver.energy_weight=50")
        return cls(parts, parse(value, f"--set {place.strip()}"), f"--set {text}")

    @classmethod
    def all_of(cls, arguments: dict, where: str) -> "list[Setting]":
        """The arguments of a file as settings; a key may itself be a place such as `solver.ridge`."""
        return [cls(tuple(str(name).split(".")), value, f"{where}: {name}") for name, value in arguments.items()]


def defaults(target) -> dict[str, Any]:
    """Arguments of a constructor or a recipe that have a default, as plain data."""
    parameters = inspect.signature(target).parameters.values()
    return {p.name: describe(p.default) for p in parameters if p.default is not inspect.Parameter.empty}


def apply(target, arguments: dict, setting: Setting) -> None:
    """Put a setting into the arguments (plain data) of `target`.

    Raises UserError for a name that is not there, with the nearest right one.
    """
    (name, *rest), where = setting.place, setting.where
    check_names(target, {name: None}, where)
    hint = hints_of(target).get(name, Any)
    present = arguments.get(name, defaults(target).get(name))
    arguments[name] = _changed(present, tuple(rest), setting.value, hint, where)


def _changed(present, place: tuple[str, ...], value, hint, where: str):
    """What stands at a place after the change."""
    called = call_of(present)
    if place and called is not None:
        name, arguments = called
        rest = place[1:] if place[0] == name else place
        if rest:
            inner = dict(arguments)
            apply(find(name), inner, Setting(rest, value, where))
            return {name: inner}
    elif place:
        return _inside({} if present is None and _takes_mapping(hint) else present, place, value, where)
    if called is not None and isinstance(value, dict) and call_of(value) is None:
        for setting in Setting.all_of(value, where):
            present = _changed(present, setting.place, setting.value, hint, setting.where)
        return present
    if isinstance(value, str) and not fits(value, hint):
        if value.endswith((".yaml", ".yml")):
            return parse_file(Path(value))
        return {_class_named(value, hint, where): {}}
    return value


def _takes_mapping(hint) -> bool:
    kinds = (hint, *typing.get_args(hint))
    return any(kind is dict or typing.get_origin(kind) is dict for kind in kinds)


def _inside(present, place: tuple[str, ...], value, where: str):
    head, *rest = place
    if isinstance(present, dict):
        return present | {head: _changed(present.get(head, {} if rest else None), tuple(rest), value, Any, where)}
    if isinstance(present, list):
        if not head.isdigit() or int(head) >= len(present):
            raise UserError(f"{where}: '{head}' is no place in a list of {len(present)}; they count from 0")
        changed = list(present)
        changed[int(head)] = _changed(present[int(head)], tuple(rest), value, Any, where)
        return changed
    shown = "null" if present is None else repr(present)
    raise UserError(
        f"{where}: there is no '{head}' inside {shown}; put an object there first, by the name of its class"
    )


def _class_named(value: str, hint, where: str) -> str:
    if value in configurables():
        return value
    suitable = [name for name, cls in configurables().items() if issubclass(cls, classes_in(hint))]
    choices = f"; choose among {', '.join(suitable)}" if suitable else ""
    raise UserError(f"{where}: it takes {spelled(hint)}, not '{value}'{nearest(value, suitable)}{choices}")


def classes_in(hint) -> tuple[type, ...]:
    """The classes of an annotation that stand for configurable objects."""
    from cambrian.configurable import Configurable

    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(c for part in typing.get_args(hint) for c in classes_in(part))
    return (hint,) if inspect.isclass(hint) and issubclass(hint, Configurable) else ()


def call_of(value) -> tuple[str, dict] | None:
    """Class and arguments of plain data that is a call, `{ClassName: {argument: value}}`."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, arguments),) = value.items()
        if name in configurables() and (arguments is None or isinstance(arguments, dict)):
            return name, arguments or {}
    return None


def hints_of(target) -> dict[str, Any]:
    """Annotations of the arguments of a constructor or a recipe."""
    return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
