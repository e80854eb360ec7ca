"""Regressors that are a function of their own for each element, E_i = f_{s_i}(x_i), with or without whitened inputs.

x = (G - μ_s) W_s          μ: mean, W: whitening map (math/whitening.py) over the atoms of one element in training
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.regressor import Regressor
from cambrian.math.whitening import whitening


class ElementRegressor(Regressor, ABC):
    """Sorts rows by species, so that each function sees its own in one go."""

    @abstractmethod
    def of_element(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows"]:
        """Energies (eV) of rows that are all of species s."""

    def forward(self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"]) -> Float[Tensor, "rows"]:
        """Energy of each row in eV."""
        counts = torch.bincount(species).tolist()
        order = torch.argsort(species, stable=True)
        parts = features[order].split(counts)
        energies = [self.of_element(rows, s) for s, rows in enumerate(parts) if counts[s] > 0]
        joined = torch.cat(energies) if energies else features.sum(dim=1)
        return torch.zeros_like(joined).index_copy(0, order, joined)


class WhitenedRegressor(ElementRegressor, ABC):
    """Keeps μ and W of each element; `share` is the whitening's, None takes the features as they are."""

    center: Tensor
    transform: Tensor

    def __init__(self, share: float | None):
        super().__init__()
        self.whitening = share
        self.register_buffer("center", torch.zeros(0, 0, dtype=torch.float64))  # (species, features)
        self.register_buffer("transform", torch.zeros(0, 0, 0, dtype=torch.float64))  # (species, features, inputs)

    def learn_scales(
        self, features: Float[Tensor, "rows features"], species: Int[Tensor, "rows"], n_species: int
    ) -> None:
        """μ and W from the features of the training set."""
        self.center = features.new_zeros(n_species, features.shape[1])
        self.transform = features.new_zeros(0, 0, 0)
        if self.whitening is not None:
            groups = [features[species == s] for s in range(n_species)]
            self.center = torch.stack([g.mean(dim=0) if len(g) else self.center[0] for g in groups])
            self.transform = torch.stack([whitening(g, self.whitening) for g in groups])

    def whitened(self, features: Float[Tensor, "rows features"], s: int) -> Float[Tensor, "rows inputs"]:
        """Inputs of one element."""
        return features if self.whitening is None else (features - self.center[s]) @ self.transform[s]
