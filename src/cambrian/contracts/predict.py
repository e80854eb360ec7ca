"""Predictions for every structure of a dataset, as plain arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.engine import predictor
from cambrian.contracts.force_model import Model
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError


@dataclass(frozen=True)
class Predicted:
    """What a potential says of one structure: eV, eV/Å, eV/Å³, e; None, or NaN in numbers = it has none."""

    energy: float
    forces: NDArray | None
    stress: NDArray | None
    energies: NDArray | None
    charges: NDArray | None


def predict(
    potential: Model, data: Dataset, *, progress: Callable[[float], None] = lambda fraction: None
) -> list[Predicted]:
    """Predict every structure, in order; raises UserError naming file and frame where one cannot be predicted."""
    found: list[Predicted] = []
    for p in predictions(potential, data):
        found.append(p)
        progress(len(found) / len(data))
    return found


def predictions(potential: Model, data: Dataset) -> Iterator[Predicted]:
    """The same one by one, for data whose predictions would not fit into memory together."""
    run = predictor(potential)
    for s, graph in zip(data, data.graphs(potential.cutoff), strict=True):
        try:
            p = run(graph)
        except UserError as error:
            raise error.at(s.where) from None
        yield Predicted(
            energy=float(p.energy[0]),
            forces=_array(p.forces),
            stress=None if p.stress is None else _array(p.stress[0]),
            energies=_array(p.atomic_energies),
            charges=_array(p.charges),
        )


def _array(value) -> NDArray | None:
    return None if value is None else np.array(value.detach().cpu().numpy())
