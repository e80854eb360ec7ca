"""Errors on labelled structures: MAE, RMSE and largest error, overall, per group and per element; the worst by name."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.predict import predict
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit.metrics import Errors
from cambrian.units import GPA
from cambrian.validate.force_errors import AtomErrors, aligned_energies, energy_outliers, r_squared
from cambrian.validate.parity import FEW, parity

STANDS_OUT = 5.0  # times the RMS error: an atom worth naming
FEW_GROUPS = 12  # more make no picture


class LabelErrors(Check):
    """Errors against labels; `energy_mae` (eV/atom), `force_mae` (eV/Å), `stress_mae` (eV/Å³) are what is tolerated.

    `n_outliers` of the worst atoms and structures are listed with file and frame.
    """

    def __init__(
        self,
        *,
        energy_mae: float | None = None,
        force_mae: float | None = None,
        stress_mae: float | None = None,
        n_outliers: int = 10,
    ):
        limits = {"energy_mae": energy_mae, "force_mae": force_mae, "stress_mae": stress_mae}
        self.tolerance = {name: limit for name, limit in limits.items() if limit is not None}
        self.n_outliers = n_outliers

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Predict every structure; raises UserError without labelled structures, or where one cannot be predicted."""
        if reference is None or len(reference) == 0:
            raise UserError("errors need labelled structures to compare with: give a file after the potential")
        predicted = predict(potential, reference, progress=progress)
        errors, atoms = Errors.of(reference, predicted), AtomErrors.of(reference, predicted)
        figures = errors.figures() | {
            "energy_r2": r_squared(errors.energy),
            "force_r2": r_squared(errors.forces),
            **aligned_energies(reference, errors.energy),
            **atoms.directions(),
            "elements": atoms.elements(),
            "by_force": atoms.by_size(),
            "outliers": {
                "energy": energy_outliers(reference, errors.energy, self.n_outliers),
                "force": atoms.outliers(reference, self.n_outliers),
            },
        }
        verdict, sentence = self._judged(figures)
        drawn = plots(errors) | _further_plots(errors, atoms)
        return Result("errors", figures, verdict, sentence, tolerance=self.tolerance, plots=drawn)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """No labels."""
        if reference is None or not any(
            s.has_energy or s.forces is not None or s.stress is not None for s in reference
        ):
            return "there are no labels to compare with"
        return ""

    def _judged(self, figures: dict) -> tuple[Verdict, str]:
        said = _in_words(figures)
        if not self.tolerance:
            return "no reference", said
        missed = [name for name, limit in self.tolerance.items() if figures[name] is None or figures[name] > limit]
        if missed:
            return "failed", f"{said}; above what is tolerated: {', '.join(missed)}"
        return "passed", f"{said}; within what is tolerated"


def plots(errors: Errors) -> dict:
    """A parity plot of each kind of label that is there, as functions that draw on axes."""
    energy = errors.energy - np.nanmin(errors.energy[:, 0]) if np.isfinite(errors.energy).any() else errors.energy
    kinds = {
        "parity_energy": (energy, "energy above the lowest", "eV/atom", 1.0),
        "parity_forces": (errors.forces, "force component", "eV/Å", 1.0),
        "parity_stress": (errors.stress, "stress component", "GPa", 1 / GPA),
    }
    return {
        name: partial(parity, pairs=pairs, quantity=quantity, unit=unit, factor=factor)
        for name, (pairs, quantity, unit, factor) in kinds.items()
        if np.isfinite(pairs).all(axis=1).any()
    }


def _further_plots(errors: Errors, atoms: AtomErrors) -> dict:
    """Groups by color, where there are a few, and error over the size of the force."""
    drawn = {}
    names = list(dict.fromkeys(errors.groups))
    if 1 < len(names) <= FEW_GROUPS:
        group = np.array([names.index(g) for g in errors.groups])
        kinds = {
            "energy": (errors.energy, group, "error of the energy, meV/atom"),
            "forces": (errors.forces, group[errors.force_structure], "error of a force component, meV/Å"),
        }
        for kind, (pairs, members, label) in kinds.items():
            if np.isfinite(pairs).all(axis=1).any():
                drawn[f"groups_{kind}"] = partial(_draw_groups, pairs=pairs, members=members, names=names, label=label)
    if len(atoms.atom):
        drawn["error_by_force"] = partial(_draw_by_force, atoms=atoms)
    return drawn


def _draw_groups(axes, pairs: NDArray, members: NDArray, names: list[str], label: str) -> None:
    """Errors of each group as a box: quartiles, with whiskers over nine tenths."""
    found = [1e3 * (pairs[members == k, 1] - pairs[members == k, 0]) for k in range(len(names))]
    found = [values[np.isfinite(values)] for values in found]
    axes.boxplot(found, whis=(5, 95), showfliers=False)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set_xticks(range(1, len(names) + 1), [name or "default" for name in names], rotation=30, ha="right")
    axes.set_xlabel("box: half of the errors, whiskers: nine tenths")
    axes.set_ylabel(label)


def _draw_by_force(axes, atoms: AtomErrors) -> None:
    chosen = np.linspace(0, len(atoms.atom) - 1, min(len(atoms.atom), FEW)).astype(int)
    lengths = np.linalg.norm(atoms.reference[chosen], axis=1)
    axes.scatter(lengths, 1e3 * atoms.sizes[chosen], s=6, alpha=0.4, linewidths=0, color="#3b82c4", rasterized=True)
    axes.set_xlabel("size of the reference force, eV/Å")
    axes.set_ylabel("error of the force, meV/Å")


def _in_words(figures: dict) -> str:
    parts = []
    if figures["energy_mae"] is not None:
        parts.append(f"energy MAE {1e3 * figures['energy_mae']:.3g} meV/atom")
    if figures["force_mae"] is not None:
        parts.append(f"force MAE {1e3 * figures['force_mae']:.3g} meV/Å")
    if figures["stress_mae"] is not None:
        parts.append(f"stress MAE {figures['stress_mae'] / GPA:.3g} GPa")
    on = f"on {figures['n_structures']} structures"
    if not parts:
        return f"no label to compare with {on}"
    return f"{', '.join(parts)} {on}" + _worst(figures["outliers"]["force"])


def _worst(outliers: list[dict]) -> str:
    """The worst atom in words, where it stands out."""
    if not outliers or outliers[0]["times_rms"] < STANDS_OUT:
        return ""
    o = outliers[0]
    where = f"{o['file'] or 'structure'}, frame {o['frame']}, atom {o['atom']} ({o['element']})"
    return f"; worst force in {where}: off by {1e3 * o['force_error']:.0f} meV/Å, {o['times_rms']:.0f} times the RMS"
