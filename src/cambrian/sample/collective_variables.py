"""Collective variables: a few numbers that say how far a slow change has gone, with their derivatives.

    distance a b           |r_ab|                                                        Å
    angle a b c            between r_ba and r_bc                                         degrees
    torsion a b c d        of a-b-c-d about b-c, -180 to 180                             degrees, periodic
    coordination A B r0    Σ_{a in A} Σ_{b in B, b ≠ a} 1 / (1 + (|r_ab| / r0)⁶)         a number

Atoms count from 0. A group A is an element (`O`), or atoms joined by commas and ranges (`0,2,5-8`). Differences are
those to the nearest image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import find_mic
from numpy.typing import NDArray

from cambrian.contracts.catalogue import nearest
from cambrian.errors import UserError

DEGREE = np.pi / 180
N_ATOMS = {"distance": 2, "angle": 3, "torsion": 4}


@dataclass(frozen=True)
class CollectiveVariable:
    """A function of the differences r_j - r_i of some `pairs` (pairs, 2) of atoms; `period` is 0 where it has none."""

    name: str
    pairs: NDArray
    function: Callable[[NDArray], tuple[float, NDArray]]
    period: float = 0.0

    def value(self, atoms: Atoms) -> float:
        """The value alone."""
        return self.function(self._differences(atoms))[0]

    def value_and_slopes(self, atoms: Atoms) -> tuple[float, NDArray, NDArray]:
        """Value, its derivatives by positions (atoms, 3), and by strain (3, 3)."""
        differences = self._differences(atoms)
        value, slopes = self.function(differences)
        by_positions = np.zeros((len(atoms), 3))
        np.add.at(by_positions, self.pairs[:, 1], slopes)
        np.add.at(by_positions, self.pairs[:, 0], -slopes)
        return value, by_positions, differences.T @ slopes

    def difference(self, to: NDArray | float, since: NDArray | float) -> NDArray:
        """`to` - `since`, the short way round where the variable is periodic."""
        difference = np.asarray(to) - since
        return difference - self.period * np.round(difference / self.period) if self.period else difference

    def _differences(self, atoms: Atoms) -> NDArray:
        differences = atoms.positions[self.pairs[:, 1]] - atoms.positions[self.pairs[:, 0]]
        pbc: Any = atoms.pbc
        return find_mic(differences, atoms.cell, pbc)[0] if pbc.any() else differences


def collective_variable(text: str, atoms: Atoms) -> CollectiveVariable:
    """The variable that `text` names, for these atoms; raises UserError where it says nothing known."""
    kind, *words = str(text).split() or [""]
    if kind == "coordination" and len(words) == 3:
        first, second = (_group(word, atoms, text) for word in words[:2])
        pairs = np.array([(a, b) for a in first for b in second if a != b], dtype=int).reshape(-1, 2)
        radius = _number(words[2], text)
        if not len(pairs) or not radius > 0:
            raise UserError(f"'{text}' counts no pair of atoms; name two groups and a radius above 0 Å")
        return CollectiveVariable(text, pairs, lambda d: _coordination(d, radius))
    if kind in N_ATOMS and len(words) == N_ATOMS[kind]:
        members = [_atom(word, atoms, text) for word in words]
        if len(set(members)) < len(members):
            raise UserError(f"'{text}' names an atom twice")
        if kind == "distance":
            return CollectiveVariable(text, np.array([members]), _distance)
        if kind == "angle":
            a, b, c = members
            return CollectiveVariable(text, np.array([(b, a), (b, c)]), _angle)
        return CollectiveVariable(text, np.array(list(zip(members[:-1], members[1:], strict=True))), _torsion, 360.0)
    known = ("distance a b", "angle a b c", "torsion a b c d", "coordination A B r0")
    raise UserError(
        f"'{text}' is no collective variable{nearest(kind, [k.split()[0] for k in known])}; write {'; '.join(known)}, "
        "atoms counted from 0"
    )


def _atom(word: str, atoms: Atoms, text: str) -> int:
    if not word.isdigit() or int(word) >= len(atoms):
        raise UserError(f"'{text}': there is no atom '{word}'; they count from 0 to {len(atoms) - 1}")
    return int(word)


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UserError(f"'{text}': '{word}' is no number") from None


def _group(word: str, atoms: Atoms, text: str) -> list[int]:
    if word in atomic_numbers:
        found = np.flatnonzero(atoms.numbers == atomic_numbers[word]).tolist()
        if not found:
            raise UserError(f"'{text}': there is no {word} in {atoms.get_chemical_formula()}")
        return found
    members: list[int] = []
    for part in word.split(","):
        first, dash, last = part.partition("-")
        low = _atom(first, atoms, text)
        members += range(low, (_atom(last, atoms, text) if dash else low) + 1)
    return members


def _distance(d: NDArray) -> tuple[float, NDArray]:
    length = np.linalg.norm(d)
    return float(length), d / length


def _angle(d: NDArray) -> tuple[float, NDArray]:
    lengths = np.linalg.norm(d, axis=1)
    u, w = d / lengths[:, None]
    cosine, sine = u @ w, np.linalg.norm(np.cross(u, w))
    # where the three stand in line the angle has a kink: no direction, so no slope
    across = np.array([cosine * u - w, cosine * w - u]) / max(sine, 1e-8)
    return float(np.arctan2(sine, cosine) / DEGREE), across / lengths[:, None] / DEGREE


def _torsion(d: NDArray) -> tuple[float, NDArray]:
    first, axis, last = d
    length = np.linalg.norm(axis)
    n1, n2 = np.cross(first, axis), np.cross(axis, last)
    angle = np.arctan2(length * (first @ n2), n1 @ n2)
    n1, n2 = n1 / max(n1 @ n1, 1e-16), n2 / max(n2 @ n2, 1e-16)
    middle = -(first @ axis / length) * n1 - (last @ axis / length) * n2
    return float(angle / DEGREE), np.array([length * n1, middle, length * n2]) / DEGREE


def _coordination(d: NDArray, radius: float) -> tuple[float, NDArray]:
    ratio = np.einsum("px,px->p", d, d) / radius**2
    contacts = 1 / (1 + ratio**3)
    return float(contacts.sum()), (-6 * ratio**2 * contacts**2 / radius**2)[:, None] * d
