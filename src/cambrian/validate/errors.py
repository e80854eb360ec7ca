"""Errors on labelled structures: MAE, RMSE and largest error, overall and per group, with parity plots."""

from functools import partial

import numpy as np

from cambrian.contracts.check import Check, Result, Verdict
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.predict import predict
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit.metrics import Errors
from cambrian.units import GPA
from cambrian.validate.parity import parity


class LabelErrors(Check):
    """Errors against labels; `energy_mae` (eV/atom), `force_mae` (eV/Å), `stress_mae` (eV/Å³) are what is tolerated."""

    def __init__(
        self, *, energy_mae: float | None = None, force_mae: float | None = None, stress_mae: float | None = None
    ):
        limits = {"energy_mae": energy_mae, "force_mae": force_mae, "stress_mae": stress_mae}
        self.tolerance = {name: limit for name, limit in limits.items() if limit is not None}

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
        errors = Errors.of(reference, predict(potential, reference, progress=progress))
        figures = errors.figures()
        verdict, sentence = self._judged(figures)
        return Result("errors", figures, verdict, sentence, tolerance=self.tolerance, plots=plots(errors))

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


def _in_words(figures: dict) -> str:
    parts = []
    if figures["energy_mae"] is not None:
        parts.append(f"energy MAE {1e3 * figures['energy_mae']:.3g} meV/atom")
    if figures["force_mae"] is not None:
        parts.append(f"force MAE {1e3 * figures['force_mae']:.3g} meV/Å")
    if figures["stress_mae"] is not None:
        parts.append(f"stress MAE {figures['stress_mae'] / GPA:.3g} GPa")
    on = f"on {figures['n_structures']} structures"
    return f"{', '.join(parts)} {on}" if parts else f"no label to compare with {on}"
