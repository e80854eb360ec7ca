"""How a Kalman filter weighs new observations against old ones, and how much noise it adds to its covariance.

    standard         R = I/η      η <- min(η e^τ, η_max) before each update
    fading           R = λ I      P <- P/λ      λ <- ν λ + 1 - ν after each update
    both             P <- P + q I      q <- q e^-τ' after each update, while q > q_min

`gain` and `noise` rates are per epoch, as n2p2's kalman_etatau and kalman_qtau are.
S. Singraber et al., J. Chem. Theory Comput. 15, 3075 (2019); T. B. Blank, S. D. Brown, J. Chemom. 8, 391 (1994).
"""

import math
from abc import ABC, abstractmethod

from cambrian.configurable import Configurable
from cambrian.errors import UserError
from cambrian.math.kalman import BlockCovariance

State = dict[str, float]


class FilterMemory(Configurable, ABC):
    """What a filter remembers; P begins as I/`epsilon`."""

    rooms = ("fit",)
    epsilon: float

    @abstractmethod
    def start(self) -> State:
        """The numbers that change from update to update."""

    @abstractmethod
    def noise(self, state: State, per_epoch: int) -> float:
        """R of the coming update; `per_epoch` updates make an epoch."""

    @abstractmethod
    def settle(self, covariance: BlockCovariance, state: State, per_epoch: int) -> None:
        """What happens to P after an update."""


class StandardFilter(FilterMemory):
    """All observations count alike: the filter ends at the least squares of all it has seen."""

    def __init__(
        self,
        *,
        epsilon: float = 0.01,
        eta: float = 0.01,
        eta_rate: float = 2.302,
        eta_max: float = 1.0,
        q: float = 0.01,
        q_rate: float = 2.302,
        q_min: float = 1e-6,
    ):
        if min(epsilon, eta, eta_max) <= 0 or min(q, q_min) < 0:
            raise UserError("epsilon, eta and eta_max of a Kalman filter are above 0, q and q_min not below")
        self.epsilon, self.eta, self.eta_rate, self.eta_max = epsilon, eta, eta_rate, eta_max
        self.q, self.q_rate, self.q_min = q, q_rate, q_min

    def start(self) -> State:
        """η and q."""
        return {"eta": self.eta, "q": self.q}

    def noise(self, state: State, per_epoch: int) -> float:
        """1/η, after η has grown."""
        if state["eta"] < self.eta_max:
            state["eta"] *= math.exp(self.eta_rate / per_epoch)
        return 1 / state["eta"]

    def settle(self, covariance: BlockCovariance, state: State, per_epoch: int) -> None:
        """Add noise."""
        _add_noise(covariance, state, self.q_min, self.q_rate / per_epoch)


class FadingMemory(FilterMemory):
    """Old observations count less and less, by a factor λ with each update, less and less so as λ goes to 1."""

    def __init__(
        self,
        *,
        epsilon: float = 0.1,
        forgetting: float = 0.98,
        annealing: float = 0.9995,
        q: float = 0.0,
        q_rate: float = 2.302,
        q_min: float = 0.0,
    ):
        if epsilon <= 0 or not 0 < forgetting <= 1 or not 0 <= annealing <= 1 or min(q, q_min) < 0:
            raise UserError(
                "epsilon is above 0, forgetting (λ) and annealing (ν) between 0 and 1, q and q_min not below 0"
            )
        self.epsilon, self.forgetting, self.annealing = epsilon, forgetting, annealing
        self.q, self.q_rate, self.q_min = q, q_rate, q_min

    def start(self) -> State:
        """λ and q."""
        return {"lambda": self.forgetting, "q": self.q}

    def noise(self, state: State, per_epoch: int) -> float:
        """λ."""
        return state["lambda"]

    def settle(self, covariance: BlockCovariance, state: State, per_epoch: int) -> None:
        """Forget, add noise, forget less from now on."""
        covariance.fade(state["lambda"])
        _add_noise(covariance, state, self.q_min, self.q_rate / per_epoch)
        state["lambda"] = self.annealing * state["lambda"] + 1 - self.annealing


def _add_noise(covariance: BlockCovariance, state: State, smallest: float, rate: float) -> None:
    if state["q"] > 0:
        covariance.add(state["q"])
    if state["q"] > smallest:
        state["q"] *= math.exp(-rate)
