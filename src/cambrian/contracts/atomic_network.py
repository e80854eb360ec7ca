"""What a network per element on symmetry functions is in plain numbers, for the files of other programs.

    x_k = S_min + (G_k - c_k) f_k        x_{n+1} = a_n(x_n W_n + b_n)        E = s x_N

    scaling          c             f                                  S_min counts
    none             0             1                                  no
    center           mean          1                                  no
    scale            lowest        (S_max - S_min)/(highest - lowest)   yes
    scale_center     mean          (S_max - S_min)/(highest - lowest)   yes
    sigma            mean          (S_max - S_min)/deviation            yes

With `averaged`, x W + b is divided by the number of inputs of the layer (n2p2's normalize_nodes).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cambrian.math.envelopes import Envelope
from cambrian.math.symmetry_functions import AnyFunction

Scaling = Literal["none", "center", "scale", "scale_center", "sigma"]


@dataclass(frozen=True)
class AtomicNetwork:
    """The network of one element; `activations` has the name of each layer's, that of the output last.

    `statistics` are lowest, highest, mean and standard deviation of each feature over the training set, NaN where not
    known. Features that are not `used` have no weights. `energy_scale` is s of the file's head in eV.
    """

    scaling: Scaling
    scale_range: tuple[float, float]
    statistics: Float[Tensor, "4 features"]
    used: Bool[Tensor, "features"]
    weights: tuple[Float[Tensor, "inputs outputs"], ...]
    biases: tuple[Float[Tensor, "outputs"], ...]
    activations: tuple[str, ...]
    averaged: bool
    energy_scale: float

    @classmethod
    def centered(
        cls,
        mean: Float[Tensor, "features"],
        weights: list[Tensor],
        biases: list[Tensor],
        activation: str,
        energy_scale: float,
    ) -> "AtomicNetwork":
        """A network on features less their mean, with one activation in all layers but the last."""
        unknown = torch.full_like(mean, torch.nan)
        return cls(
            scaling="center",
            scale_range=(0.0, 1.0),
            statistics=torch.stack([unknown, unknown, mean, unknown]),
            used=torch.ones_like(mean, dtype=torch.bool),
            weights=tuple(weights),
            biases=tuple(biases),
            activations=(*[activation] * (len(weights) - 1), "identity"),
            averaged=False,
            energy_scale=energy_scale,
        )


@dataclass(frozen=True)
class SymmetryFunctions:
    """The columns of a descriptor that is made of symmetry functions, by atomic number of the central element."""

    of: dict[int, list[AnyFunction]]
    envelope: Envelope
