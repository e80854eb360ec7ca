"""Words of n2p2 and RuNNer that reading and writing share: units, activations, cutoff functions.

cutoff_type    0 hard   1 cosine   2 tanh³   3 tanh³ brought to 1 at r = 0   4 exponential   5 to 8 polynomials

The second word of cutoff_type is the inner cutoff as a share of the outer one.
"""

from cambrian.configurable import describe
from cambrian.errors import UserError
from cambrian.math.envelopes import (
    CosineEnvelope,
    Envelope,
    ExponentialEnvelope,
    HardEnvelope,
    PolynomialEnvelope,
    TanhCubeEnvelope,
    UnitTanhCubeEnvelope,
)

UNITS = "Hartree, bohr"
NEVER = 1e30  # an end of a range that nobody knows: beyond any function, so that n2p2 never warns of extrapolation
ACTIVATIONS = {
    "l": "identity",
    "t": "tanh",
    "s": "sigmoid",
    "p": "softplus",
    "r": "relu",
    "g": "gaussian",
    "c": "cosine",
    "S": "one_minus_sigmoid",
    "e": "exponential",
    "h": "square",
}
WITH_PLATEAU = (1, 4, 5, 6, 7, 8)


def envelope_of(kind: int, inner_fraction: float) -> Envelope:
    """The envelope of a cutoff_type; some have no inner cutoff, and leave it aside as n2p2 does."""
    match kind:
        case 0:
            return HardEnvelope()
        case 1:
            return CosineEnvelope(inner_fraction=inner_fraction)
        case 2:
            return TanhCubeEnvelope()
        case 3:
            return UnitTanhCubeEnvelope()
        case 4:
            return ExponentialEnvelope(inner_fraction=inner_fraction)
        case 5 | 6 | 7 | 8:
            return PolynomialEnvelope(order=kind - 4, inner_fraction=inner_fraction)
    raise UserError(f"the cutoff function {kind} is not known; there are 0 to 8")


def cutoff_words(envelope: Envelope) -> str:
    """The words behind cutoff_type for an envelope; raises UserError for one that n2p2 does not have."""
    wanted, inner = describe(envelope), float(getattr(envelope, "inner_fraction", 0.0))
    for kind in range(9):
        if describe(envelope_of(kind, inner)) == wanted:
            return f"{kind} {inner!r}" if kind in WITH_PLATEAU else f"{kind}"
    raise UserError(f"n2p2 has no cutoff function like {type(envelope).__name__}")
