"""Scaled networks: one multilayer perceptron per element on features brought to one range, as RuNNer and n2p2 have it.

    scale           x = S_min + (S_max - S_min) (G - G_min)/(G_max - G_min)        center    x = G - <G>
    scale_center    x = S_min + (S_max - S_min) (G - <G>)/(G_max - G_min)          none      x = G
    sigma           x = S_min + (S_max - S_min) (G - <G>)/σ(G)

    x_{n+1} = a_n(x_n W_n + b_n)        E = s x_N        averaged: (x_n W_n + b_n)/dim(x_n) instead

over the atoms of one element in the training set, σ with n - 1. Features that do not vary there are left out.
Initial weights and biases are uniform in [-1, 1]; nguyen_widrow brings the weights into each node of the hidden layers
to the length β = 0.7 n_out^(1/n_in), biases to [-β, β], both twice that for tanh, and halves the weights of the output;
glorot multiplies weights by √(6/(n_in + n_out)) and has no biases.
J. Behler, M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007); A. Singraber et al., J. Chem. Theory Comput. 15, 3075
(2019); D. Nguyen, B. Widrow, IJCNN 3, 21 (1990); X. Glorot, Y. Bengio, AISTATS (2010).
"""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.atomic_network import AtomicNetwork, Scaling
from cambrian.contracts.element_regressor import ElementRegressor
from cambrian.errors import UserError
from cambrian.math.layers import ACTIVATIONS, Activation, SpeciesLinear

FUNCTIONS = ACTIVATIONS | {"relu": torch.relu}  # forces jump, but networks of others have it
Function = Literal[Activation, "relu"]
Initial = Literal["nguyen_widrow", "uniform", "glorot"]
SCALINGS = ("none", "center", "scale", "scale_center", "sigma")
INITIALS = ("nguyen_widrow", "uniform", "glorot")


class ScaledNetwork(ElementRegressor):
    """One multilayer perceptron per element with `hidden` nodes on scaled features.

    hidden and activation are those of all elements, or lists of them by element in the order of atomic number;
    `activation` is one for all hidden layers or a list; `output` is the function of the last layer. `scale_range` is
    (S_min, S_max), `energy_scale` (eV) is s; `seed` decides the initial weights.
    """

    statistics: Tensor
    used: Tensor

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] | tuple[tuple[int, ...], ...] = (15, 15),
        activation: Function | tuple[Function, ...] | tuple[tuple[Function, ...], ...] = "tanh",
        output: Function = "identity",
        scaling: Scaling = "scale_center",
        scale_range: tuple[float, float] = (0.0, 1.0),
        averaged: bool = False,
        energy_scale: float = 1.0,
        initial: Initial = "nguyen_widrow",
        seed: int = 0,
    ):
        super().__init__()
        _check("scaling", scaling, SCALINGS)
        _check("initial", initial, INITIALS)
        self.hidden, self.functions = _shapes(hidden, activation, output)
        self.scaling: Scaling = scaling
        self.scale_range = (scale_range[0], scale_range[1])
        self.averaged, self.energy_scale, self.initial, self.seed = averaged, energy_scale, initial, seed
        depth = max(len(h) for h in self.hidden) + 1
        self.layers = cast(Sequence[SpeciesLinear], nn.ModuleList(SpeciesLinear() for _ in range(depth)))
        self.register_buffer("statistics", torch.zeros(4, 0, 0, dtype=torch.float64))  # (4, species, features)
        self.register_buffer("used", torch.zeros(0, 0, dtype=torch.bool))  # (species, features)

    def setup(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int) -> None:
        """Statistics of the features of each element, weights from the seed."""
        groups = [_statistics(features[species == s]) for s in range(n_species)]
        self.statistics = torch.stack(groups, dim=1)
        lowest, highest = self.statistics[:2]
        self.used = highest - lowest > 1e-12 * highest.abs().maximum(lowest.abs()).clamp(min=1.0)
        self.make_layers(n_species, features.shape[1], features)
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for s in range(n_species):
                for k in range(len(self.hidden_of(s)) + 1):
                    self._start(k, s, generator)

    def make_layers(self, n_species: int, n_features: int, like: Tensor) -> None:
        """Layers of zeros, wide enough for every element."""
        if len(self.hidden) not in (1, n_species):
            raise UserError(f"hidden or activation is given for {len(self.hidden)} elements, and there are {n_species}")
        sizes = [[n_features, *self.hidden_of(s), 1] for s in range(n_species)]
        for k, layer in enumerate(self.layers):
            n_in, n_out = (max(n[j] for n in sizes if len(n) > k + 1) for j in (k, k + 1))
            layer.weight = nn.Parameter(like.new_zeros(n_species, n_in, n_out))
            layer.bias = nn.Parameter(like.new_zeros(n_species, n_out))

    def hidden_of(self, s: int) -> tuple[int, ...]:
        """Nodes of the hidden layers of an element."""
        return self.hidden[s if len(self.hidden) > 1 else 0]

    def functions_of(self, s: int) -> tuple[str, ...]:
        """Activations of an element, that of the output last."""
        return self.functions[s if len(self.functions) > 1 else 0]

    def layer(self, k: int, s: int) -> tuple[Float[Tensor, "inputs outputs"], Float[Tensor, "outputs"]]:
        """Weights and biases of a layer of an element, views of what is trained."""
        weight, bias = self.layers[k].weight[s], self.layers[k].bias[s]
        sizes = [weight.shape[0] if k == 0 else self.hidden_of(s)[k - 1], *self.hidden_of(s)[k:], 1]
        return weight[: sizes[0], : sizes[1]], bias[: sizes[1]]

    def of_element(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows"]:
        """Energies (eV) of rows of one species."""
        x = self._scaled(features, s)
        for k, name in enumerate(self.functions_of(s)):
            weight, bias = self.layer(k, s)
            x = x @ weight + bias
            x = FUNCTIONS[name](x / self._fan_in(k, s) if self.averaged else x)
        return self.energy_scale * x[:, 0]

    def _scaled(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows features"]:
        lowest, highest, mean, deviation = self.statistics[:, s]
        least, most = self.scale_range
        used, zeros, ones = self.used[s], torch.zeros_like(mean), torch.ones_like(mean)
        if self.scaling in ("none", "center"):
            factor, least = ones, 0.0
        else:
            width = deviation if self.scaling == "sigma" else highest - lowest
            factor = (most - least) / torch.where(used, width, ones)
        start = {"none": zeros, "scale": lowest}.get(self.scaling, mean)
        start = torch.where(used, start, zeros)
        return torch.where(used, least + factor * (features - start), zeros)

    def _fan_in(self, k: int, s: int) -> int:
        return max(int(self.used[s].sum()), 1) if k == 0 else self.hidden_of(s)[k - 1]

    def _start(self, k: int, s: int, generator: torch.Generator) -> None:
        weight, bias = self.layer(k, s)
        for part in (weight, bias):
            part.copy_(2 * torch.rand(part.shape, generator=generator, dtype=torch.float64) - 1)
        if k == 0:
            weight *= self.used[s][:, None]
        n_in, n_out = self._fan_in(k, s), weight.shape[1]
        if self.initial == "glorot":
            weight *= (6 / (n_in + n_out)) ** 0.5
            bias.zero_()
        elif self.initial == "nguyen_widrow" and k == len(self.hidden_of(s)):
            weight *= 0.5
        elif self.initial == "nguyen_widrow":
            length = 0.7 * n_out ** (1 / n_in) * (2 if self.functions_of(s)[k] == "tanh" else 1)
            weight *= length / weight.norm(dim=0).clamp(min=torch.finfo(weight.dtype).tiny)
            bias *= length

    def networks(self) -> list[AtomicNetwork]:
        """The network of each element in plain numbers."""
        found = []
        for s in range(len(self.used)):
            layers = [self.layer(k, s) for k in range(len(self.hidden_of(s)) + 1)]
            found.append(
                AtomicNetwork(
                    scaling=self.scaling,
                    scale_range=self.scale_range,
                    statistics=self.statistics[:, s],
                    used=self.used[s],
                    weights=tuple(w.detach() for w, _ in layers),
                    biases=tuple(b.detach() for _, b in layers),
                    activations=self.functions_of(s),
                    averaged=self.averaged,
                    energy_scale=self.energy_scale,
                )
            )
        return found

    def take(self, networks: list[AtomicNetwork]) -> None:
        """Become networks of others, one per element: their statistics and weights; shapes must fit."""
        self.statistics = torch.stack([n.statistics for n in networks], dim=1)
        self.used = torch.stack([n.used for n in networks])
        self.make_layers(len(networks), self.used.shape[1], self.statistics)
        with torch.no_grad():
            for s, network in enumerate(networks):
                for k, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
                    for mine, theirs in zip(self.layer(k, s), (weight, bias), strict=True):
                        mine.copy_(theirs)

    @classmethod
    def example(cls) -> "ScaledNetwork":
        """A small instance, not yet set up."""
        return cls(hidden=(6, 5), scaling="sigma")


def _shapes(hidden, activation, output: str) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[str, ...], ...]]:
    """Hidden nodes, and activations with that of the output, by element; one entry where all are alike."""
    by_element = [tuple(h) for h in hidden] if _nested(hidden) else [tuple(hidden)]
    given = list(activation) if _nested(activation) else [activation]
    n_elements = max(len(by_element), len(given))
    if {len(by_element), len(given)} - {1, n_elements}:
        raise UserError(f"hidden is given for {len(by_element)} elements, activation for {len(given)}")
    shapes, functions = by_element * (n_elements // len(by_element)), []
    for h, a in zip(shapes, given * (n_elements // len(given)), strict=True):
        names = (a,) * len(h) if isinstance(a, str) else tuple(a)
        if any(n < 1 for n in h):
            raise UserError(f"a hidden layer needs at least one node: hidden cannot be {list(h)}")
        if len(names) != len(h):
            raise UserError(f"{len(h)} hidden layers need as many activations, not {len(names)}: {', '.join(names)}")
        for name in (*names, output):
            _check("activation", name, tuple(FUNCTIONS))
        functions.append((*names, output))
    return tuple(shapes), tuple(functions)


def _nested(value) -> bool:
    return not isinstance(value, str) and any(isinstance(part, (tuple, list)) for part in value)


def _check(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UserError(f"there is no {what} '{name}'; choose one of {', '.join(known)}")


def _statistics(features: Float[Tensor, "rows features"]) -> Float[Tensor, "4 features"]:
    """Lowest, highest, mean and standard deviation; zeros without rows."""
    if len(features) == 0:
        return features.new_zeros(4, features.shape[1])
    spread = features.std(dim=0) if len(features) > 1 else torch.zeros_like(features[0])
    return torch.stack([features.amin(dim=0), features.amax(dim=0), features.mean(dim=0), spread])
