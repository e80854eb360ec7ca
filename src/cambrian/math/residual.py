"""Residual networks: layers that add to what they are given, one network for each of several kinds of atoms.

    x <- S x + δ a(x W + b)        S x = x for equal widths, (x, x) for twice the width, nothing otherwise

K. He et al., CVPR (2016), arXiv:1512.03385; the form with doubled widths and trained δ is that of Deep Potentials.
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS, Activation


class ResidualNetwork(nn.Module):
    """Layers of the widths after the first, which is that of the input.

    `step` is where the factors δ of the layers that add to their input begin; None leaves them 1, and not trained.
    """

    def __init__(self, widths: Sequence[int], activation: Activation, *, step: float | None = None):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UserError(f"there is no activation '{activation}'; choose one of {', '.join(ACTIVATIONS)}")
        if any(n < 1 for n in widths):
            raise UserError(f"a layer needs at least one node: widths cannot be {list(widths[1:])}")
        self.widths, self.activation = list(widths), ACTIVATIONS[activation]
        layers = nn.ModuleList(ResidualLayer(a, b, step) for a, b in zip(widths, widths[1:], strict=False))
        self.layers = cast(Sequence[ResidualLayer], layers)

    def start(self, n_kinds: int, generator: torch.Generator) -> None:
        """Random weights for so many networks."""
        for layer in self.layers:
            layer.start(n_kinds, generator)

    def forward(self, x: Float[Tensor, "... inputs"], kind: int) -> Float[Tensor, "... outputs"]:
        """The network of one kind."""
        for layer in self.layers:
            x = layer.carried(x) + layer.step_of(kind) * self.activation(x @ layer.weight[kind] + layer.bias[kind])
        return x


class ResidualLayer(nn.Module):
    """Weights of one layer: weight (kinds, in, out), bias (kinds, out), step (kinds, out) where it is trained."""

    def __init__(self, n_in: int, n_out: int, step: float | None):
        super().__init__()
        self.n_in, self.n_out = n_in, n_out
        self.copies = n_out // n_in if n_out in (n_in, 2 * n_in) else 0
        self.first_step = step if self.copies else None
        self.weight = nn.Parameter(torch.zeros(0, n_in, n_out, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(0, n_out, dtype=torch.float64))
        is_trained = self.first_step is not None
        self.step = nn.Parameter(torch.zeros(0, n_out, dtype=torch.float64)) if is_trained else None

    def start(self, n_kinds: int, generator: torch.Generator) -> None:
        """Weights of variance 1/(inputs + outputs), biases of variance 1, so that nodes bend at different inputs."""

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        scale = (self.n_in + self.n_out) ** -0.5
        self.weight = nn.Parameter(scale * drawn(n_kinds, self.n_in, self.n_out))
        self.bias = nn.Parameter(drawn(n_kinds, self.n_out))
        if self.first_step is not None:
            self.step = nn.Parameter(self.first_step + 1e-3 * drawn(n_kinds, self.n_out))

    def step_of(self, kind: int) -> Tensor | float:
        """δ of one kind."""
        return 1.0 if self.step is None else self.step[kind]

    def carried(self, x: Float[Tensor, "... inputs"]) -> Tensor | float:
        """What of the input is added."""
        return torch.cat([x] * self.copies, dim=-1) if self.copies > 1 else (x if self.copies else 0.0)
