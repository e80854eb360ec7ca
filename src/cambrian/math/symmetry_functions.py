"""What one atom-centered symmetry function is: two flat records, read by every route that computes them.

Gaussian functions (`SymmetryFunction`) with w(r) = e^(-η (r - r_s)²) f(r), f an envelope that ends at the cutoff:

    radial    G = Σ_j w(r_j)
    wide      G = 2^(1-ζ) Σ_{j<k} (1 + λ cos θ_jk)^ζ w(r_j) w(r_k)
    narrow    the same with a third factor w(r_jk)

Compact functions (`CompactFunction`), which end by themselves and have no envelope:

    radial    G = Σ_j C(r_j)
    wide      G = Σ_{j<k} A(θ_jk) C(r_j) C(r_k)
    narrow    the same with a third factor C(r_jk)

    C(r) = g(x), or g(x (2 - x)) where asymmetric;  x = |r - c| / h,  c = (lower + cutoff)/2,  h = (cutoff - lower)/2
    A(θ) = g(|θ - a| / b),  a = (angle_low + angle_high)/2,  b = (angle_high - angle_low)/2
    g = 0 from 1 on; p1 ... p4: the polynomials of math/envelopes.py of order 1 to 4;  e: g(x) = exp(1 - 1/(1 - x²))

Sums run over neighbors j, or unordered pairs of neighbors, of the elements in `neighbors`. With `neighbors` empty they
run over all, and each term is multiplied by Z_j, or Z_j Z_k: weighted functions, as many for ten elements as for one.

              radial   narrow   wide
    Gaussian       2        3      9      numbers of the types in n2p2 and RuNNer
    weighted      12       13      -
    compact       20       21     22
    weighted      23       24     25

J. Behler, J. Chem. Phys. 134, 074106 (2011); M. Gastegger et al., J. Chem. Phys. 148, 241709 (2018);
M. P. Bircher, A. Singraber, C. Dellago, Mach. Learn.: Sci. Technol. 2, 035026 (2021).
"""

from dataclasses import dataclass
from typing import Literal, get_args

from cambrian.errors import UserError

Kind = Literal["radial", "narrow", "wide"]
Core = Literal["p1", "p2", "p3", "p4", "e"]


@dataclass(frozen=True)
class SymmetryFunction:
    """A Gaussian function.

    kind: radial, narrow or wide.
    neighbors: indices into the list of elements: one (radial), two in ascending order (narrow, wide), or none at all
        for every neighbor weighted by its atomic number.
    eta: η in 1/Å².
    shift: r_s in Å.
    cutoff: where the envelope ends, Å.
    zeta, lam: ζ >= 1 and λ (usually 1 or -1) of narrow and wide functions.
    """

    kind: Kind
    neighbors: tuple[int, ...]
    eta: float
    shift: float
    cutoff: float
    zeta: float = 0.0
    lam: float = 0.0


@dataclass(frozen=True)
class CompactFunction:
    """A function of compact support; raises UserError for an interval that is empty or not smooth at 0° or 180°.

    kind: radial, narrow or wide.
    neighbors: as for `SymmetryFunction`.
    core: g, which shapes the radial and the angular factor.
    lower, cutoff: ends of the interval of distances, Å; `lower` may be negative (-cutoff: a hill at the center).
    angle_low, angle_high: ends of the interval of angles in degrees; of narrow and wide functions. They may pass 0 or
        180 only where the interval is centered there.
    asymmetric: whether the radial factor (never the angular one) takes x (2 - x) in place of x, which is narrower.
    """

    kind: Kind
    neighbors: tuple[int, ...]
    core: Core
    lower: float
    cutoff: float
    angle_low: float = 0.0
    angle_high: float = 180.0
    asymmetric: bool = False

    def __post_init__(self):
        if self.core not in get_args(Core):
            raise UserError(f"there is no core '{self.core}'; choose one of {', '.join(get_args(Core))}")
        if self.lower >= self.cutoff:
            raise UserError(f"no distance lies between {self.lower} and {self.cutoff} Å; the lower end comes first")
        low, high = self.angle_low, self.angle_high
        if low >= high or high - low > 360:
            raise UserError(f"angles from {low}° to {high}° are no interval of at most 360°; the lower end comes first")
        if (low < 0 and low + high != 0) or (high > 180 and low + high != 360):
            raise UserError(
                f"angles from {low}° to {high}° pass the end of the half circle, where the function would have a kink; "
                "an interval may do so only with its middle at 0° or 180°"
            )


AnyFunction = SymmetryFunction | CompactFunction
