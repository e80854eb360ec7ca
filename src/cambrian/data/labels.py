"""Labels of a batch as tensors; NaN marks what is absent, so that losses and metrics can mask it."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.data.structure import Structure


@dataclass(frozen=True, eq=False)
class Labels:
    """Reference values of a batch of structures: eV, eV/Å, eV/Å³, e, e Å; NaN = absent."""

    n_atoms: Int[Tensor, "structures"]
    energy: Float[Tensor, "structures"]
    forces: Float[Tensor, "atoms 3"]
    stress: Float[Tensor, "structures 3 3"]
    charges: Float[Tensor, "atoms"]
    dipole: Float[Tensor, "structures 3"]
    energy_weight: Float[Tensor, "structures"]
    force_weight: Float[Tensor, "structures"]
    stress_weight: Float[Tensor, "structures"]
    group: tuple[str, ...]

    @classmethod
    def of(cls, structures: list[Structure]) -> "Labels":
        """Collect the labels of some structures, in their order."""

        def stacked(name: str, *shape: int) -> Tensor:
            values = [getattr(s, name) for s in structures]
            return torch.from_numpy(
                np.stack([np.full(shape, np.nan) if v is None else v for v in values]).astype(float)
            )

        def joined(name: str, *tail: int) -> Tensor:
            values = [getattr(s, name) for s in structures]
            filled = [
                np.full((len(s), *tail), np.nan) if v is None else v for s, v in zip(structures, values, strict=True)
            ]
            return torch.from_numpy(np.concatenate(filled).astype(float))

        def weight(name: str) -> Tensor:
            return torch.tensor([s.weights.get(name, 1.0) for s in structures], dtype=torch.float64)

        return cls(
            n_atoms=torch.tensor([len(s) for s in structures]),
            energy=torch.tensor([s.energy for s in structures], dtype=torch.float64),
            forces=joined("forces", 3),
            stress=stacked("stress", 3, 3),
            charges=joined("charges"),
            dipole=stacked("dipole", 3),
            energy_weight=weight("energy"),
            force_weight=weight("force"),
            stress_weight=weight("stress"),
            group=tuple(s.group for s in structures),
        )

    def to(self, target: torch.dtype | torch.device | str) -> "Labels":
        """The same labels in another precision or on another device."""
        counts = isinstance(target, torch.dtype)
        moved = {
            k: v.to(target)
            for k, v in vars(self).items()
            if isinstance(v, Tensor) and not (counts and not v.is_floating_point())
        }
        return replace(self, **moved)

    @classmethod
    def joined(cls, parts: "list[Labels]") -> "Labels":
        """The labels of several batches as one, in order."""
        values = {k: [getattr(p, k) for p in parts] for k in vars(parts[0])}
        group = tuple(name for part in values.pop("group") for name in part)
        return cls(**{k: torch.cat(v) for k, v in values.items()}, group=group)
