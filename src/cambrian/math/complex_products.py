"""Products of spherical harmonics from complex to real and back; the complex ones as PACE has them.

    Y_lm = (-1)^m √(2l + 1)/√2 (C_lm + i S_lm)      Y_l,-m = √(2l + 1)/√2 (C_lm - i S_lm)      m > 0
    Y_l0 = √(2l + 1) C_l0

with C and S the columns m and -m of `spherical_harmonics` (Racah's normalization): Condon and Shortley's phase, and
√(4π) times the usual norm, so that Y_00 = 1. Sums over neighbors with real weights are related in the same way, and
Π Y_{l,-m} = (Π Y_lm)* where Σ m = 0: of m and -m one is enough, twice, with the real part taken.
"""

from functools import cache
from itertools import product
from math import sqrt

Columns = tuple[int, ...]  # of each factor, within its degree: m = 0 ... l, then -1 ... -l
Projections = tuple[int, ...]  # m of each factor


@cache
def real_product(orders: tuple[int, ...], projections: Projections) -> dict[Columns, float]:
    """Re Π Y_{l_t m_t} as a sum of products of real harmonics."""
    return _expanded([_from_real(degree, m) for degree, m in zip(orders, projections, strict=True)])


@cache
def complex_product(orders: tuple[int, ...], columns: Columns) -> dict[Projections, float]:
    """The product of real harmonics as Re Σ c Π Y_{l_t m_t}, one of each m and -m.

    Exact in sums that no rotation and no inversion changes, where only Σ m = 0 and real c remain.
    """
    halves: dict[Projections, float] = {}
    for projections, value in _expanded([_from_complex(d, c) for d, c in zip(orders, columns, strict=True)]).items():
        if sum(projections) == 0:
            mirrored = tuple(-m for m in projections)
            one = max(projections, mirrored)
            halves[one] = halves.get(one, 0.0) + value
    return halves


def _expanded(factors: list[dict[int, complex]]) -> dict[tuple[int, ...], float]:
    """The real part of the product of sums."""
    found = {}
    for parts in product(*(f.items() for f in factors)):
        value = complex(1.0)
        for _, coefficient in parts:
            value *= coefficient
        if value.real:
            found[tuple(key for key, _ in parts)] = value.real
    return found


def _from_real(degree: int, m: int) -> dict[int, complex]:
    """Y_lm by columns of real harmonics."""
    norm = sqrt(2 * degree + 1)
    if m == 0:
        return {0: complex(norm)}
    sign = (-1) ** m if m > 0 else 1
    return {abs(m): complex(sign * norm / sqrt(2)), degree + abs(m): (1j if m > 0 else -1j) * sign * norm / sqrt(2)}


def _from_complex(degree: int, column: int) -> dict[int, complex]:
    """A real harmonic by m of complex ones."""
    norm = 1 / sqrt(2 * degree + 1)
    if column == 0:
        return {0: complex(norm)}
    m = column if column <= degree else column - degree
    if column <= degree:
        return {m: complex((-1) ** m * norm / sqrt(2)), -m: complex(norm / sqrt(2))}
    return {m: -1j * (-1) ** m * norm / sqrt(2), -m: 1j * norm / sqrt(2)}
