"""Element networks: a multilayer perceptron for each element, of a shape that the element decides, as ANI has them.

    x = (G - μ) W_0        x_{n+1} = a(x_n W_n + b_n)        E = s (x_N W_N + b_N)

W_0 whitens the features of one element over the training set (math/whitening.py); without it x = G, as published.
J. S. Smith, O. Isayev, A. E. Roitberg, Chem. Sci. 8, 3192 (2017).
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.atomic_network import AtomicNetwork
from cambrian.contracts.element_regressor import WhitenedRegressor
from cambrian.elements import number
from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS, Activation, SpeciesLinear

SHAPES_1X = {"H": (160, 128, 96), "C": (144, 112, 96), "N": (128, 112, 96), "O": (128, 112, 96)}
SHAPES_2X = {
    "H": (256, 192, 160),
    "C": (224, 192, 160),
    **dict.fromkeys(("N", "O"), (192, 160, 128)),
    **dict.fromkeys(("S", "F", "Cl"), (160, 128, 96)),
}


class ElementNetworks(WhitenedRegressor):
    """Perceptrons with `hidden` nodes, but for the elements that stand in `shapes`; all have as many layers.

    `whitening` is the share of the largest variance down to which directions count fully; None takes the features as
    they are. `energy_scale` (eV) multiplies the output; `seed` decides the initial weights.
    """

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (128, 112, 96),
        shapes: dict[str, list[int]] | None = None,
        activation: Activation = "celu",
        whitening: float | None = None,
        energy_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__(whitening)
        if activation not in ACTIVATIONS:
            raise UserError(f"there is no activation '{activation}'; choose one of {', '.join(ACTIVATIONS)}")
        self.hidden = tuple(hidden)
        self.shapes = {number(symbol): tuple(shape) for symbol, shape in (shapes or {}).items()}
        for shape in (self.hidden, *self.shapes.values()):
            if len(shape) != len(self.hidden) or any(n < 1 for n in shape):
                raise UserError(f"every element has {len(self.hidden)} hidden layers of 1 or more nodes, not {shape}")
        self.activation = ACTIVATIONS[activation]
        self.energy_scale, self.seed = energy_scale, seed
        layers = nn.ModuleList(SpeciesLinear() for _ in range(len(self.hidden) + 1))
        self.layers = cast(Sequence[SpeciesLinear], layers)
        self.register_buffer("numbers", torch.zeros(0, dtype=torch.int64))  # (species,)

    @classmethod
    def like_1x(cls, **others) -> "ElementNetworks":
        """The shapes of ANI-1x and ANI-1ccx."""
        return cls(shapes={symbol: list(shape) for symbol, shape in SHAPES_1X.items()}, **others)

    @classmethod
    def like_2x(cls, **others) -> "ElementNetworks":
        """The shapes of ANI-2x."""
        return cls(shapes={symbol: list(shape) for symbol, shape in SHAPES_2X.items()}, **others)

    def meet(self, elements: list[str]) -> None:
        """Note the elements, which decide the shapes."""
        self.numbers = torch.tensor([number(symbol) for symbol in elements], dtype=torch.int64)

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Scales from the features of each element, weights of variance 1/inputs from the seed."""
        self.learn_scales(features, species, n_species)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for k, layer in enumerate(self.layers):
                sizes = [self._sizes(s)[k : k + 2] for s in range(n_species)]
                most_in, most_out = (max(pair[j] for pair in sizes) for j in (0, 1))
                layer.weight = nn.Parameter(features.new_zeros(n_species, most_in, most_out))
                layer.bias = nn.Parameter(features.new_zeros(n_species, most_out))
                for s, (n_in, n_out) in enumerate(sizes):
                    drawn = torch.randn(n_in, n_out, generator=generator, dtype=torch.float64) / max(n_in, 1) ** 0.5
                    self.layer(k, s)[0].copy_(drawn)

    def layer(self, k: int, s: int) -> tuple[Float[Tensor, "inputs outputs"], Float[Tensor, "outputs"]]:
        """Weights and biases of one layer of one species: views of the parameters, which are as wide as the widest."""
        n_in, n_out = self._sizes(s)[k : k + 2]
        return self.layers[k].weight[s, :n_in, :n_out], self.layers[k].bias[s, :n_out]

    def _sizes(self, s: int) -> list[int]:
        atomic_number = int(self.numbers[s]) if len(self.numbers) else 0
        return [self.center.shape[1], *self.shapes.get(atomic_number, self.hidden), 1]

    def of_element(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows"]:
        """Energies (eV) of rows of one species."""
        x = self.whitened(features, s)
        for k in range(len(self.hidden)):
            weight, bias = self.layer(k, s)
            x = self.activation(x @ weight + bias)
        weight, bias = self.layer(len(self.hidden), s)
        return self.energy_scale * (x @ weight + bias)[:, 0]

    def networks(self) -> list[AtomicNetwork]:
        """Whitening inside the first layer."""
        found = []
        for s in range(len(self.center)):
            layers = [self.layer(k, s) for k in range(len(self.hidden) + 1)]
            weights, biases = [w.detach() for w, _ in layers], [b.detach() for _, b in layers]
            if self.whitening is not None:
                weights[0] = self.transform[s] @ weights[0]
            name = self.arguments["activation"]
            found.append(AtomicNetwork.centered(self.center[s], weights, biases, name, self.energy_scale))
        return found

    @classmethod
    def example(cls) -> "ElementNetworks":
        """Few nodes, and fewer for hydrogen."""
        return cls(hidden=(6, 5), shapes={"H": [4, 3]})
