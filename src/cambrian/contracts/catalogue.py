"""The folder is the catalogue: every concrete class in a contract's rooms is found by its name, with no list to keep.

`build` turns plain data (`{ClassName: {argument: value}}`) into objects by calling constructors; a name or an argument
that does not exist is refused with the nearest right one.
"""

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import types
import typing
from functools import cache
from pathlib import Path

from cambrian.configurable import Configurable
from cambrian.errors import UserError

PACKAGE = "cambrian"
_own: dict[str, type] = {}  # classes that the user named by file; never filled from a model file


@cache
def classes(contract: type) -> dict[str, type]:
    """Concrete classes of a contract by name, from the files of its rooms."""
    found: dict[str, type] = {}
    for room in contract.rooms:
        for module in _modules(f"{PACKAGE}.{room}"):
            for name, value in vars(module).items():
                is_ours = inspect.isclass(value) and value.__module__ == module.__name__
                if is_ours and issubclass(value, contract) and not inspect.isabstract(value):
                    found[name] = value
    return dict(sorted(found.items()))


@cache
def _modules(package: str) -> tuple[types.ModuleType, ...]:
    home = importlib.import_module(package)
    names = [
        package,
        *(f"{package}.{m.name}" for m in pkgutil.iter_modules(home.__path__) if not m.name.startswith("_")),
    ]
    return tuple(importlib.import_module(name) for name in names)


def configurables() -> dict[str, type]:
    """Every concrete class that a configuration may name: those of the package and the user's own."""
    return _ours() | _own


@cache
def contracts() -> tuple[type, ...]:
    """Every contract that has rooms; importing a room may bring further contracts, so until there are no more."""
    importlib.import_module(f"{PACKAGE}.contracts")
    known: set[type] = set()
    while found := {c for c in _descendants(Configurable) if "rooms" in vars(c)} - known:
        known |= found
        for contract in found:
            classes(contract)
    return tuple(sorted(known, key=lambda c: (c.__name__, c.__module__)))


@cache
def _ours() -> dict[str, type]:
    return {name: cls for contract in contracts() for name, cls in classes(contract).items()}


def _descendants(cls: type) -> set[type]:
    return {d for child in cls.__subclasses__() for d in {child, *_descendants(child)}}


def build(value, *, where: str = "configuration") -> typing.Any:
    """Objects from plain data: a mapping with one key that names a class becomes a call of its constructor.

    Raises UserError for an unknown class, an unknown argument or a value of the wrong kind.
    """
    if isinstance(value, list):
        return [build(v, where=f"{where}[{k}]") for k, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, arguments),) = value.items()
        if isinstance(name, str) and (name in configurables() or (name[:1].isupper() and isinstance(arguments, dict))):
            arguments = {} if arguments is None else arguments
            if not isinstance(arguments, dict):
                raise UserError(f"{where}: {name} takes named arguments, {{name: value}}, not {arguments!r}")
            return construct(_found(name, where), arguments, where=f"{where}: {name}")
    return {k: build(v, where=f"{where}: {k}") for k, v in value.items()}


def find(name: str) -> type:
    """The class of a name; raises UserError with the nearest right one."""
    known = configurables()
    if name not in known:
        own = f"; a class of your own is named with its file, as in ./my_model.py:{name} (--own on the command line)"
        raise UserError(f"there is no '{name}'{nearest(name, known) or own}")
    return known[name]


def _found(name: str, where: str) -> type:
    try:
        return find(name)
    except UserError as error:
        raise error.at(where) from None


def construct(target, arguments: dict, *, where: str) -> typing.Any:
    """Call a constructor or a recipe with arguments from plain data, after checking their names and kinds."""
    check_names(target, arguments, where)
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    called = {name: _call_by_name(v, hints.get(name, typing.Any)) for name, v in arguments.items()}
    built = {name: build_argument(v, hints.get(name, typing.Any), f"{where}.{name}") for name, v in called.items()}
    for name, v in built.items():
        if name in hints and not fits(v, hints[name]):
            raise UserError(f"{where}: '{name}' cannot be {v!r}; it takes {spelled(hints[name])}")
    try:
        return target(**built)
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"{where}: {error}") from error


def build_argument(value, hint, where: str):
    """A value built where `hint` is expected: there a mapping stays one, even if its only key looks like a class."""
    kinds = (hint, *typing.get_args(hint)) if _is_union(hint) else (hint,)
    mapping = next((k for k in kinds if k is dict or typing.get_origin(k) is dict), None)
    if mapping is None or not isinstance(value, dict):
        return build(value, where=where)
    inner = (typing.get_args(mapping) or (None, typing.Any))[1]
    return {k: build_argument(v, inner, f"{where}.{k}") for k, v in value.items()}


def _is_union(hint) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _call_by_name(value: typing.Any, hint) -> typing.Any:
    """A class named by a word alone, where an object is expected, is a call without arguments."""
    kinds = typing.get_args(hint) if _is_union(hint) else (hint,)
    inner = next((typing.get_args(kind)[0] for kind in kinds if typing.get_origin(kind) is list), None)
    if isinstance(value, list) and inner is not None:
        return [_call_by_name(v, inner) for v in value]
    if isinstance(value, str) and value in configurables() and not fits(value, hint):
        return {value: {}}
    return value


def check_names(target, arguments: dict, where: str) -> None:
    """Raise UserError for an argument that `target` does not take."""
    parameters = inspect.signature(target).parameters.values()
    known = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for name in arguments:
        if name not in known:
            raise UserError(
                f"{where}: there is no '{name}'{nearest(name, known)}; it takes {', '.join(known) or 'nothing'}"
            )


def nearest(name: str, known) -> str:
    """A hint such as `; did you mean 'cutoff'?`, or nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def fits(value, hint) -> bool:
    """Whether a value suits a type annotation; an integer suits a float, a list suits a tuple."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any or hint is inspect.Parameter.empty or isinstance(hint, (str, typing.TypeVar)):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if origin in (list, tuple, typing.Sequence) or hint in (list, tuple):
        inner = [p for p in parts if p is not Ellipsis]
        return isinstance(value, (list, tuple)) and (not inner or all(any(fits(v, p) for p in inner) for v in value))
    if origin is dict or hint is dict:
        return isinstance(value, dict) and (not parts or all(fits(v, parts[1]) for v in value.values()))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is type(None):
        return value is None
    if hint is Path:
        return isinstance(value, (str, Path))
    return isinstance(value, hint) if inspect.isclass(hint) else True


def spelled(hint) -> str:
    """A type annotation in words a user reads."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(spelled(p) for p in parts)
    if origin is typing.Literal:
        return " or ".join(repr(p) for p in parts)
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "text", type(None): "null"}
    if hint in words:
        return words[hint]
    if origin in (list, tuple) and parts:
        return f"a list of {spelled(parts[0])}"
    if origin is dict and parts:
        return f"a mapping from names to {spelled(parts[1])}"
    if inspect.isclass(hint) and issubclass(hint, Configurable):
        suitable = [name for name, cls in configurables().items() if issubclass(cls, hint)]
        return f"an object of a class such as {', '.join(suitable[:8])}" if suitable else f"a {hint.__name__}"
    return getattr(hint, "__name__", str(hint))


def from_file(place: str):
    """The class or function of `path/to/file.py:Name`; from then on a configuration may name the class.

    Runs that file, so only where the user wrote the name. Raises UserError when it is not there.
    """
    path, _, name = place.rpartition(":")
    if not Path(path).is_file():
        raise UserError(f"there is no file '{path}' to take {name} from; write it as ./my_model.py:MyModel")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"'{path}' is no Python file to take {name} from; write it as ./my_model.py:MyModel")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise UserError(f"{path} defines no '{name}'{nearest(name, vars(module))}")
    found = getattr(module, name)
    if inspect.isclass(found) and issubclass(found, Configurable):
        if name in _ours():
            raise UserError(f"{path}: the package has a '{name}' already; give your class another name")
        _own[name] = found
    return found
