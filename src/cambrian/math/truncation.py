"""How a curve V(r) ends at the cutoff rc.

    plain            V(r)
    energy-shifted   V(r) - V(rc)                              continuous energy
    force-shifted    V(r) - V(rc) - (r - rc) V'(rc)            continuous force; E. L. Pollock, J. N. Glosli (1996)
    enveloped        V(r) f(r)                                 as smooth as the envelope

A family of curves is a function of distances and of the row that each distance belongs to.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.math.envelopes import Envelope, PolynomialEnvelope

Curves = Callable[[Float[Tensor, "points"], Int[Tensor, "points"]], Float[Tensor, "points"]]


class Truncation(Configurable, ABC):
    """Brings curves to an end at a cutoff; `smoothness` counts continuous derivatives there, -1 for a jump."""

    rooms = ("math",)
    smoothness: float

    @abstractmethod
    def __call__(self, curves: Curves, distance: Tensor, row: Tensor, n_rows: int, cutoff: float) -> Tensor:
        """Values at distances below the cutoff, each on the curve of its row."""


class Plain(Truncation):
    """The curve as it is: the energy jumps at the cutoff."""

    smoothness = -1

    def __call__(self, curves: Curves, distance: Tensor, row: Tensor, n_rows: int, cutoff: float) -> Tensor:
        """V(r)."""
        return curves(distance, row)


class EnergyShifted(Truncation):
    """Lifted so that it ends at zero: the force jumps at the cutoff."""

    smoothness = 0

    def __call__(self, curves: Curves, distance: Tensor, row: Tensor, n_rows: int, cutoff: float) -> Tensor:
        """V(r) - V(rc)."""
        rows = torch.arange(n_rows, device=row.device)
        end = curves(distance.new_full((n_rows,), cutoff), rows)
        return curves(distance, row) - end[row]


class ForceShifted(Truncation):
    """Lifted and tilted so that energy and force end at zero."""

    smoothness = 1

    def __call__(self, curves: Curves, distance: Tensor, row: Tensor, n_rows: int, cutoff: float) -> Tensor:
        """V(r) - V(rc) - (r - rc) V'(rc)."""
        rows = torch.arange(n_rows, device=row.device)
        keep = torch.is_grad_enabled()
        with torch.enable_grad():
            at = distance.new_full((n_rows,), cutoff).requires_grad_()
            end = curves(at, rows)
            (slope,) = torch.autograd.grad(end.sum(), at, create_graph=keep)
        return curves(distance, row) - end[row] - (distance - cutoff) * slope[row]


class Enveloped(Truncation):
    """Multiplied by an envelope, which leaves the inner part as it is where the envelope has a plateau."""

    def __init__(self, envelope: Envelope = PolynomialEnvelope(order=2, inner_fraction=0.8)):  # noqa: B008 - immutable
        self.envelope = envelope
        self.smoothness = envelope.smoothness

    def __call__(self, curves: Curves, distance: Tensor, row: Tensor, n_rows: int, cutoff: float) -> Tensor:
        """V(r) f(r)."""
        return curves(distance, row) * self.envelope(distance, cutoff)
