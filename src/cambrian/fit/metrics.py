"""Errors of predictions against labels: energy per atom (eV), force components (eV/Å), stress components (eV/Å³).

MAE = <|Δ|>, RMSE = <Δ²>^½, max = max|Δ|. Labels that are absent count nowhere; a figure without labels is None.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cambrian.contracts.predict import Predicted
from cambrian.data.dataset import Dataset
from cambrian.math.voigt import voigt


@dataclass(frozen=True)
class Errors:
    """References and predictions side by side, each with the index of its structure."""

    energy: NDArray  # (structures, 2): reference, prediction, eV/atom
    forces: NDArray  # (components, 2), eV/Å
    stress: NDArray  # (components, 2), eV/Å³
    force_structure: NDArray  # (components,)
    stress_structure: NDArray  # (components,)
    groups: tuple[str, ...]

    @classmethod
    def of(cls, data: Dataset, predicted: list[Predicted]) -> "Errors":
        """Put labels and predictions side by side."""
        energy = [(s.energy / len(s), p.energy / len(s)) for s, p in zip(data, predicted, strict=True)]
        forces, stress = _Column(), _Column()
        for k, (s, p) in enumerate(zip(data, predicted, strict=True)):
            if s.forces is not None and p.forces is not None:
                forces.add(k, s.forces.ravel(), p.forces.ravel())
            if s.stress is not None and p.stress is not None:
                stress.add(k, _voigt(s.stress), _voigt(p.stress))
        return cls(
            energy=np.array(energy).reshape(-1, 2),
            forces=forces.pairs,
            stress=stress.pairs,
            force_structure=forces.structure,
            stress_structure=stress.structure,
            groups=tuple(s.group for s in data),
        )

    def figures(self) -> dict:
        """All figures under their public names, with the same per group under `groups`."""
        groups = {}
        for name in dict.fromkeys(self.groups):
            members = np.array([k for k, g in enumerate(self.groups) if g == name])
            groups[name or "default"] = self._figures(members)
        return {**self._figures(np.arange(len(self.groups))), "groups": groups}

    def _figures(self, members: NDArray) -> dict:
        forces = self.forces[np.isin(self.force_structure, members)]
        return {
            **_mae_rmse("energy", self.energy[members]),
            **_mae_rmse("force", forces),
            "force_max": _maximum(forces),
            **_mae_rmse("stress", self.stress[np.isin(self.stress_structure, members)]),
            "n_structures": len(members),
        }


class _Column:
    """Pairs (reference, prediction) of one kind, grown structure by structure."""

    def __init__(self):
        self._pairs: list[NDArray] = [np.zeros((0, 2))]
        self._structure: list[NDArray] = [np.zeros(0, dtype=int)]

    def add(self, structure: int, reference: NDArray, prediction: NDArray) -> None:
        self._pairs.append(np.column_stack([reference, prediction]))
        self._structure.append(np.full(len(reference), structure))

    @property
    def pairs(self) -> NDArray:
        return np.concatenate(self._pairs)

    @property
    def structure(self) -> NDArray:
        return np.concatenate(self._structure)


def _voigt(stress: NDArray) -> NDArray:
    return voigt(torch.from_numpy(np.asarray(stress, dtype=float))).numpy()


def _errors(pairs: NDArray) -> NDArray:
    difference = pairs[:, 1] - pairs[:, 0]
    return difference[np.isfinite(difference)]


def _mae_rmse(name: str, pairs: NDArray) -> dict[str, float | None]:
    errors = _errors(pairs)
    if len(errors) == 0:
        return {f"{name}_mae": None, f"{name}_rmse": None}
    return {f"{name}_mae": float(np.abs(errors).mean()), f"{name}_rmse": float(np.sqrt((errors**2).mean()))}


def _maximum(pairs: NDArray) -> float | None:
    errors = _errors(pairs)
    return float(np.abs(errors).max()) if len(errors) else None
