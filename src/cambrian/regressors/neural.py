"""A neural network per element: E_i = s · MLP_{s_i}(x_i), the energy model of high-dimensional NNPs.

    x = ((G - μ) / σ) V (Λ + ε λ_max)^(-1/2)        x_{n+1} = a(x_n W_n + b_n)        E = s (x_N W_N + b_N)

μ and σ are the mean and standard deviation of each feature over the atoms of one element in the training set, V and Λ
the eigenvectors and eigenvalues of their correlations (math/whitening.py). Features that do not vary in the training
set (padding among them) are left out, since nothing could be learned of them.
J. Behler, M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007).
"""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.atomic_network import AtomicNetwork
from cambrian.contracts.element_regressor import WhitenedRegressor
from cambrian.contracts.lammps import NetworkLayer, NetworkTable
from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS, Activation, SpeciesLinear

LAMMPS_ACTIVATIONS = {"tanh": "tanh", "sigmoid": "sigmoid", "identity": "linear"}


class NeuralRegressor(WhitenedRegressor):
    """One multilayer perceptron per element, all of one shape, with `hidden` nodes.

    `whitening` is ε of the file's head: smaller resolves finer differences of environments, and trusts them more.
    `energy_scale` (eV) multiplies the output; `seed` decides the initial weights.
    """

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (30, 30),
        activation: Activation = "tanh",
        whitening: float = 2e-3,
        energy_scale: float = 1.0,
        seed: int = 0,
    ):
        super().__init__(whitening)
        if activation not in ACTIVATIONS:
            raise UserError(f"there is no activation '{activation}'; choose one of {', '.join(ACTIVATIONS)}")
        if any(n < 1 for n in hidden):
            raise UserError(f"a hidden layer needs at least one node: hidden cannot be {list(hidden)}")
        self.hidden, self.activation = tuple(hidden), ACTIVATIONS[activation]
        self.energy_scale, self.seed = energy_scale, seed
        layers = nn.ModuleList(SpeciesLinear() for _ in range(len(hidden) + 1))
        self.layers = cast(Sequence[SpeciesLinear], layers)

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Scales from the features of each element, weights from the seed."""
        self.learn_scales(features, species, n_species)
        generator = torch.Generator().manual_seed(self.seed)
        sizes = [features.shape[1], *self.hidden, 1]
        for k, layer in enumerate(self.layers):
            layer.start(n_species, sizes[k], sizes[k + 1], generator, features)

    def of_element(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows"]:
        """Energies (eV) of rows of one species."""
        x = self.whitened(features, s)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x, s))
        return self.energy_scale * self.layers[-1](x, s)[:, 0]

    def lammps(self) -> NetworkTable | None:
        """The layers with scales and whitening inside the first and the last; None where the activation is not known.

        LAMMPS knows tanh, sigmoid and identity.
        """
        name = LAMMPS_ACTIVATIONS.get(self.arguments["activation"])
        if name is None:
            return None
        weights = [layer.weight.detach() for layer in self.layers]
        biases = [layer.bias.detach() for layer in self.layers]
        weights[0] = self.transform @ weights[0]
        weights[-1], biases[-1] = self.energy_scale * weights[-1], self.energy_scale * biases[-1]
        names = [*[name] * len(self.hidden), "linear"]
        return NetworkTable(self.center, tuple(map(NetworkLayer, weights, biases, names)))

    def networks(self) -> list[AtomicNetwork]:
        """Whitening inside the first layer."""
        name = self.arguments["activation"]
        found = []
        for s, (mean, transform) in enumerate(zip(self.center, self.transform, strict=True)):
            weights = [layer.weight[s].detach() for layer in self.layers]
            biases = [layer.bias[s].detach() for layer in self.layers]
            weights[0] = transform @ weights[0]
            found.append(AtomicNetwork.centered(mean, weights, biases, name, self.energy_scale))
        return found

    @classmethod
    def example(cls) -> "NeuralRegressor":
        """A small instance, not yet set up."""
        return cls(hidden=(6, 5))
