"""Where a potential errs: per element, by direction and size of the force, and which atoms are worst.

    cos θ = F·F_ref / |F||F_ref|        aligned energy error = ΔE/N - Σ_Z c_Z n_Z/N, c_Z by least squares

Angles count where |F_ref| > 0.05 eV/Å: smaller forces have no direction to speak of. Aligned errors are what is left
when one offset for each element is taken away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.predict import Predicted
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol

DIRECTED = 0.05  # eV/Å
PARTS = 4  # of the forces, by size


@dataclass(frozen=True)
class AtomErrors:
    """Reference and predicted forces (atoms, 3) eV/Å of all atoms that have both, and where each stands."""

    reference: NDArray
    predicted: NDArray
    numbers: NDArray
    structure: NDArray
    atom: NDArray

    @classmethod
    def of(cls, data: Dataset, predicted: list[Predicted]) -> "AtomErrors":
        """Forces side by side."""
        pairs = [(k, s, p) for k, (s, p) in enumerate(zip(data, predicted, strict=True))]
        known = [(k, s, s.forces, p.forces) for k, s, p in pairs if s.forces is not None and p.forces is not None]
        nothing = [np.zeros((0, 3))]
        return cls(
            reference=np.concatenate(nothing + [reference for _, _, reference, _ in known]),
            predicted=np.concatenate(nothing + [found for _, _, _, found in known]),
            numbers=np.concatenate([np.zeros(0, int), *(s.atoms.numbers for _, s, _, _ in known)]),
            structure=np.concatenate([np.zeros(0, int), *(np.full(len(s), k) for k, s, _, _ in known)]),
            atom=np.concatenate([np.zeros(0, int), *(np.arange(len(s)) for _, s, _, _ in known)]),
        )

    @property
    def sizes(self) -> NDArray:
        """|ΔF| of each atom, eV/Å."""
        return np.linalg.norm(self.predicted - self.reference, axis=1)

    def elements(self) -> dict[str, dict]:
        """Errors of force components for each element."""
        return {symbol(int(z)): _errors(self, self.numbers == z) for z in np.unique(self.numbers)}

    def directions(self) -> dict[str, float | None]:
        """Mean cosine and mean angle (degrees) between the forces, and the error of their size (eV/Å)."""
        lengths, found = np.linalg.norm(self.reference, axis=1), np.linalg.norm(self.predicted, axis=1)
        directed = (lengths > DIRECTED) & (found > 0)
        if not directed.any():
            return {"force_cosine": None, "force_angle": None, "force_size_mae": None}
        products = (self.reference[directed] * self.predicted[directed]).sum(axis=1)
        cosines = np.clip(products / (lengths[directed] * found[directed]), -1.0, 1.0)
        return {
            "force_cosine": float(cosines.mean()),
            "force_angle": float(np.degrees(np.arccos(cosines)).mean()),
            "force_size_mae": float(np.abs(found - lengths).mean()),
        }

    def by_size(self) -> list[dict]:
        """Errors of the forces in four parts of equal number, from the smallest |F_ref| to the largest."""
        if not len(self.atom):
            return []
        lengths = np.linalg.norm(self.reference, axis=1)
        parts = np.array_split(np.argsort(lengths, kind="stable"), min(PARTS, len(lengths)))
        return [{"largest_force": float(lengths[part[-1]])} | _errors(self, part) for part in parts]

    def outliers(self, data: Dataset, n: int) -> list[dict]:
        """The `n` atoms with the largest |ΔF|: file, frame, atom, and how many times the RMS of |ΔF| it is."""
        sizes = self.sizes
        rms = max(float(np.sqrt((sizes**2).mean())), 1e-300) if len(sizes) else 1.0
        found = []
        for k in np.argsort(-sizes, kind="stable")[:n]:
            s = data.structures[self.structure[k]]
            found.append(
                {
                    "file": s.source,
                    "frame": s.frame,
                    "atom": int(self.atom[k]),
                    "element": symbol(int(self.numbers[k])),
                    "group": s.group,
                    "force_error": float(sizes[k]),
                    "times_rms": float(sizes[k] / rms),
                    "reference": self.reference[k].tolist(),
                    "predicted": self.predicted[k].tolist(),
                }
            )
        return found


def energy_outliers(data: Dataset, energy: NDArray, n: int) -> list[dict]:
    """The `n` structures with the largest error of the energy per atom; energy (structures, 2) eV/atom."""
    errors = energy[:, 1] - energy[:, 0]
    known = np.nonzero(np.isfinite(errors))[0]
    rms = max(float(np.sqrt((errors[known] ** 2).mean())), 1e-300) if len(known) else 1.0
    worst = known[np.argsort(-np.abs(errors[known]), kind="stable")[:n]]
    return [
        {
            "file": data.structures[k].source,
            "frame": data.structures[k].frame,
            "group": data.structures[k].group,
            "energy_error": float(errors[k]),
            "times_rms": float(abs(errors[k]) / rms),
        }
        for k in worst
    ]


def aligned_energies(data: Dataset, energy: NDArray) -> dict[str, float | None]:
    """MAE and RMSE (eV/atom) of energies after one offset for each element is taken away."""
    errors = energy[:, 1] - energy[:, 0]
    known = np.isfinite(errors)
    if not known.any():
        return {"energy_mae_aligned": None, "energy_rmse_aligned": None}
    shares = np.array([[np.mean(s.atoms.numbers == z) for z in data.numbers] for s in data])[known]
    offsets = np.linalg.lstsq(shares, errors[known], rcond=None)[0]
    rest = errors[known] - shares @ offsets
    return {
        "energy_mae_aligned": float(np.abs(rest).mean()),
        "energy_rmse_aligned": float(np.sqrt((rest**2).mean())),
    }


def r_squared(pairs: NDArray) -> float | None:
    """1 - Σ Δ² / Σ (reference - mean)² of pairs (n, 2); None where the reference does not vary."""
    known = pairs[np.isfinite(pairs).all(axis=1)]
    spread = float(((known[:, 0] - known[:, 0].mean()) ** 2).sum()) if len(known) else 0.0
    return 1.0 - float(((known[:, 1] - known[:, 0]) ** 2).sum()) / spread if spread > 0 else None


def _errors(errors: AtomErrors, chosen: NDArray) -> dict:
    difference = errors.predicted[chosen] - errors.reference[chosen]
    return {
        "force_mae": float(np.abs(difference).mean()),
        "force_rmse": float(np.sqrt((difference**2).mean())),
        "force_max": float(np.abs(difference).max()),
        "n_atoms": len(difference),
    }
