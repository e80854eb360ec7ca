"""One network for all elements: normalized layers, and a trained embedding that tells the elements apart.

    x_0 = [ (G - μ) T , v_s ]          x_1 = a(x_0 W_0 + b_0)          x_k+1 = a(LN(x_k W_k + b_k)) + skip
    E = e a(x_N w + b)                 LN(y) = γ (y - <y>) / sqrt(<y²> - <y>² + 1e-6) + β            a(y) = y/(1 + e^-y)

v_s has a few numbers for each element s; γ and β are trained; averages run over the nodes of a layer. `skip` is
nothing, or x_k P_k (residual networks), which lets deep networks train. μ and T whiten the features over all atoms of
the training set (math/whitening.py). The output cannot fall below -0.28 e: `ElementShifts` beside it sets the level.
H. Montes-Campos, J. Carrete, S. Bichelmaier, L. M. Varela, G. K. H. Madsen, J. Chem. Inf. Model. 62, 88 (2022)
(NeuralIL); J. Carrete, H. Montes-Campos, R. Wanzenböck, E. Heid, G. K. H. Madsen, J. Chem. Phys. 158, 204801 (2023)
(residual); J. L. Ba, J. R. Kiros, G. E. Hinton, arXiv:1607.06450.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.configurable import Configurable
from cambrian.contracts.regressor import Regressor
from cambrian.errors import UserError
from cambrian.math.whitening import whitening


class Connection(Configurable, ABC):
    """How a layer passes on what came in."""

    rooms = ("regressors",)

    @abstractmethod
    def projection(self, n_in: int, n_out: int, generator: torch.Generator) -> Float[Tensor, "in out"] | None:
        """Where P of a layer begins; None for layers without."""


class Straight(Connection):
    """Nothing but what the layer makes of it."""

    def projection(self, n_in: int, n_out: int, generator: torch.Generator) -> None:
        """None."""
        return


class Residual(Connection):
    """A trained linear map beside the layer; it begins as the identity where the width does not change."""

    def projection(self, n_in: int, n_out: int, generator: torch.Generator) -> Float[Tensor, "in out"]:
        """The identity, or random numbers of variance 1/n_in."""
        if n_in == n_out:
            return torch.eye(n_in, dtype=torch.float64)
        return torch.randn(n_in, n_out, generator=generator, dtype=torch.float64) / n_in**0.5


class EmbeddedNetwork(Regressor):
    """One multilayer perceptron for all elements with `hidden` nodes, normalized in all layers but first and last.

    `n_embedding` is the length of v_s; `connection` is Straight or Residual; `whitening` says how fine differences of
    environments count (math/whitening.py). `energy_scale` (eV) is e; `seed` decides the initial weights.
    """

    center: Tensor
    transform: Tensor

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (64, 32, 16, 16, 16),
        n_embedding: int = 2,
        connection: Connection = Straight(),  # noqa: B008 - immutable
        whitening: float = 2e-3,
        energy_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        if not hidden or any(n < 1 for n in hidden):
            raise UserError(f"at least one hidden layer of at least one node is needed, not hidden={list(hidden)}")
        if n_embedding < 1:
            raise UserError(f"elements need at least one number to be told apart, not n_embedding={n_embedding}")
        self.hidden, self.n_embedding, self.connection = tuple(hidden), n_embedding, connection
        self.whitening, self.energy_scale, self.seed = whitening, energy_scale, seed
        self.embedding = nn.Parameter(torch.zeros(0, n_embedding, dtype=torch.float64))
        layers = [_Layer(), *(_NormalizedLayer() for _ in hidden[1:]), _Layer()]
        self.layers = cast(Sequence[_Layer], nn.ModuleList(layers))
        self.register_buffer("center", torch.zeros(0, dtype=torch.float64))  # (features,)
        self.register_buffer("transform", torch.zeros(0, 0, dtype=torch.float64))  # (features, inputs)

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Scales from the features of all atoms, weights from the seed."""
        self.center = features.mean(dim=0) if len(features) else features.new_zeros(features.shape[1])
        self.transform = whitening(features, self.whitening)
        generator = torch.Generator().manual_seed(self.seed)
        embedding = torch.randn(n_species, self.n_embedding, generator=generator, dtype=torch.float64)
        self.embedding = nn.Parameter(embedding.to(features))
        sizes = [features.shape[1] + self.n_embedding, *self.hidden, 1]
        for k, layer in enumerate(self.layers):
            layer.start(sizes[k], sizes[k + 1], self.connection, generator, features)

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Energy of each row in eV."""
        x = torch.cat([(features - self.center) @ self.transform, self.embedding[species]], dim=1)
        for layer in self.layers:
            x = layer(x)
        return self.energy_scale * x[:, 0]

    @classmethod
    def example(cls) -> "EmbeddedNetwork":
        """A small residual instance, not yet set up."""
        return cls(hidden=(7, 5, 5), connection=Residual())


class _Layer(nn.Module):
    """A(x W + b)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(0, 0, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(0, dtype=torch.float64))

    def start(self, n_in: int, n_out: int, connection: Connection, generator: torch.Generator, like: Tensor) -> None:
        """Weights of variance 1/n_in, biases zero."""
        weight = torch.randn(n_in, n_out, generator=generator, dtype=torch.float64) / n_in**0.5
        self.weight, self.bias = nn.Parameter(weight.to(like)), nn.Parameter(like.new_zeros(n_out))

    def forward(self, x: Float[Tensor, "rows in"]) -> Float[Tensor, "rows out"]:
        """Affine map and activation."""
        return nn.functional.silu(x @ self.weight + self.bias)


class _NormalizedLayer(_Layer):
    """A(LN(x W + b)), and x P where the connection has it."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.shift = nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.skip = nn.Parameter(torch.zeros(0, 0, dtype=torch.float64))  # empty where nothing is skipped

    def start(self, n_in: int, n_out: int, connection: Connection, generator: torch.Generator, like: Tensor) -> None:
        """Normalization begins with unit gain; the skip as the connection says."""
        super().start(n_in, n_out, connection, generator, like)
        self.gain, self.shift = nn.Parameter(like.new_ones(n_out)), nn.Parameter(like.new_zeros(n_out))
        skip = connection.projection(n_in, n_out, generator)
        self.skip = nn.Parameter(like.new_zeros(0, 0) if skip is None else skip.to(like))

    def forward(self, x: Float[Tensor, "rows in"]) -> Float[Tensor, "rows out"]:
        """Affine map, normalization over the nodes, activation, skip."""
        y = x @ self.weight + self.bias
        y = y - y.mean(dim=1, keepdim=True)
        y = self.gain * y * (y.square().mean(dim=1, keepdim=True) + 1e-6).rsqrt() + self.shift
        y = nn.functional.silu(y)
        return y + x @ self.skip if self.skip.numel() else y
