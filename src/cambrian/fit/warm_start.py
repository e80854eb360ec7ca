"""A fit that goes on from a fitted potential: nothing is set up anew, and old data may be replayed among the new.

Without replay a potential drifts away from what it knew ("catastrophic forgetting", M. McCloskey, N. J. Cohen, Psychol.
Learn. Motiv. 24, 109 (1989)); errors on new and on old data before and after the fit show how far.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.elements import symbols
from cambrian.errors import UserError
from cambrian.fit.metrics import Errors

NO_DATA = Dataset([])


@dataclass(frozen=True)
class WarmStart:
    """What a fit does that begins with a fitted potential.

    replay: old data; a random `replay_fraction` of them is trained on again, each label counting `replay_weight` times
        as much as a new one. A weight of zero only judges by them.
    rate: factor on the learning rate of gradient descent; least squares and its ridge begin at the start's values.
    """

    replay: Dataset = NO_DATA
    replay_weight: float = 1.0
    replay_fraction: float = 1.0
    rate: float = 0.1

    def __post_init__(self):
        if self.replay_weight < 0 or not 0 < self.replay_fraction <= 1 or self.rate <= 0:
            raise UserError(
                "replay_weight is not below 0, replay_fraction is above 0 and at most 1, rate is above 0; "
                f"not {self.replay_weight}, {self.replay_fraction}, {self.rate}"
            )

    def joined(self, train: Dataset, seed: int) -> Dataset:
        """The new data and what is replayed of the old."""
        if self.replay_weight == 0 or not len(self.replay):
            return train
        size = max(1, round(self.replay_fraction * len(self.replay)))
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self.replay))[:size])
        return train + self.replay[drawn].map(self._weighted)

    def _weighted(self, s: Structure) -> Structure:
        kinds = ("energy", "force", "stress")
        return replace(s, weights={k: s.weights.get(k, 1.0) * self.replay_weight for k in kinds})

    def tasks(self, train: Dataset, test: Dataset | None) -> Iterator[tuple[str, Dataset]]:
        """What the potential is judged by before and after: the new data (their test set, where there is one), the old.

        The new data come with the name `new`, the old with `old`.
        """
        yield "new", test if test is not None and len(test) else train
        if len(self.replay):
            yield "old", self.replay


@dataclass(frozen=True)
class Change:
    """Errors on the same data before and after the fit."""

    before: Errors
    after: Errors

    def figures(self) -> dict[str, Any]:
        """Both under their public names."""
        return {"before": self.before.figures(), "after": self.after.figures()}


def refuse_elements_unknown_to(potential: Potential, data: Dataset | None) -> None:
    """Raise UserError when data hold an element that a fitted potential was not set up for."""
    known = potential.elements.tolist()
    for s in data or ():
        strange = sorted(set(s.atoms.get_chemical_symbols()) - set(symbols(known)))
        if known and strange:
            raise UserError(
                f"{s.where}: holds {', '.join(strange)}, which the potential to start from does not know (it knows "
                f"{', '.join(symbols(known))}); fit from the beginning, on old and new data together"
            )
