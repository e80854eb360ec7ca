"""Sets of symmetry functions that follow from the cutoff alone, by the two published rules.

    Imbalzano    widths and shells in geometric series: fine near the center, where energies change fast
    Gastegger    even widths and shells: the same resolution everywhere

Each has radial functions around the center and on shells, and angular ones likewise; the grids are those of
math/symmetry_grids.py, for the descriptor's cutoff r_c.

G. Imbalzano et al., J. Chem. Phys. 148, 241730 (2018); M. Gastegger et al., J. Chem. Phys. 148, 241709 (2018).
"""

from collections.abc import Iterator
from typing import Literal

from cambrian.math.symmetry_functions import AnyFunction
from cambrian.math.symmetry_grids import (
    GasteggerCentered,
    GasteggerShifted,
    Grid,
    ImbalzanoCentered,
    ImbalzanoShifted,
)
from cambrian.math.symmetry_sets import FunctionSet, Narrow, Radial, Wide

AngularKind = Literal["narrow", "wide"]
ANGULAR = {"narrow": Narrow, "wide": Wide}


class Imbalzano(FunctionSet):
    """`n_radial` functions around the center and as many on shells from r_c inward, with widths that fit the gaps.

    Angular functions of one `kind` have `n_angular` of each, with every exponent of `zetas` and both signs.
    """

    def __init__(
        self,
        n_radial: int = 6,
        n_angular: int = 3,
        zetas: tuple[float, ...] = (1, 4, 16),
        kind: AngularKind = "wide",
    ):
        self.sets = _radial_and_angular(
            [ImbalzanoCentered(n_radial), ImbalzanoShifted(n_radial)],
            [ImbalzanoCentered(n_angular), ImbalzanoShifted(n_angular)],
            zetas,
            kind,
        )

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """Radial, then angular; around the center, then on shells."""
        for one in self.sets:
            yield from one.functions(center, elements, cutoff)


class Gastegger(FunctionSet):
    """`n_radial` functions around the center and as many on shells, evenly from `first` Å to 0.5 Å before the cutoff.

    Angular functions of one `kind` have `n_angular` of each, with every exponent of `zetas` and both signs.
    """

    def __init__(
        self,
        n_radial: int = 8,
        n_angular: int = 4,
        zetas: tuple[float, ...] = (1, 4),
        kind: AngularKind = "wide",
        first: float = 1.0,
    ):
        self.sets = _radial_and_angular(
            [GasteggerCentered(n_radial, first), GasteggerShifted(n_radial, first)],
            [GasteggerCentered(n_angular, first), GasteggerShifted(n_angular, first)],
            zetas,
            kind,
        )

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """Radial, then angular; around the center, then on shells."""
        for one in self.sets:
            yield from one.functions(center, elements, cutoff)


def _radial_and_angular(
    radial: list[Grid], angular: list[Grid], zetas: tuple[float, ...], kind: AngularKind
) -> list[FunctionSet]:
    return [*(Radial(grid) for grid in radial), *(ANGULAR[kind](grid, zetas=zetas) for grid in angular)]
