"""The Morse potential: a bond that can break.

    V(r) = D [1 - e^(-a(r - r0))]² - D = D [e^(-2a(r - r0)) - 2 e^(-a(r - r0))]          V(r0) = -D, V(∞) = 0

Force constant V''(r0) = 2 D a². P. M. Morse, Phys. Rev. 34, 57 (1929).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.lammps import LammpsPair
from cambrian.contracts.pair_potential import Given, PairPotential, Parameters
from cambrian.math.truncation import ForceShifted, Plain, Truncation

LAMMPS_STYLES = {Plain: "morse", ForceShifted: "morse/smooth/linear"}


class Morse(PairPotential):
    """Morse between all pairs within `cutoff` (Å): `depth` D in eV, `width` a in 1/Å, `distance` r0 in Å.

    Each is one number for all pairs or a mapping such as {"Cu": 0.34, "Cu-O": 1.2}; what is not given is guessed from
    the data.
    """

    def __init__(
        self,
        *,
        depth: Given = None,
        width: Given = None,
        distance: Given = None,
        cutoff: float = 8.0,
        truncation: Truncation = ForceShifted(),  # noqa: B008 - immutable
    ):
        super().__init__(cutoff=cutoff, truncation=truncation, depth=depth, width=width, distance=distance)

    def pair_energy(self, distance: Float[Tensor, "points"], parameters: Parameters) -> Float[Tensor, "points"]:
        """D (u² - 2u) with u = e^(-a(r - r0))."""
        u = torch.exp(-parameters["width"] * (distance - parameters["distance"]))
        return parameters["depth"] * u * (u - 2)

    def guess(self, spacing: Float[Tensor, "rows"]) -> Parameters:
        """A minimum at the nearest neighbors, 0.2 eV deep, as wide as is usual for metals: a r0 = 4."""
        return {"depth": torch.full_like(spacing, 0.2), "width": 4 / spacing, "distance": spacing}

    def lammps(self) -> LammpsPair | None:
        """`morse`, or `morse/smooth/linear` where force-shifted; None for other truncations or before `setup`."""
        style = LAMMPS_STYLES.get(type(self.truncation))
        if style is None or not len(self.elements):
            return None
        coefficients = {
            pair: f"{p['depth']:.17g} {p['width']:.17g} {p['distance']:.17g}" for pair, p in self.by_name().items()
        }
        return LammpsPair(f"{style} {self.cutoff:.17g}", coefficients)

    @classmethod
    def example(cls) -> "Morse":
        """One bond for all pairs."""
        return cls(depth=0.5, width=1.5, distance=1.3, cutoff=4.0)
