"""A recipe as it will be run: every effective value as plain data, from which potential and solver are built.

recipe: snap                     a published method by its name, or ./my_recipe.py:my_recipe
parameters: {cutoff: 4.7}

potential: [{ZBL: {}}, {DescriptorPotential: {...}}]     or a free composition; a list is a sum
solver: {LeastSquares: {ridge: 1e-8}}

Beside either may stand `start:` (fine_tuning.py) and `resolved:`, in which a fit notes what the data decided.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cambrian.configurable import describe
from cambrian.configuration import fine_tuning
from cambrian.configuration.fine_tuning import FineTuning, is_model_file
from cambrian.configuration.settings import Setting, apply, call_of, defaults, hints_of
from cambrian.configuration.yaml_text import dump, parse_file
from cambrian.contracts.catalogue import build_argument, construct, find, from_file, nearest
from cambrian.contracts.force_model import Model
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.errors import UserError

FORMS = "`recipe:` with `parameters:`, or `potential:` with `solver:`; `seed:` and `start:` beside them"
KEYS = ("recipe", "parameters", "potential", "solver", "seed", "resolved", *fine_tuning.KEYS)


def recipes() -> dict[str, Callable[..., tuple[Model, Solver]]]:
    """Recipes by name: each file of the folder defines a function of its own name."""
    home = importlib.import_module("cambrian.recipes")
    names = [m.name for m in pkgutil.iter_modules(home.__path__) if not m.name.startswith("_")]
    return {name: getattr(importlib.import_module(f"{home.__name__}.{name}"), name) for name in sorted(names)}


@dataclass(frozen=True)
class Recipe:
    """Effective values: `content` is what the YAML file of this recipe holds, `own` where the user's classes stand.

    `tuning` says which saved potential the fit goes on from, if any.
    """

    name: str
    content: dict[str, Any]
    seed: int | None = None
    own: dict[str, str] = field(default_factory=dict)
    tuning: FineTuning | None = None

    @classmethod
    def of(cls, source: str, settings: Iterable[Setting] = ()) -> "Recipe":
        """From a recipe's name, `file.py:function`, a YAML file or a saved potential, with settings applied on top.

        Raises UserError for what does not exist, an unknown argument or a value of the wrong kind.
        """
        content, settings = _content(source), list(settings)
        content.pop("resolved", None)
        tuning = FineTuning.taken_from(content, settings, source)
        if tuning is not None:
            content = tuning.completed(content)
        if not {"recipe", "potential"} & set(content):
            raise UserError(f"{source}: a recipe file holds {FORMS}")
        own: dict[str, str] = {}
        content = {key: _adopted(value, own) for key, value in content.items()}
        seed = content.get("seed")
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise UserError(f"{source}: 'seed' cannot be {seed!r}; it takes a whole number")
        make = _published if "recipe" in content else _composed
        name, effective = make(content, source, settings)
        return cls(name, effective, seed, own, tuning)

    def build(self) -> tuple[Model, Solver]:
        """Fresh objects, not yet set up; or the saved potential that the fit goes on from."""
        target = _function(self.content["recipe"]) if "recipe" in self.content else _composition
        arguments = self.content["parameters"] if "recipe" in self.content else self.content
        potential, solver = construct(target, arguments, where=self.name)
        return (potential if self.tuning is None else self.tuning.potential(potential)), solver

    def build_potential(self) -> tuple[Potential, Solver]:
        """As `build`, for what cannot do without an energy; raises UserError for a recipe of forces alone."""
        model, solver = self.build()
        if not isinstance(model, Potential):
            raise UserError(f"{self.name}: it has forces without an energy, which is needed here; take another recipe")
        return model, solver

    def text(self, seed: int, resolved: dict[str, Any] | None = None) -> str:
        """The YAML file that gives the same fit on the same data; `resolved` is noted in it for the reader."""
        beside = {} if self.tuning is None else self.tuning.content()
        noted = {} if resolved is None else {"resolved": resolved}
        return dump(_with_places(self.content, self.own) | beside | {"seed": seed} | noted)


def _content(source: str) -> dict:
    """What the file holds, or a file would hold that names the same."""
    if is_model_file(source):
        return {"start": source}
    if Path(source).suffix not in (".yaml", ".yml"):
        return {"recipe": source}
    content = parse_file(Path(source))
    if not isinstance(content, dict):
        raise UserError(f"{source}: a recipe file holds {FORMS}")
    for key in content:
        if key not in KEYS:
            raise UserError(f"{source}: there is no '{key}'{nearest(key, KEYS)}; a recipe file holds {FORMS}")
    return content


def _published(content: dict, source: str, settings: list[Setting]) -> tuple[str, dict]:
    for key in ("potential", "solver"):
        if key in content:
            raise UserError(f"{source}: '{key}' cannot stand beside 'recipe'; write it under 'parameters'")
    name = content["recipe"]
    function = _function(name)
    arguments = defaults(function)
    given = content.get("parameters") or {}
    if not isinstance(given, dict):
        raise UserError(f"{source}: 'parameters' takes a mapping from names to values, not {given!r}")
    for setting in [*Setting.all_of(given, source), *settings]:
        apply(function, arguments, setting)
    missing = [p for p in inspect.signature(function).parameters if p not in arguments]
    if missing:
        raise UserError(f"recipe {name} needs {', '.join(missing)}: give it with --set {missing[0]}=... or in a file")
    short = name.rpartition(":")[2]
    effective = _effective(function, arguments, short)
    return short, {"recipe": name, "parameters": effective}


def _composed(content: dict, source: str, settings: list[Setting]) -> tuple[str, dict]:
    if "parameters" in content:
        raise UserError(f"{source}: 'parameters' goes with 'recipe'; a composition has 'potential' and 'solver' only")
    if content.get("solver") is None:
        raise UserError(f"{source}: a composition needs 'solver' too, for example `solver: {{LeastSquares: {{}}}}`")
    potential = content["potential"]
    arguments = {
        "potential": {"Sum": {"parts": potential}} if isinstance(potential, list) else potential,
        "solver": content["solver"],
    }
    arguments = {key: _called(value, f"{source}: {key}") for key, value in arguments.items()}
    for setting in settings:
        apply(_composition, arguments, setting)
    return Path(source).stem, _effective(_composition, arguments, source)


def _composition(potential: Model, solver: Solver) -> tuple[Model, Solver]:
    """The recipe that a free composition is."""
    return potential, solver


def _function(name: str) -> Callable[..., tuple[Model, Solver]]:
    if not isinstance(name, str):
        raise UserError(f"a recipe is named by a word, not {name!r}")
    if ".py:" in name:
        found = from_file(name)
        if inspect.isclass(found):
            raise UserError(f"{name} is a class; name it under `potential:` in a YAML file, or write a recipe function")
        return found
    known = recipes()
    if name not in known:
        raise UserError(
            f"there is no recipe '{name}'{nearest(name, known)}; recipes are {', '.join(known)}, or give a YAML file"
        )
    return known[name]


def _called(value, where: str):
    """A class named without arguments becomes a call without arguments."""
    if isinstance(value, str):
        value = {value: {}}
    if call_of(value) is None:
        if isinstance(value, dict) and len(value) == 1:
            find(str(next(iter(value))))  # refuses an unknown class with the nearest one
        raise UserError(f"{where}: write the name of one class with its arguments: {{ClassName: {{argument: value}}}}")
    return value


def _effective(target, arguments: dict, where: str) -> dict:
    """The arguments with every default inside them spelled out; raises UserError where `target` refuses them."""
    hints = hints_of(target)
    built = {key: build_argument(v, hints.get(key, Any), f"{where}: {key}") for key, v in arguments.items()}
    effective = {key: describe(v) for key, v in built.items()}
    construct(target, effective, where=where)
    return effective


def _adopted(value, own: dict[str, str]):
    """Plain data in which `./file.py:Class` is replaced by the name of the class, which is then known."""
    if isinstance(value, list):
        return [_adopted(v, own) for v in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, inner in value.items():
        if isinstance(key, str) and ".py:" in key:
            from_file(key)
            own[key.rpartition(":")[2]] = key
            key = key.rpartition(":")[2]
        changed[key] = _adopted(inner, own)
    return changed


def _with_places(value, own: dict[str, str]):
    if isinstance(value, list):
        return [_with_places(v, own) for v in value]
    if isinstance(value, dict):
        return {own.get(k, k): _with_places(v, own) for k, v in value.items()}
    return value
