"""What `cambrian list` shows: every kind of thing, each thing with the first sentence of its docstring."""

import re

from cambrian.configuration.recipe import recipes
from cambrian.configuration.schema import first_sentence
from cambrian.contracts.catalogue import classes, contracts
from cambrian.contracts.check import Check
from cambrian.data.formats import formats
from cambrian.errors import UserError


def kinds() -> dict[str, dict[str, str]]:
    """Names and first sentences by kind: recipes, formats, and every contract with its concrete classes."""
    found = {"recipes": {name: first_sentence(function) for name, function in recipes().items()}}
    for contract in contracts():
        if contract is not Check:
            found[_plural(contract.__name__)] = {n: first_sentence(c) for n, c in classes(contract).items()}
    found["checks"] = {name: first_sentence(cls) for name, cls in checks().items()}
    found["formats"] = {f.name: first_sentence(type(f)) for f in formats()}
    return dict(sorted(found.items(), key=lambda kind: (kind[0] != "recipes", kind[0])))


def checks() -> dict[str, type[Check]]:
    """Checks by the name of their file, which is what the command line calls them."""
    return {cls.__module__.rpartition(".")[2]: cls for cls in classes(Check).values()}


def check_of(name: str) -> type[Check]:
    """The check of a name; raises UserError with those there are."""
    known = checks()
    if name not in known:
        raise UserError(f"there is no check '{name}'; checks are {', '.join(known)}")
    return known[name]


def _plural(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    return words[:-1] + "ies" if words.endswith("y") else words + "s"
