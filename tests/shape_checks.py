"""The type checker of the tests: shapes and dtypes alone, so that no other annotation has to exist at run time.

    install_import_hook("cambrian", "shape_checks.shapes_alone")

Names of axes are bound once per call, over all arguments and the result.
"""

import typing
from types import NoneType

from beartype import beartype
from jaxtyping import AbstractArray


def shapes_alone(function):
    """Check the arguments and results of a function that are tensors of a stated shape, or nothing."""
    shapes = {name: hint for name, hint in function.__annotations__.items() if _is_shape(hint)}
    if not shapes:
        return function
    function.__annotations__ = shapes
    return beartype(function)


def _is_shape(hint) -> bool:
    parts = [p for p in typing.get_args(hint) if p is not NoneType]
    if parts:
        return all(_is_shape(p) for p in parts)
    return isinstance(hint, type) and issubclass(hint, AbstractArray)
