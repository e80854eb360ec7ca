"""Predictions as a file: they stand under ASE's keys, and the labels that came in move to `REF_*`.

Any viewer then shows the prediction, and reading the file again takes the labels, not the predictions.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cambrian.data.dataset import Dataset
from cambrian.data.structure import NAN, Structure
from cambrian.errors import UserError

LABELS = ("energy", "forces", "stress", "charges", "dipole")
PER_ATOM = ("forces", "charges")


class Prediction(Protocol):
    """What a potential says of one structure: eV, eV/Å, eV/Å³, e; None or NaN = it says nothing."""

    @property
    def energy(self) -> float: ...  # noqa: D102 - as the class says
    @property
    def forces(self) -> NDArray | None: ...  # noqa: D102
    @property
    def stress(self) -> NDArray | None: ...  # noqa: D102
    @property
    def charges(self) -> NDArray | None: ...  # noqa: D102


def with_predictions(data: Dataset, predictions: Iterable[Prediction]) -> Dataset:
    """The structures with predictions for labels, and their own labels as REF_energy, REF_forces and so on.

    An older REF_ key gives way to the label. `energies` of a prediction become `atomic_energies`. Raises UserError when
    there is not one prediction for each structure.
    """
    predictions = list(predictions)
    if len(predictions) != len(data):
        raise UserError(f"there are {len(predictions)} predictions for {len(data)} structures")
    return Dataset(_predicted(s, p) for s, p in zip(data, predictions, strict=True))


def _predicted(s: Structure, p: Prediction) -> Structure:
    atoms = s.atoms.copy()
    for name in LABELS:
        store = atoms.arrays if name in PER_ATOM else atoms.info
        store.pop(f"REF_{name}", None)
        own = getattr(s, name)
        if own is not None and np.isfinite(own).all():
            store[f"REF_{name}"] = own
    energies = getattr(p, "energies", None)
    if energies is not None:
        atoms.arrays["atomic_energies"] = np.asarray(energies)
    found = {name: _known(getattr(p, name, None)) for name in LABELS}
    return replace(s, atoms=atoms, **found | {"energy": NAN if found["energy"] is None else float(found["energy"])})


def _known(value):
    return None if value is None or not np.isfinite(value).all() else value
