"""The constructor is the configuration: every configurable object remembers the arguments that made it.

`describe` turns an object into plain data, `{ClassName: {argument: value}}`; `catalogue.build` turns it back. The YAML
of a recipe, `--set a.b=value` and the header of an archive are all this one form.
"""

import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np


class Configurable:
    """Records the arguments of the constructor, defaults included, in `arguments`."""

    arguments: Mapping = MappingProxyType({})  # a class without a constructor takes none

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" not in vars(cls):
            return
        construct = cls.__init__
        signature = inspect.signature(construct)

        @functools.wraps(construct)
        def recorded(self, *args, **kwargs):
            construct(self, *args, **kwargs)
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            given = dict(list(bound.arguments.items())[1:])
            object.__setattr__(self, "arguments", given)

        type.__setattr__(cls, "__init__", recorded)  # a plain assignment hides the signatures from type checkers


def describe(value):
    """Plain data (dict, list, str, number, None) that says how to build `value` again.

    Raises TypeError for a value that has no such form.
    """
    if isinstance(value, Configurable):
        return {type(value).__name__: {name: describe(v) for name, v in value.arguments.items()}}
    if isinstance(value, dict):
        return {str(name): describe(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} cannot stand in a configuration")
