"""Minima of the reference, relaxed with the potential: how far the atoms go, and whether they come to rest at all.

RMSD = sqrt(<|Δx|²>), after the best superposition of a molecule, without the mean shift of a crystal
"""

from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import minimize_rotation_and_translation
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.validate.comparison import ANGSTROM, EV_PER_ATOM, Measured, Progress, judged
from cambrian.validate.minimum import NoMinimum, relaxed
from cambrian.validate.start import AT_REST, starting_structure

BY_SYMMETRY = 1e-5  # eV/Å: no relaxation ends with forces that small
CALM = 2.0  # eV/Å: only minima and their neighborhood are worth relaxing unasked


class Relaxation(Check):
    """The `n_structures` calmest structures of the data, or `frames`, relaxed in their cells with the potential.

    They are compared with the minimum of the reference method, reached from the same start; without one with the start,
    where its labels say that it is at rest. Forces end below `fmax` eV/Å, in at most `n_steps`. Tolerated are `rmsd`
    (Å) and `energy_change` (eV/atom), the energy that the potential gains on the way from the reference's minimum to
    its own.
    """

    def __init__(
        self,
        *,
        frames: list[int] | None = None,
        n_structures: int = 3,
        fmax: float = 0.01,
        n_steps: int = 500,
        rmsd: float = 0.1,
        energy_change: float = 0.01,
    ):
        self.frames, self.n_structures, self.fmax, self.n_steps = frames, n_structures, fmax, n_steps
        self.limits = {"rmsd": rmsd, "energy_change": energy_change}

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Without a structure near a minimum."""
        if reference is None or not len(reference):
            return "a relaxation starts from structures: give a file after the potential"
        if self.frames is None and not _calmest(reference, 1):
            return f"no structure of the data has labelled forces below {CALM:g} eV/Å: name some with `frames`"
        return ""

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Result:
        """Relax and compare; raises UserError without structures."""
        reason = self.unsuited(potential, reference, method)
        if reason or reference is None:
            raise UserError(reason)
        frames = self.frames or _calmest(reference, self.n_structures)
        rows, faults = {}, []
        for k, frame in enumerate(frames):
            start = starting_structure(reference, frame)
            try:
                rows[str(frame)] = self._one(start, potential, method, at_rest=_force(reference, frame) <= AT_REST)
            except NoMinimum as error:
                faults.append(f"structure {frame}: {error}")
            progress((k + 1) / len(frames))
        return self._judged(rows, faults)

    def _one(self, start: Atoms, potential: Potential, method: Labeller | None, *, at_rest: bool) -> dict[str, float]:
        minimum = start
        if method is not None:
            minimum = start.copy()
            minimum.calc = calculator_for(method, start)
            try:
                minimum = relaxed(minimum, fmax=self.fmax, n_steps=self.n_steps)
            except NoMinimum as error:
                raise UserError(f"with the reference method {method.level}: {error}") from None
        calculator = calculator_for(potential, start)
        there, here = minimum.copy(), start.copy()
        there.calc = here.calc = calculator
        before = there.get_potential_energy()
        here = relaxed(here, fmax=self.fmax, n_steps=self.n_steps)
        moved = displacements(minimum, here)
        figures = {
            "rmsd": float(np.sqrt((moved**2).sum(axis=1).mean())),
            "farthest": float(np.linalg.norm(moved, axis=1).max()),
            "energy_change": float((here.get_potential_energy() - before) / len(start)),
        }
        return figures | {"has_reference": at_rest or method is not None}

    def _judged(self, rows: dict[str, dict[str, float]], faults: list[str]) -> Result:
        told = [row for row in rows.values() if row["has_reference"]]
        judged_on = {name: max((row[name] for row in told), key=abs) for name in self.limits} if told else {}
        figures: dict[str, Any] = {}
        if rows:
            figures = {name: max(row[name] for row in rows.values()) for name in ("rmsd", "farthest")}
            figures["energy_change"] = min(row["energy_change"] for row in rows.values())
        found = Measured(figures | judged_on | {"structures": rows}, faults)
        said = ""
        if rows:
            n = f"{len(rows)} structures" if len(rows) > 1 else "1 structure"
            said = (
                f"{n} came to rest, at most {figures['rmsd']:.2g} Å RMSD and "
                f"{1e3 * abs(figures['energy_change']):.2g} meV/atom away"
            )
        units = {"rmsd": ANGSTROM, "farthest": ANGSTROM, "energy_change": EV_PER_ATOM}
        tolerance = self.limits if told else {}
        expected = dict.fromkeys(tolerance, 0.0)
        plots = {"relaxation": partial(_draw, rows=rows)} if rows else {}
        return judged("relaxation", said, found, expected, tolerance, units=units, plots=plots)

    @classmethod
    def example(cls) -> "Relaxation":
        """One structure, a few steps."""
        return cls(n_structures=1, n_steps=50)


def displacements(start: Atoms, end: Atoms) -> NDArray:
    """How each atom moved (atoms, 3) in Å, but for what moves no atom against another."""
    if not start.pbc.any():
        turned = end.copy()
        minimize_rotation_and_translation(start, turned)
        return turned.positions - start.positions
    moved = end.positions - start.positions
    return moved - moved.mean(axis=0)


def _calmest(reference: Dataset, n: int) -> list[int]:
    """Frames nearest to a minimum; where there are no forces, the first ones.

    Those held at rest by their symmetry alone tell little, and come after others that are at rest.
    """
    frames = [k for k, s in enumerate(reference) if len(s) > 1]
    if all(reference[k].forces is None for k in frames):
        return frames[:n]
    forces = {k: _force(reference, k) for k in frames}
    near = [k for k in frames if forces[k] < CALM]
    return sorted(near, key=lambda k: (forces[k] > AT_REST, forces[k] < BY_SYMMETRY, forces[k]))[:n]


def _force(reference: Dataset, frame: int) -> float:
    """The largest labelled force, eV/Å; infinite where there is no label."""
    forces = reference[frame].forces
    return float("inf") if forces is None else float(np.linalg.norm(forces, axis=1).max())


def _draw(axes, rows: dict) -> None:
    axes.bar(range(len(rows)), [row["rmsd"] for row in rows.values()], color="#3b82c4")
    axes.set_xticks(range(len(rows)), list(rows))
    axes.set_xlabel("structure")
    axes.set_ylabel("RMSD of the minimum, Å")
