"""A neural network per element: E_i = s · MLP_{s_i}((G_i - μ) / σ), the energy model of high-dimensional NNPs.

    x_0 = (G - μ) / σ        x_{n+1} = a(x_n W_n + b_n)        E = s (x_N W_N + b_N)

μ and σ are the mean and standard deviation of each feature over the atoms of one element in the training set; features
that do not vary there (σ = 0, padding among them) are left out, since nothing could be learned of them.
J. Behler, M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.regressor import Regressor
from cambrian.errors import UserError

ACTIVATIONS = {
    "tanh": torch.tanh,
    "softplus": nn.functional.softplus,
    "silu": nn.functional.silu,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
}  # forces enter the loss, so each needs two derivatives: no relu


class NeuralRegressor(Regressor):
    """One multilayer perceptron per element, all of one shape, with `hidden` nodes.

    `energy_scale` (eV) multiplies the output; `seed` decides the initial weights.
    """

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (30, 30),
        activation: Literal["tanh", "softplus", "silu", "sigmoid", "gelu"] = "tanh",
        energy_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UserError(f"there is no activation '{activation}'; choose one of {', '.join(ACTIVATIONS)}")
        if any(n < 1 for n in hidden):
            raise UserError(f"a hidden layer needs at least one node: hidden cannot be {list(hidden)}")
        self.hidden, self.activation = tuple(hidden), ACTIVATIONS[activation]
        self.energy_scale, self.seed = energy_scale, seed
        self.layers = nn.ModuleList(SpeciesLinear() for _ in range(len(hidden) + 1))
        for name in ("center", "inverse_scale"):
            self.register_buffer(name, torch.zeros(0, 0, dtype=torch.float64))

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Scales from the features of each element, weights from the seed."""
        groups = [features[species == s] for s in range(n_species)]
        self.center = torch.stack([g.mean(dim=0) if len(g) else features.new_zeros(features.shape[1]) for g in groups])
        self.inverse_scale = torch.stack([_inverse_deviation(g) for g in groups])
        generator = torch.Generator().manual_seed(self.seed)
        used = (self.inverse_scale > 0).sum(dim=1).clamp(min=1)  # features that arrive, element by element
        sizes = [features.shape[1], *self.hidden, 1]
        for k, layer in enumerate(self.layers):
            fan_in = used if k == 0 else torch.full_like(used, sizes[k])
            layer.start(sizes[k + 1], sizes[k], fan_in, generator, features)

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Energy of each row in eV."""
        counts = torch.bincount(species, minlength=self.center.shape[0]).tolist()
        order = torch.argsort(species, stable=True)
        energies = [self._network(rows, s) for s, rows in enumerate(features[order].split(counts)) if counts[s] > 0]
        joined = torch.cat(energies) if energies else features.sum(dim=1)
        return torch.zeros_like(joined).index_copy(0, order, joined)

    def _network(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows"]:
        x = (features - self.center[s]) * self.inverse_scale[s]
        for layer in self.layers[:-1]:
            x = self.activation(layer(x, s))
        return self.energy_scale * self.layers[-1](x, s)[:, 0]

    @classmethod
    def example(cls) -> "NeuralRegressor":
        """A small instance, not yet set up."""
        return cls(hidden=(6, 5))


class SpeciesLinear(nn.Module):
    """A linear layer with weights of each species: weight (species, in, out), bias (species, out)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(0, 0, 0, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(0, 0, dtype=torch.float64))

    def start(self, n_out: int, n_in: int, fan_in: Tensor, generator: torch.Generator, like: Tensor) -> None:
        """Weights of variance 1/fan_in of each species, biases zero."""
        shape = (len(fan_in), n_in, n_out)
        weight = torch.randn(shape, generator=generator, dtype=torch.float64) / fan_in[:, None, None].sqrt().cpu()
        self.weight = nn.Parameter(weight.to(like))
        self.bias = nn.Parameter(like.new_zeros(len(fan_in), n_out))

    def forward(self, x: Float[Tensor, "rows in"], species: int) -> Float[Tensor, "rows out"]:
        """The layer of one species."""
        return x @ self.weight[species] + self.bias[species]


def _inverse_deviation(features: Float[Tensor, "rows features"]) -> Float[Tensor, "features"]:
    """1/σ of each column; 0 where it does not vary."""
    if len(features) < 2:
        return features.new_zeros(features.shape[1])
    deviation = features.std(dim=0)
    smallest = 1e-12 * features.abs().amax(dim=0).clamp(min=1.0)
    return torch.where(deviation > smallest, 1 / deviation, torch.zeros_like(deviation))
