"""Products of real spherical harmonics that no rotation and no inversion changes: generalised Clebsch-Gordan tensors.

    C^{LM}_{l1 m1, l2 m2}  couples Y_l1 Y_l2 to something that turns as Y_L
    I_{m1 ... mν} = Σ C^{L2}_{l1, l2} C^{L3}_{L2, l3} ... δ_{L_ν-1, l_ν}          Σ l even; one per chain L2, L3 ...

All is real: with Y^real = U Y^complex the tensors (U ⊗ U ⊗ U) C are real or, where l1 + l2 + L is odd, imaginary, and
the factor i is dropped. Where slots are of one kind their values commute: only the part of I that is symmetric in them
counts, and several chains may then say the same. They are made orthogonal one after the other; a chain that leaves
less than RANK_LIMIT of its length is none.
R. Drautz, Phys. Rev. B 99, 014104 (2019); G. Dusson et al., J. Comput. Phys. 454, 110946 (2022).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from cambrian.math.wigner import clebsch_gordan

RANK_LIMIT = 1e-10
SMALL = 1e-13


@dataclass(frozen=True)
class Invariants:
    """Independent invariants as polynomials: Σ_k coefficients[i, k] Π_t Y_{l_t, columns[k, t]}.

    `columns` count within the degree in the order of `spherical_harmonics` (m = 0 ... l, then -1 ... -l), ascending
    among slots of one kind.
    """

    columns: Int[NDArray, "terms slots"]
    coefficients: Float[NDArray, "invariants terms"]


@cache
def invariants(orders: tuple[int, ...], kinds: tuple[int, ...]) -> Invariants:
    """Independent invariants of slots with degrees `orders`; equal numbers in `kinds` mark slots of one kind.

    Slots of one kind stand side by side and have one degree.
    """
    tensors = _chains(orders) if sum(orders) % 2 == 0 else []
    if not tensors:
        return Invariants(np.zeros((0, len(orders)), dtype=np.int64), np.zeros((0, 0)))
    nonzero = np.any([np.abs(t) > SMALL for t in tensors], axis=0)
    places = np.argwhere(nonzero)
    columns, term = np.unique(_sorted_within(places, kinds), axis=0, return_inverse=True)
    term = term.reshape(-1)
    sums = np.zeros((len(tensors), len(columns)))
    for row, tensor in zip(sums, tensors, strict=True):
        np.add.at(row, term, tensor[nonzero])
    count = _orderings(columns, kinds)
    kept = _orthogonal(sums / np.sqrt(count)) * np.sqrt(count)
    used = np.any(np.abs(kept) > SMALL, axis=0)
    return Invariants(columns[used], np.where(np.abs(kept) > SMALL, kept, 0.0)[:, used])


@cache
def real_clebsch_gordan(l1: int, l2: int, l: int) -> Float[NDArray, "m m1 m2"]:  # noqa: E741 - the degree's name
    """C^{lm}_{l1 m1, l2 m2} of real harmonics in the order of `spherical_harmonics`."""
    whole = np.einsum(
        "ax,xyz,by,cz->abc",
        _to_real(l),
        clebsch_gordan(2 * l1, 2 * l2, 2 * l),
        _to_real(l1).conj(),
        _to_real(l2).conj(),
    )
    table = np.ascontiguousarray(whole.real if (l1 + l2 + l) % 2 == 0 else whole.imag)
    table.setflags(write=False)
    return table


@cache
def _to_real(l: int) -> NDArray:  # noqa: E741 - the degree's name
    """U (2l + 1, 2l + 1): real harmonics from complex ones of m = -l ... l with Condon and Shortley's phase."""
    table = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    table[0, l] = 1
    for m in range(1, l + 1):
        sign = (-1) ** m / np.sqrt(2)
        table[m, l + m], table[m, l - m] = sign, 1 / np.sqrt(2)
        table[l + m, l + m], table[l + m, l - m] = -1j * sign, 1j / np.sqrt(2)
    return table


def _chains(orders: tuple[int, ...]) -> list[NDArray]:
    """The invariant tensor of every chain of intermediate degrees."""
    if len(orders) == 1:
        return [np.ones(1)] if orders[0] == 0 else []
    found = [(orders[0], np.eye(2 * orders[0] + 1))]
    for k, l in enumerate(orders[1:-1]):  # noqa: E741 - the degree's name
        most = sum(orders[k + 2 :])  # what the slots to come can bring back to zero
        found = [
            (reached, np.tensordot(tensor, real_clebsch_gordan(before, l, reached), axes=(-1, 1)).swapaxes(-1, -2))
            for before, tensor in found
            for reached in range(abs(before - l), min(before + l, most) + 1)
        ]
    return [tensor for reached, tensor in found if reached == orders[-1]]


def _sorted_within(places: Int[NDArray, "places slots"], kinds: tuple[int, ...]) -> Int[NDArray, "places slots"]:
    """Columns ascending among slots of one kind."""
    found = places.copy()
    for kind in set(kinds):
        slots = [t for t, k in enumerate(kinds) if k == kind]
        found[:, slots] = np.sort(places[:, slots], axis=1)
    return found


def _orderings(columns: Int[NDArray, "terms slots"], kinds: tuple[int, ...]) -> Float[NDArray, "terms"]:
    """How many orders of its columns among slots of one kind each term has."""
    count = np.ones(len(columns))
    for kind in set(kinds):
        slots = [t for t, k in enumerate(kinds) if k == kind]
        part = columns[:, slots]
        run = np.ones(len(columns))
        for t in range(1, len(slots)):
            run = np.where(part[:, t] == part[:, t - 1], run + 1, 1.0)
            count *= (t + 1) / run
    return count


def _orthogonal(rows: Float[NDArray, "rows terms"]) -> Float[NDArray, "independent terms"]:
    """Orthonormal rows that span the same, each from the first of the rows that is not in the span of those before."""
    kept: list[NDArray] = []
    for row in rows:
        length = np.linalg.norm(row)
        if length <= RANK_LIMIT:
            continue
        rest = row / length
        for _ in range(2):  # twice is enough
            rest = rest - sum((other * (other @ rest) for other in kept), start=np.zeros_like(rest))
        left = np.linalg.norm(rest)
        if left > RANK_LIMIT:
            kept.append(rest / left)
    return np.array(kept).reshape(len(kept), rows.shape[1])
