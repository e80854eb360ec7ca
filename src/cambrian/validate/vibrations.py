"""Harmonic vibrations of a molecule: its infrared spectrum of lines, compared line by line.

    ν_k = ω_k / 2π c          I_k ∝ |dμ/dQ_k|²          Q_k: mass-weighted normal coordinate, √amu Å

Intensities where the calculator has a dipole, in the double harmonic approximation (E. B. Wilson, J. C. Decius,
P. C. Cross, Molecular Vibrations, 1955): 974.88 km/mol for (1 e)²/amu.
"""

from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.sample.normal_modes import NormalModes, normal_modes
from cambrian.validate.comparison import EV, Measured, Progress, both_sides, judged
from cambrian.validate.minimum import relaxed
from cambrian.validate.start import nearest_to_rest, starting_structure

PER_CM = 8065.543937  # 1/cm in an eV
INTENSITY = 974.8801  # km/mol for (1 e)²/amu
LINE = 10.0  # 1/cm: half width at half height of a drawn line


class Vibrations(Check):
    """Frequencies of a molecule at its own minimum, by finite differences of `step` Å.

    `frame` is the molecule (by default the one nearest to rest); it is relaxed to forces below `fmax` eV/Å first. An
    imaginary frequency below -`imaginary_per_cm` fails. `known_per_cm` holds frequencies in any order; tolerated is
    their mean absolute error, `mae_per_cm`.
    """

    def __init__(
        self,
        *,
        frame: int | None = None,
        step: float = 0.01,
        fmax: float = 1e-3,
        n_steps: int = 500,
        imaginary_per_cm: float = 20.0,
        known_per_cm: list[float] | None = None,
        mae_per_cm: float = 30.0,
    ):
        self.frame, self.step, self.fmax, self.n_steps = frame, step, fmax, n_steps
        self.imaginary_per_cm, self.mae_per_cm = imaginary_per_cm, mae_per_cm
        self.known = None if known_per_cm is None else sorted(known_per_cm)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Without a molecule."""
        if reference is None or not any(_is_molecule(s) for s in reference):
            return "vibrations are those of a molecule: give a file with one, not periodic"
        return ""

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Result:
        """Relax, displace, diagonalize and compare; raises UserError without a molecule."""
        reason = self.unsuited(potential, reference, method)
        if reason:
            raise UserError(reason)
        start = starting_structure(
            reference, nearest_to_rest(reference, _is_molecule) if self.frame is None else self.frame
        )
        if start.pbc.any() or len(start) < 2:
            raise UserError(f"structure {self.frame} is no molecule: vibrations need two atoms or more, not periodic")
        found, by_method = both_sides(partial(self._measure, start), potential, method, progress)
        expected: dict[str, Any] = {} if by_method is None else dict(by_method.figures)
        if self.known is not None:
            expected["frequencies_per_cm"] = self.known
        return self._judged(found, expected)

    def _judged(self, found: Measured, expected: dict[str, Any]) -> Result:
        if not found.figures:
            return judged("vibrations", "", found, {}, {}, units={})
        lines = found.figures["frequencies_per_cm"]
        said = f"{len(lines)} vibrations from {lines[0]:.0f} to {lines[-1]:.0f} 1/cm"
        tolerance, goal = {}, {}
        if "frequencies_per_cm" in expected:
            others = expected["frequencies_per_cm"]
            if len(others) != len(lines):
                raise UserError(f"this molecule has {len(lines)} vibrations, but known_per_cm holds {len(others)}")
            difference = np.abs(np.subtract(lines, others))
            found.figures |= {"mae_per_cm": float(difference.mean()), "largest_error_per_cm": float(difference.max())}
            tolerance, goal = {"mae_per_cm": self.mae_per_cm}, {"mae_per_cm": 0.0}
        plots = {"vibrations": partial(_draw, found=found.figures, expected=expected)}
        units = {"mae_per_cm": (1.0, "1/cm"), "zero_point_energy": EV}
        result = judged("vibrations", said, found, goal, tolerance, units=units, plots=plots)
        result.reference |= expected
        return result

    def _measure(self, start: Atoms, driver: Potential | Labeller, progress: Progress) -> Measured:
        atoms = start.copy()
        atoms.calc = calculator = calculator_for(driver, start)
        atoms = relaxed(atoms, fmax=self.fmax, n_steps=self.n_steps)
        modes = normal_modes(atoms, calculator, step=self.step, progress=lambda _, fraction, __: progress(fraction))
        lines = PER_CM * modes.energies
        faults = []
        if lines[0] < -self.imaginary_per_cm:
            faults.append(f"imaginary down to {-lines[0]:.0f}i 1/cm: the molecule is no minimum")
        figures: dict[str, Any] = {
            "lowest_per_cm": float(lines[0]),
            "highest_per_cm": float(lines[-1]),
            "zero_point_energy": float(0.5 * modes.energies[modes.energies > 0].sum()),
            "frequencies_per_cm": lines.tolist(),
        }
        strengths = intensities(modes, calculator, self.step)
        return Measured(figures | ({} if strengths is None else {"intensities_km_per_mol": strengths.tolist()}), faults)

    @classmethod
    def example(cls) -> "Vibrations":
        """A coarse minimum."""
        return cls(fmax=0.02)


def intensities(modes: NormalModes, calculator: BaseCalculator, step: float) -> NDArray | None:
    """Infrared intensity (modes,) of each mode in km/mol; None where the calculator has no dipole."""
    shapes = modes.vectors / np.sqrt(modes.atoms.get_masses())[None, :, None]
    found = []
    for shape in shapes:
        size = step / np.abs(shape).max()  # no atom moves further than `step`
        dipoles = [_dipole(modes.atoms, sign * size * shape, calculator) for sign in (1, -1)]
        if dipoles[0] is None or dipoles[1] is None:
            return None
        found.append(INTENSITY * float((((dipoles[0] - dipoles[1]) / (2 * size)) ** 2).sum()))
    return np.array(found)


def _dipole(atoms: Atoms, shift: NDArray, calculator: BaseCalculator) -> NDArray | None:
    moved = atoms.copy()
    moved.positions += shift
    moved.calc = calculator
    try:
        moved.get_potential_energy()
        return np.array(moved.get_dipole_moment(), dtype=float)
    except PropertyNotImplementedError:
        return None


def _is_molecule(s: Structure) -> bool:
    return len(s) > 1 and not s.atoms.pbc.any()


def _draw(axes, found: dict, expected: dict) -> None:
    sides = {"potential": (found, "#3b82c4", 1), "reference": (expected, "0.6", -1)}
    top = max(max(f.get("frequencies_per_cm", [0.0])) for f, _, _ in sides.values())
    wavenumber = np.linspace(0, 1.05 * top, 2000)
    seen = all("intensities_km_per_mol" in f for f, _, _ in sides.values() if "frequencies_per_cm" in f)
    for label, (figures, color, sign) in sides.items():
        lines = np.array(figures.get("frequencies_per_cm", []))
        if len(lines):
            heights = np.array(figures["intensities_km_per_mol"]) if seen else np.ones(len(lines))
            shape = LINE / np.pi / ((wavenumber[:, None] - lines) ** 2 + LINE**2)
            axes.plot(wavenumber, sign * shape @ heights, color=color, label=label)
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.set_xlabel("wavenumber, 1/cm")
    axes.set_ylabel("infrared intensity, km/mol per 1/cm" if seen else "density of vibrations, per 1/cm")
    axes.legend()
