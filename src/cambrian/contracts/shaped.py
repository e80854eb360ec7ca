"""The capability of a descriptor with a few parameters inside its functions: what a separable fit changes from outside.

G_i = G(environment of i; shape[s_i]): the features of an atom depend on the row of its own element.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Shaped(Protocol):
    """A descriptor that has `shape`; a route from its `kernel()` keeps the shape that it was made with."""

    @property
    def shape(self) -> Float[Tensor, "elements parameters"]:
        """A copy of the parameters as they are now, a row for each element of a center; assign to set them."""
        ...

    @shape.setter
    def shape(self, values: Float[Tensor, "elements parameters"]) -> None: ...
