"""Springs between all near pairs, for solids and molecules whose bonds do not change.

    V(r) = A (r - r0)²          the force constant is k = 2A

Many programs print ½ k (r - r0)² instead. A spring does not end by itself, so an envelope ends it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.pair_potential import Given, PairPotential, Parameters
from cambrian.math.truncation import Enveloped, Truncation


class Harmonic(PairPotential):
    """Springs between pairs within `cutoff` (Å): `strength` A in eV/Å² (half the force constant), `distance` r0 in Å.

    Each is one number for all pairs or a mapping such as {"Si": 3.0, "Si-O": 8.0}; strength 0 is no spring. What is not
    given is guessed from the data. Choose a cutoff between the first and the second neighbors.
    """

    def __init__(
        self,
        *,
        strength: Given = None,
        distance: Given = None,
        cutoff: float = 3.0,
        truncation: Truncation = Enveloped(),  # noqa: B008 - immutable
    ):
        super().__init__(cutoff=cutoff, truncation=truncation, strength=strength, distance=distance)

    def pair_energy(self, distance: Float[Tensor, "points"], parameters: Parameters) -> Float[Tensor, "points"]:
        """A (r - r0)²."""
        return parameters["strength"] * (distance - parameters["distance"]) ** 2

    def guess(self, spacing: Float[Tensor, "rows"]) -> Parameters:
        """At rest at the nearest neighbors, 2 eV/Å²."""
        return {"strength": torch.full_like(spacing, 2.0), "distance": spacing}

    @classmethod
    def example(cls) -> "Harmonic":
        """One spring for all pairs."""
        return cls(strength=2.0, distance=1.2, cutoff=2.5)
