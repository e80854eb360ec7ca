"""Symmetry functions in the words of n2p2 and RuNNer, and the order in which n2p2 counts them.

    symfunction_short El  2 E1    η r_s r_c                symfunction_short El 20 E1    r_l r_c core
    symfunction_short El  3 E1 E2 η λ ζ r_c [r_s]          symfunction_short El 21 E1 E2 r_l r_c θ_l θ_r core
    symfunction_short El  9 E1 E2 η λ ζ r_c [r_s]          symfunction_short El 22 E1 E2 r_l r_c θ_l θ_r core
    symfunction_short El 12       η r_s r_c                symfunction_short El 23       r_l r_c core
    symfunction_short El 13       η r_s λ ζ r_c            symfunction_short El 24       r_l r_c θ_l θ_r core      (25)

The order, of elements by atomic number, is by type, then r_c, η, r_s, ζ, λ, neighbors (Gaussian functions), or core,
neighbors, r_c, r_l, θ_l, θ_r (compact ones). Lengths are those of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

from cambrian.deploy.n2p2_keywords import Keywords, Line
from cambrian.elements import number
from cambrian.errors import UserError
from cambrian.math.symmetry_functions import AnyFunction, SymmetryFunction

GAUSSIAN = {2: ("radial", 1), 3: ("narrow", 2), 9: ("wide", 2), 12: ("radial", 0), 13: ("narrow", 0)}
COMPACT = {
    20: ("radial", 1),
    21: ("narrow", 2),
    22: ("wide", 2),
    23: ("radial", 0),
    24: ("narrow", 0),
    25: ("wide", 0),
}
TYPES = GAUSSIAN | COMPACT
WORDS = {2: "eta shift cutoff", 12: "eta shift cutoff", 3: "eta lambda zeta cutoff shift"}
WORDS |= {9: WORDS[3], 13: "eta shift lambda zeta cutoff", 20: "lower cutoff core", 23: "lower cutoff core"}
WORDS |= {t: "lower cutoff angle_low angle_high core" for t in (21, 22, 24, 25)}
LENGTHS = ("shift", "cutoff", "lower")


@dataclass(frozen=True)
class FileFunction:
    """A function as it stands in the file: its type, neighbors in the order of atomic number, numbers by name."""

    type: int
    neighbors: tuple[str, ...]
    values: dict[str, float]
    core: str = ""

    def order(self) -> tuple:
        """What n2p2 sorts by, within the functions of one element."""
        v, partners = self.values, tuple(number(e) for e in self.neighbors)
        if self.type in GAUSSIAN:
            return (self.type, *(v.get(k, 0.0) for k in ("cutoff", "eta", "shift", "zeta", "lambda")), partners)
        angles = tuple(v.get(k, 0.0) for k in ("angle_low", "angle_high"))
        return (self.type, self.core, partners, v["cutoff"], v["lower"], *angles)

    def row(self, length: float) -> dict:
        """As `Listed` has it, in Å, with the unit of length of the file in Å."""
        kind, _ = TYPES[self.type]
        values = {k: v * length if k in LENGTHS else v for k, v in self.values.items()}
        if self.type in GAUSSIAN:
            values["eta"] = values["eta"] / length**2
            return {"kind": kind, "neighbors": "-".join(self.neighbors), **values}
        core = {"core": self.core.removesuffix("a"), "asymmetric": self.core.endswith("a")}
        return {"kind": kind, "neighbors": "-".join(self.neighbors), **core, **values}

    def text(self, center: str) -> str:
        """The line of input.nn."""
        names = WORDS[self.type].split()
        if self.type in (3, 9) and not self.values["shift"]:
            names.remove("shift")
        values = [self.core if name == "core" else repr(self.values[name]) for name in names]
        return " ".join(["symfunction_short", center, str(self.type), *self.neighbors, *values])

    @classmethod
    def of(cls, function: AnyFunction, elements: list[str], length: float) -> "FileFunction":
        """From a function in Å, whose neighbors are indices into `elements`."""
        neighbors = tuple(elements[k] for k in function.neighbors)
        table = GAUSSIAN if isinstance(function, SymmetryFunction) else COMPACT
        types = [t for t, form in table.items() if form == (function.kind, len(neighbors))]
        if not types:
            raise UserError("n2p2 has no wide angular functions weighted by atomic numbers")
        if isinstance(function, SymmetryFunction):
            named = {"eta": function.eta, "shift": function.shift, "cutoff": function.cutoff}
            named |= {} if function.kind == "radial" else {"zeta": function.zeta, "lambda": function.lam}
            values, core = named | {"eta": function.eta * length**2}, ""
        else:
            values = {"lower": function.lower, "cutoff": function.cutoff}
            if function.kind != "radial":
                values |= {"angle_low": function.angle_low, "angle_high": function.angle_high}
            core = function.core + ("a" if function.asymmetric else "")
        values = {k: float(v / length if k in LENGTHS else v) for k, v in values.items()}
        return cls(types[0], neighbors, values, core)


def functions_in(keywords: Keywords, elements: list[str]) -> dict[str, list[FileFunction]]:
    """The functions of every element in the order of n2p2; `elements` in the order of atomic number."""
    found: dict[str, list[FileFunction]] = {e: [] for e in elements}
    for line in keywords.all("symfunction_short"):
        center, kind = _center(line, elements), _type(line, 1)
        n = TYPES[kind][1]
        neighbors = line.words[2 : 2 + n]
        for e in neighbors:
            if e not in elements:
                raise line.wrong(f"names '{e}', which is not among the elements {' '.join(elements)}")
        found[center].append(_function(line, kind, neighbors, 2 + n))
    for line in keywords.all("element_symfunction_short"):
        found[_center(line, elements)] += _for_all_neighbors(line, 1, elements)
    for line in keywords.all("global_symfunction_short"):
        for center in elements:
            found[center] += _for_all_neighbors(line, 0, elements)
    for e, functions in found.items():
        if not functions:
            raise UserError(f"{keywords.path}: {e} has no symmetry functions")
        functions.sort(key=FileFunction.order)
    return found


def _for_all_neighbors(line: Line, k: int, elements: list[str]) -> Iterator[FileFunction]:
    kind = _type(line, k)
    for neighbors in combinations_with_replacement(elements, TYPES[kind][1]):
        yield _function(line, kind, neighbors, k + 1)


def _center(line: Line, elements: list[str]) -> str:
    if not line.words or line.words[0] not in elements:
        raise line.wrong(f"must begin with one of the elements {' '.join(elements)}")
    return line.words[0]


def _type(line: Line, k: int) -> int:
    kind = line.whole(k)
    if kind not in TYPES:
        known = ", ".join(str(t) for t in TYPES)
        raise line.wrong(f"has type {kind}, which cannot be imported; those known are {known}")
    return kind


def _function(line: Line, kind: int, neighbors: tuple[str, ...], first: int) -> FileFunction:
    names = WORDS[kind].split()
    given = line.words[first:]
    if kind in (3, 9) and len(given) == len(names) - 1:
        names = names[:-1]
    if len(given) != len(names):
        raise line.wrong(f"of type {kind} takes {' '.join(names)}; {len(given)} of these {len(names)} values are there")
    values = {n: line.number(first + k) for k, n in enumerate(names) if n != "core"}
    if kind in (3, 9):
        values.setdefault("shift", 0.0)
    core = given[-1] if kind in COMPACT else ""
    if kind in COMPACT and core not in ("p1", "p2", "p3", "p4", "p1a", "p2a", "p3a", "p4a", "e"):
        raise line.wrong(f"has the core '{core}'; those known are p1 to p4, p1a to p4a, e")
    if values["cutoff"] <= 0:
        raise line.wrong("has a cutoff that is not positive")
    return FileFunction(kind, tuple(sorted(neighbors, key=number)), values, core)
