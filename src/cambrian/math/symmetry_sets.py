"""Sets of symmetry functions by a rule, decided for every central element once the elements are known."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, product

from cambrian.configurable import Configurable
from cambrian.errors import UserError
from cambrian.math.symmetry_functions import AnyFunction, CompactFunction, Core, Kind, SymmetryFunction
from cambrian.math.symmetry_grids import Grid, Intervals


class FunctionSet(Configurable, ABC):
    """Some symmetry functions, decided for every central element once the elements are known."""

    rooms = ("math", "descriptors")

    @abstractmethod
    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """Functions of a central element (atomic number); their neighbors are indices into `elements`."""


class Radial(FunctionSet):
    """Radial functions on a grid, for every element of neighbor; `cutoff` is the descriptor's where not given."""

    def __init__(self, grid: Grid, cutoff: float | None = None):
        self.grid, self.cutoff = grid, cutoff

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """By element, then by point of the grid."""
        reach = self.cutoff or cutoff
        for s, (eta, shift) in product(range(len(elements)), self.grid.points(reach)):
            yield SymmetryFunction("radial", (s,), eta, shift, reach)


class Angular(FunctionSet, ABC):
    """Angular functions on a grid, for every pair of elements, every ζ in `zetas` and every λ in `signs`."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Which of the angular forms it is: narrow or wide."""

    def __init__(
        self,
        grid: Grid,
        zetas: tuple[float, ...] = (1, 2, 4, 16),
        signs: tuple[float, ...] = (-1, 1),
        cutoff: float | None = None,
    ):
        if min(zetas) < 1:
            raise ValueError(
                f"zetas must be 1 or more, not {min(zetas)}: below, forces diverge where three atoms align"
            )
        self.grid, self.zetas, self.signs, self.cutoff = grid, zetas, signs, cutoff

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """By pair of elements, point of the grid, ζ, then λ."""
        reach = self.cutoff or cutoff
        pairs = combinations_with_replacement(range(len(elements)), 2)
        for pair, (eta, shift), zeta, sign in product(pairs, self.grid.points(reach), self.zetas, self.signs):
            yield SymmetryFunction(self.kind, pair, eta, shift, reach, zeta, sign)


class Narrow(Angular):
    """Narrow angular functions: all three sides of a triangle fade with distance (n2p2 type 3)."""

    @property
    def kind(self) -> Kind:
        """With the window of the third side."""
        return "narrow"


class Wide(Angular):
    """Wide angular functions: only the two sides at the center fade (n2p2 type 9); whole ζ cost no triplets."""

    @property
    def kind(self) -> Kind:
        """Without the window of the third side."""
        return "wide"


class CompactRadial(FunctionSet):
    """Functions on intervals of distance that need no envelope, for every element of neighbor (n2p2 type 20)."""

    def __init__(self, intervals: Intervals, core: Core = "p2", asymmetric: bool = False, cutoff: float | None = None):
        self.intervals, self.asymmetric, self.cutoff = intervals, asymmetric, cutoff
        self.core: Core = core

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """By element, then by interval."""
        for s, (low, high) in product(range(len(elements)), self.intervals.ends(self.cutoff or cutoff)):
            yield CompactFunction("radial", (s,), self.core, low, high, asymmetric=self.asymmetric)


class CompactAngular(FunctionSet, ABC):
    """Functions on intervals of distance and of angle, for every pair of elements.

    `n_angles` intervals of angle have their middles evenly from 0° to 180°, each reaching the middles of its neighbors.
    """

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Which of the angular forms it is: narrow or wide."""

    def __init__(
        self,
        intervals: Intervals,
        n_angles: int = 4,
        core: Core = "p2",
        asymmetric: bool = False,
        cutoff: float | None = None,
    ):
        if n_angles < 2:
            raise UserError(f"angles need at least two intervals, one at 0° and one at 180°, not {n_angles}")
        self.intervals, self.n_angles = intervals, n_angles
        self.core: Core = core
        self.asymmetric, self.cutoff = asymmetric, cutoff

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """By pair of elements, interval of distance, then of angle."""
        pairs = combinations_with_replacement(range(len(elements)), 2)
        step = 180.0 / (self.n_angles - 1)
        angles = [(step * (k - 1), step * (k + 1)) for k in range(self.n_angles - 1)] + [(180.0 - step, 180.0 + step)]
        for pair, (low, high), ends in product(pairs, self.intervals.ends(self.cutoff or cutoff), angles):
            yield CompactFunction(self.kind, pair, self.core, low, high, *ends, asymmetric=self.asymmetric)


class CompactNarrow(CompactAngular):
    """Narrow functions of compact support: all three sides lie in the interval (n2p2 type 21)."""

    @property
    def kind(self) -> Kind:
        """With the factor of the third side."""
        return "narrow"


class CompactWide(CompactAngular):
    """Wide functions of compact support: only the two sides at the center (n2p2 type 22)."""

    @property
    def kind(self) -> Kind:
        """Without the factor of the third side."""
        return "wide"


class Weighted(FunctionSet):
    """Another set without its split by element: each term is multiplied by the atomic numbers of its neighbors.

    So the number of functions does not grow with the number of elements (n2p2 types 12, 13 and 23 to 25).
    """

    def __init__(self, functions: FunctionSet):
        self.split = functions

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """As the other set has them for a single element."""
        for f in self.split.functions(center, elements[:1], cutoff):
            yield replace(f, neighbors=())
