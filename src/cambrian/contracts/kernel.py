"""The capability of full kernel methods: one coefficient for each label of the training set, and one constant.

    E(x) = Σ_j α_j cov(E(x), y_j) + c          α = (K + λ)⁻¹ (y - c)          K_ij = cov(y_i, y_j)

Labels run structure by structure, within one the energy before the forces, as far as the method observes them. The
matrix K grows with the square of the number of labels, so a solver asks how large it gets before it begins.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.linear import Linear


class KernelView(Linear, ABC):
    """The linear view of a potential whose coefficients are α in the order of the labels it was set up on, then c.

    `observes` says which labels: "energy", "forces" or both; `has_constant` whether there is c, which a sum over atoms
    has not.
    """

    observes: tuple[str, ...]
    has_constant: bool = True

    @property
    @abstractmethod
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure that the potential was set up on."""

    @property
    @abstractmethod
    def length(self) -> float:
        """The length of the kernel in units of its descriptor; assign to change it."""

    @length.setter
    @abstractmethod
    def length(self, value: float) -> None: ...

    @abstractmethod
    def covariance(
        self, chosen: Sequence[int] | NDArray, progress: Callable[[float], None] = lambda fraction: None
    ) -> NDArray[np.float64]:
        """K among the labels of the chosen structures, in that order; its lower triangle is enough."""

    def labels_of(self, chosen: Sequence[int] | NDArray) -> NDArray[np.int64]:
        """How many labels each of the chosen structures has."""
        return ("energy" in self.observes) + 3 * self.n_atoms[np.asarray(chosen)] * ("forces" in self.observes)
