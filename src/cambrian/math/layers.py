"""Parts of feed-forward networks: activations by name, and a linear layer with weights of each species.

tanh       softplus ln(1 + e^x)      sigmoid 1/(1 + e^-x)      one_minus_sigmoid       silu x/(1 + e^-x)     gelu
celu max(x, 0) + α (e^min(x/α, 0) - 1) with α = 0.1        gaussian e^(-x²/2)        cosine
exponential e^-x        square x²       identity x
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "softplus": lambda x: nn.functional.softplus(x, threshold=40.0),  # torch's 20 is a step of 2e-9
    "silu": nn.functional.silu,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
    "celu": lambda x: 0.1 * nn.functional.elu(10 * x),  # torch rounds the 1/α of celu to single precision
    "gaussian": lambda x: torch.exp(-0.5 * x**2),
    "cosine": torch.cos,
    "one_minus_sigmoid": lambda x: torch.sigmoid(-x),
    "exponential": lambda x: torch.exp(-x),
    "square": torch.square,
    "identity": lambda x: x,
}  # forces enter the loss, so each needs two derivatives: no relu
Activation = Literal[
    "tanh",
    "softplus",
    "silu",
    "sigmoid",
    "gelu",
    "celu",
    "gaussian",
    "cosine",
    "one_minus_sigmoid",
    "exponential",
    "square",
    "identity",
]


class SpeciesLinear(nn.Module):
    """A linear layer with weights of each species: weight (species, in, out), bias (species, out)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(0, 0, 0, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(0, 0, dtype=torch.float64))

    def start(self, n_species: int, n_in: int, n_out: int, generator: torch.Generator, like: Tensor) -> None:
        """Weights of variance 1/n_in, biases zero."""
        weight = torch.randn(n_species, n_in, n_out, generator=generator, dtype=torch.float64) / max(n_in, 1) ** 0.5
        self.weight = nn.Parameter(weight.to(like))
        self.bias = nn.Parameter(like.new_zeros(n_species, n_out))

    def forward(self, x: Float[Tensor, "rows in"], species: int) -> Float[Tensor, "rows out"]:
        """The layer of one species."""
        return x @ self.weight[species] + self.bias[species]
