"""Residual networks: every hidden layer but the first adds to what came before.

    x_1 = a(x_0 W_0 + b_0)        x_{n+1} = x_n + t a(x_n W_n + b_n)        E = s (x_N W_N + b_N)

x_0 are the whitened features of math/whitening.py. The sum lets gradients through whatever the depth, so that more than
two or three hidden layers can be trained; t (`timestep`) below 1 starts near a shallow network.
K. He, X. Zhang, S. Ren, J. Sun, CVPR (2016); L. Zhang et al., NeurIPS (2018) (in potentials).
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.element_regressor import WhitenedRegressor
from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS, Activation, SpeciesLinear


class ResidualNetwork(WhitenedRegressor):
    """One residual network per element, `depth` hidden layers of `width` nodes.

    `whitening` says how fine differences of environments are resolved; `energy_scale` (eV) multiplies the output,
    `seed` decides the initial weights.
    """

    def __init__(
        self,
        *,
        width: int = 30,
        depth: int = 4,
        timestep: float = 0.5,
        activation: Activation = "tanh",
        whitening: float = 2e-3,
        energy_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__(whitening)
        if activation not in ACTIVATIONS:
            raise UserError(f"there is no activation '{activation}'; choose one of {', '.join(ACTIVATIONS)}")
        if width < 1 or depth < 1:
            raise UserError(f"a residual network has a width and a depth of 1 at least, not {width} and {depth}")
        self.width, self.depth, self.timestep, self.activation = width, depth, timestep, ACTIVATIONS[activation]
        self.energy_scale, self.seed = energy_scale, seed
        self.layers = cast(Sequence[SpeciesLinear], nn.ModuleList(SpeciesLinear() for _ in range(depth + 1)))

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Scales from the features of each element, weights from the seed."""
        self.learn_scales(features, species, n_species)
        generator = torch.Generator().manual_seed(self.seed)
        sizes = [features.shape[1], *[self.width] * self.depth, 1]
        for layer, n_in, n_out in zip(self.layers, sizes[:-1], sizes[1:], strict=True):
            layer.start(n_species, n_in, n_out, generator, features)

    def of_element(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows"]:
        """Energies (eV) of rows of one species."""
        first, *middle, last = self.layers
        x = self.activation(first(self.whitened(features, s), s))
        for layer in middle:
            x = x + self.timestep * self.activation(layer(x, s))
        return self.energy_scale * last(x, s)[:, 0]

    @classmethod
    def example(cls) -> "ResidualNetwork":
        """A small instance, not yet set up."""
        return cls(width=5, depth=3)
