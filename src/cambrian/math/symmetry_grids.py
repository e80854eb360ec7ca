"""Grids of widths η and shifts r_s, and intervals, for atom-centered symmetry functions with a cutoff r_c.

    Imbalzano, centered    η_m = (n^(m/n) / r_c)²          r_s = 0                        m = 0 ... n, n = number - 1
    Imbalzano, shifted     η_k = (r_(k-1) - r_k)^-2        r_s = r_k = r_c n^(-k/n)       k = 1 ... n, n = number
    Gastegger, centered    η_i = 1 / (2 g_i²)              r_s = 0                        g_i = r_0 + i Δr
    Gastegger, shifted     η = 1 / (2 Δr²)                 r_s = g_i                      g from r_0 to r_N

    intervals, centered    from -r_i to r_i                r_i evenly from r_0 to r_c
    intervals, shifted     from r_i - Δr to r_i + Δr       r_i evenly from r_0 to r_c - Δr

G. Imbalzano et al., J. Chem. Phys. 148, 241730 (2018); M. Gastegger et al., J. Chem. Phys. 148, 241709 (2018).
Secondary sources misprint the exponents m/n as binomials, and pair a width with the wrong shift.
"""

from abc import ABC, abstractmethod

from cambrian.configurable import Configurable
from cambrian.errors import UserError

GAP_TO_CUTOFF = 0.5  # Å that Gastegger's grids leave between the last point and the cutoff


class Grid(Configurable, ABC):
    """Widths η (1/Å²) and shifts r_s (Å) of a set of functions."""

    rooms = ("math",)

    @abstractmethod
    def points(self, cutoff: float) -> list[tuple[float, float]]:
        """Pairs (η, r_s) for a cutoff in Å."""


class ImbalzanoCentered(Grid):
    """`n` functions at the center, widths in a geometric series from the cutoff inward."""

    def __init__(self, n: int):
        self.n = _at_least(n, 2)

    def points(self, cutoff: float) -> list[tuple[float, float]]:
        """Widest first: η from 1/r_c² to (n - 1)²/r_c²."""
        n = self.n - 1
        return [((n ** (m / n) / cutoff) ** 2, 0.0) for m in range(self.n)]


class ImbalzanoShifted(Grid):
    """`n` functions on shells in a geometric series, each as wide as its gap to the next outer one."""

    def __init__(self, n: int):
        self.n = _at_least(n, 2)

    def points(self, cutoff: float) -> list[tuple[float, float]]:
        """Outermost first."""
        shells = [cutoff * self.n ** (-k / self.n) for k in range(self.n + 1)]
        return [((outer - inner) ** -2, inner) for outer, inner in zip(shells[:-1], shells[1:], strict=True)]


class GasteggerCentered(Grid):
    """`n` functions at the center with Gaussian widths evenly from `first` to `last` Å (or cutoff - 0.5 Å)."""

    def __init__(self, n: int, first: float = 1.0, last: float | None = None):
        self.n, self.first, self.last = _at_least(n, 2), first, last

    def points(self, cutoff: float) -> list[tuple[float, float]]:
        """Narrowest first."""
        return [(1 / (2 * g**2), 0.0) for g in evenly(self.first, self.last or cutoff - GAP_TO_CUTOFF, self.n)]


class GasteggerShifted(Grid):
    """`n` functions of one width on shells evenly from `first` to `last` Å (or cutoff - 0.5 Å)."""

    def __init__(self, n: int, first: float = 1.0, last: float | None = None):
        self.n, self.first, self.last = _at_least(n, 2), first, last

    def points(self, cutoff: float) -> list[tuple[float, float]]:
        """Innermost first."""
        shells = evenly(self.first, self.last or cutoff - GAP_TO_CUTOFF, self.n)
        return [(1 / (2 * (shells[1] - shells[0]) ** 2), g) for g in shells]


class Points(Grid):
    """Pairs [η in 1/Å², r_s in Å] one by one."""

    def __init__(self, pairs: list[list[float]]):
        self.pairs = pairs

    def points(self, cutoff: float) -> list[tuple[float, float]]:
        """As given."""
        return [(float(eta), float(shift)) for eta, shift in self.pairs]


class Intervals(Configurable, ABC):
    """Ends of the intervals (Å) on which functions of compact support live."""

    rooms = ("math",)

    @abstractmethod
    def ends(self, cutoff: float) -> list[tuple[float, float]]:
        """Pairs (lower, upper) for a cutoff in Å; the lower end may be negative."""


class CenteredIntervals(Intervals):
    """`n` hills around the center, which end evenly from `first` Å to the cutoff."""

    def __init__(self, n: int, first: float = 2.0):
        self.n, self.first = _at_least(n, 2), first

    def ends(self, cutoff: float) -> list[tuple[float, float]]:
        """Narrowest first."""
        return [(-r, r) for r in evenly(self.first, cutoff, self.n)]


class ShiftedIntervals(Intervals):
    """`n` hills with their tops evenly from `first` Å, each ending at its neighbors' tops, the last at the cutoff."""

    def __init__(self, n: int, first: float = 1.0):
        self.n, self.first = _at_least(n, 2), first

    def ends(self, cutoff: float) -> list[tuple[float, float]]:
        """Innermost first."""
        tops = evenly(self.first, cutoff, self.n + 1)
        step = tops[1] - tops[0]
        return [(top - step, top + step) for top in tops[:-2]] + [(tops[-2] - step, cutoff)]


class IntervalEnds(Intervals):
    """Pairs [lower, upper] in Å one by one."""

    def __init__(self, pairs: list[list[float]]):
        self.pairs = pairs

    def ends(self, cutoff: float) -> list[tuple[float, float]]:
        """As given."""
        return [(float(lower), float(upper)) for lower, upper in self.pairs]


def evenly(first: float, last: float, n: int) -> list[float]:
    """`n` numbers from `first` to `last`, both included; raises UserError where they are none of a grid (Å)."""
    if not 0 < first < last:
        raise UserError(f"a grid from {first} to {last} Å is empty; make the cutoff longer or `first` smaller")
    return [first + k * (last - first) / (n - 1) for k in range(n)]


def _at_least(n: int, least: int) -> int:
    if n < least:
        raise UserError(f"this grid needs at least {least} functions, not {n}")
    return n
