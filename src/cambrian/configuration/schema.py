"""JSON schema of recipe files, from the signatures: editors complete names and underline mistakes."""

import inspect
import types
import typing
from pathlib import Path
from typing import Any

from cambrian.configurable import describe
from cambrian.configuration.fine_tuning import FineTuning
from cambrian.configuration.recipe import recipes
from cambrian.configuration.settings import classes_in
from cambrian.contracts.catalogue import classes, configurables, contracts
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver

PLAIN = {float: "number", int: "integer", bool: "boolean", str: "string", type(None): "null", Path: "string"}


def first_sentence(thing) -> str:
    """The first sentence of a docstring."""
    words = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return words.partition(". ")[0].rstrip(".") + "." if words else ""


def schema() -> dict[str, Any]:
    """The schema: a published recipe with its parameters, a free composition, or a saved potential with a solver."""
    known = recipes()
    beside = {"seed": {"type": "integer"}, "resolved": {"type": "object", "description": "Noted by a fit; not read."}}
    beside |= arguments_schema(FineTuning)["properties"]
    published = [
        {
            "description": first_sentence(function),
            "properties": {
                "recipe": {"const": name},
                "parameters": arguments_schema(function, required=False),
                **beside,
            },
            "required": ["recipe"],
            "additionalProperties": False,
        }
        for name, function in known.items()
    ]
    potential = {"anyOf": [_contract(Potential), {"type": "array", "items": _contract(Potential)}]}
    composed = {
        "description": "A free composition; a list of potentials is their sum.",
        "properties": {"potential": potential, "solver": _contract(Solver), **beside},
        "required": ["potential", "solver"],
        "additionalProperties": False,
    }
    continued = {
        "description": "A saved potential, and the solver that changes it.",
        "properties": {"solver": _contract(Solver), **beside},
        "required": ["start", "solver"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cambrian recipe",
        "type": "object",
        "oneOf": [*published, composed, continued],
        "$defs": {name: arguments_schema(cls) for name, cls in configurables().items()}
        | {contract.__name__: _choices(contract) for contract in contracts()},
    }


def arguments_schema(target, *, required: bool = True) -> dict[str, Any]:
    """An object whose properties are the arguments of a constructor or recipe."""
    hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    parameters = [p for p in inspect.signature(target).parameters.values() if p.name != "self"]
    properties = {}
    for p in parameters:
        properties[p.name] = hint_schema(hints.get(p.name, Any))
        if p.default is not inspect.Parameter.empty:
            properties[p.name] = properties[p.name] | {"default": describe(p.default)}
    needed = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    made = {"type": "object", "description": first_sentence(target), "properties": properties}
    made |= {"required": needed} if needed and required else {}
    if not required:  # the parameters of a recipe may be dotted places such as solver.ridge
        return made | {"patternProperties": {r"\.": {}}, "additionalProperties": False}
    return made | {"additionalProperties": False}


def hint_schema(hint) -> dict[str, Any]:
    """The schema of a type annotation."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [hint_schema(part) for part in parts]}
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if origin in (list, tuple):
        inner = [p for p in parts if p is not Ellipsis]
        return {
            "type": "array",
            "items": {"anyOf": [hint_schema(p) for p in inner]} if len(inner) > 1 else hint_schema(inner[0]),
        }
    if origin is dict:
        return {"type": "object", "additionalProperties": hint_schema(parts[1])}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    return _contract(hint) if classes_in(hint) else {}


def _contract(cls: type) -> dict[str, str]:
    return {"$ref": f"#/$defs/{cls.__name__}"} if "rooms" in vars(cls) else _call(cls.__name__)


def _choices(contract: type) -> dict[str, Any]:
    names = sorted(classes(contract))
    own = {
        "type": "object",
        "patternProperties": {r"\.py:": {"type": ["object", "null"]}},
        "additionalProperties": False,
    }
    partial = {"type": "object", "description": "Changes to the object that stands in the default."}
    return {"anyOf": [{"enum": names}, *(_call(name) for name in names), own | {"minProperties": 1}, partial]}


def _call(name: str) -> dict[str, Any]:
    arguments = {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}
    return {"type": "object", "properties": {name: arguments}, "required": [name], "additionalProperties": False}
