"""What a potential is as plain arrays for the compiled library: each term says its own part, `deploy` writes them.

A term is a kind that `native/deployed_<kind>.cpp` knows, with the arrays that it names. A descriptor and a regressor
say a part each; together they are the kind "descriptor+regressor", any of one with any of the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cambrian.math.envelopes import (
    CosineEnvelope,
    Envelope,
    ExponentialEnvelope,
    HardEnvelope,
    PolynomialEnvelope,
    TanhCubeEnvelope,
    UnitTanhCubeEnvelope,
)
from cambrian.native.symmetry_functions import ACTIVATIONS, ENVELOPES, Fading, PlainNetwork

Arrays = dict[str, NDArray[Any]]  # float64 and int64


@dataclass(frozen=True)
class CompiledPart:
    """A kind of term, or of a half of one, and its arrays; species count as the elements of the file do."""

    kind: str
    arrays: Arrays

    @classmethod
    def of(cls, kind: str, **values: Any) -> "CompiledPart":
        """Arrays of tensors, numbers and lists: whole numbers as int64, others as float64."""
        return cls(kind, {name: _array(value) for name, value in values.items()})

    def __add__(self, head: "CompiledPart") -> "CompiledPart":
        """A descriptor with its regressor."""
        return CompiledPart(f"{self.kind}+{head.kind}", self.arrays | head.arrays)

    def with_arrays(self, **values: Any) -> "CompiledPart":
        """More arrays."""
        return CompiledPart(self.kind, self.arrays | CompiledPart.of("", **values).arrays)


def fading(envelope: Envelope) -> Fading | None:
    """An envelope as the compiled loops know it; None where they do not."""
    match envelope:
        case HardEnvelope():
            return Fading("hard")
        case CosineEnvelope():
            return Fading("cosine", envelope.inner_fraction)
        case TanhCubeEnvelope():
            return Fading("tanh_cube")
        case UnitTanhCubeEnvelope():
            return Fading("unit_tanh_cube")
        case ExponentialEnvelope():
            return Fading("exponential", envelope.inner_fraction)
        case PolynomialEnvelope() if 1 <= envelope.order <= 4:
            return Fading("polynomial", envelope.inner_fraction, envelope.order)
    return None


def fading_arrays(known: Fading) -> dict[str, Any]:
    """The arrays that say an envelope."""
    return {"envelope": [ENVELOPES[known.name], known.order], "inner_fraction": float(known.inner_fraction)}


def network_part(networks: Iterable[PlainNetwork]) -> CompiledPart:
    """The network of each species, one behind the other."""
    known = list(networks)
    sizes = [size for n in known for size in (len(n.center), *(w.shape[1] for w in n.weights))]
    values = [
        part.ravel()
        for n in known
        for part in (n.center, *(x for pair in zip(n.weights, n.biases, strict=True) for x in pair))
    ]
    return CompiledPart.of(
        "network",
        depths=[len(n.weights) for n in known],
        sizes=sizes,
        activations=[ACTIVATIONS[name] for n in known for name in n.activations],
        values=np.concatenate([*values, np.zeros(0)]),
    )


def _array(value: Any) -> NDArray[Any]:
    values = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
    kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float64
    return np.array(values, dtype=kind, order="C")
