"""What `cambrian list` shows, and things by the names that commands know them by.

A check, labeller, sampler, selector or trigger is called by the name of its file on the command line: `nve_drift`,
`tblite`, `rattle`, `farthest_point`.
"""

import inspect
import re
from collections.abc import Iterable, Mapping

from cambrian.configuration.recipe import recipes
from cambrian.configuration.schema import first_sentence
from cambrian.configuration.settings import Setting, apply, defaults
from cambrian.contracts.catalogue import classes, construct, contracts, nearest
from cambrian.contracts.check import Check
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.sampler import Sampler
from cambrian.contracts.selector import Selector
from cambrian.contracts.trigger import Trigger
from cambrian.data.formats import formats
from cambrian.errors import UserError

CALLED_BY_FILE = (Check, Labeller, Sampler, Selector, Trigger)


def kinds() -> dict[str, dict[str, str]]:
    """Names and first sentences by kind: recipes, formats, and every contract with its concrete classes."""
    found = {"recipes": {name: first_sentence(function) for name, function in recipes().items()}}
    for contract in contracts():
        known = named(contract) if contract in CALLED_BY_FILE else classes(contract)
        found[plural(contract.__name__)] = {name: first_sentence(cls) for name, cls in known.items()}
    found["formats"] = {f.name: first_sentence(type(f)) for f in formats()}
    return dict(sorted(found.items(), key=lambda kind: (kind[0] != "recipes", kind[0])))


def named(contract: type) -> dict[str, type]:
    """The classes of a contract by the names of their files."""
    return {cls.__module__.rpartition(".")[2]: cls for cls in classes(contract).values()}


def class_of(contract: type, name: str) -> type:
    """The class of a contract that a command calls `name`; raises UserError with those there are."""
    known = named(contract)
    if name not in known:
        kind = contract.__name__.lower()
        raise UserError(f"there is no {kind} '{name}'{nearest(name, known)}; {kind}s are {', '.join(known)}")
    return known[name]


def make(contract: type, name: str, settings: Iterable[Setting] = ()):
    """An object by the name of its file, with settings of its constructor; raises UserError for wrong ones."""
    cls = class_of(contract, name)
    arguments = defaults(cls)
    for setting in settings:
        apply(cls, arguments, setting)
    missing = [p for p in inspect.signature(cls).parameters if p not in arguments]
    if missing:
        raise UserError(f"{name} needs {', '.join(missing)}: give it with --set {missing[0]}=...")
    return construct(cls, arguments, where=name)


def settings_by_name(texts: Iterable[str], names: Iterable[str]) -> Mapping[str, list[Setting]]:
    """`--set NAME.KEY=VALUE` sorted by the first word; raises UserError where it is none of `names`."""
    found: dict[str, list[Setting]] = {name: [] for name in names}
    for setting in map(Setting.parse, texts):
        first, *place = setting.place
        if first not in found or not place:
            raise UserError(f"{setting.where}: begin with one of {', '.join(found)}, such as {next(iter(found))}.KEY")
        found[first].append(Setting(tuple(place), setting.value, setting.where))
    return found


def plural(name: str) -> str:
    """`PairPotential` -> `pair-potentials`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    return words[:-1] + "ies" if words.endswith("y") else words + "s"
