"""The energy of a crystal over its volume, by the equation of Birch and Murnaghan.

    E(V) = E0 + 9 V0 B/16 [2 (s - 1)² + (B' - 4) (s - 1)³]          s = (V0/V)^(2/3)

A cubic polynomial in V^(-2/3), so the fit is linear. F. Birch, Phys. Rev. 71, 809 (1947). Two curves are compared by
their distance Δ = sqrt(<(E_a - E_b)²>) over ± 6 % of volume with their minima laid on one energy: K. Lejaeghere et al.,
Science 351, aad3000 (2016).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.units import GPA
from cambrian.validate.comparison import (
    EV_PER_ATOM,
    STRESS,
    Known,
    Measured,
    Progress,
    both_sides,
    judged,
    known_values,
)
from cambrian.validate.minimum import NoMinimum, relaxed
from cambrian.validate.start import lattice_start, why_no_lattice

NAMES = ["volume", "bulk_modulus", "bulk_modulus_derivative"]
UNITS = {
    "volume": (1.0, "Å³/atom"),
    "bulk_modulus": STRESS,
    "bulk_modulus_derivative": (1.0, ""),
    "energy": (1.0, "eV/atom"),
    "residual": EV_PER_ATOM,
    "delta": EV_PER_ATOM,
}
ATTEMPTS = 6  # to find a range of volumes with the minimum inside


@dataclass(frozen=True)
class BirchMurnaghan:
    """V0 (Å³/atom), E0 (eV/atom), B (eV/Å³) and B' of a curve; `residual` of its fit in eV/atom."""

    volume: float
    energy: float
    bulk_modulus: float
    bulk_modulus_derivative: float
    residual: float = 0.0

    def __call__(self, volumes: NDArray) -> NDArray:
        """E(V), eV/atom."""
        s = (self.volume / volumes) ** (2 / 3) - 1
        shape = 2 * s**2 + (self.bulk_modulus_derivative - 4) * s**3
        return self.energy + 9 / 16 * self.volume * self.bulk_modulus * shape

    @classmethod
    def fit(cls, volumes: NDArray, energies: NDArray) -> "BirchMurnaghan":
        """The curve through points per atom; raises NoMinimum where the points have none between them."""
        y = volumes ** (-2 / 3)
        scale = y.mean()
        polynomial = np.polynomial.Polynomial.fit(y / scale, energies, 3).convert()
        slope, curvature, third = (polynomial.deriv(n) for n in (1, 2, 3))
        roots = slope.roots()
        minima = [r.real for r in roots if abs(r.imag) < 1e-12 and curvature(r.real) > 0]
        inside = [r for r in minima if y.min() / scale <= r <= y.max() / scale]
        if not inside:
            raise NoMinimum(f"the energy has no minimum between {volumes.min():.4g} and {volumes.max():.4g} Å³/atom")
        (s,) = inside
        volume = float((s * scale) ** -1.5)
        bulk = float(4 / 9 * s**2 * curvature(s) / volume)
        derivative = float(4 + 8 / 27 * s**3 * third(s) / (volume * bulk))
        residual = float(np.sqrt(np.mean((polynomial(y / scale) - energies) ** 2)))
        return cls(volume, float(polynomial(s)), bulk, derivative, residual)

    def distance(self, other: "BirchMurnaghan") -> float:
        """Δ in eV/atom, over ± 6 % about the mean of both volumes."""
        center = (self.volume + other.volume) / 2
        volumes = center * np.linspace(0.94, 1.06, 201)
        difference = (self(volumes) - self.energy) - (other(volumes) - other.energy)
        return float(np.sqrt(np.mean(difference**2)))


class EquationOfState(Check):
    """Volume, bulk modulus and its pressure derivative of a crystal from `n_points` volumes within ± `span`.

    `frame` is the crystal to start from (by default the one nearest to rest); atoms in each cell are relaxed to forces
    below `fmax` eV/Å in at most `n_steps` (0 holds them in place). `known` holds values such as {"bulk_modulus_GPa":
    98, "volume": 20.0} (Å³/atom). Tolerated are the shares `volume` and `bulk_modulus` of the reference values.
    """

    def __init__(
        self,
        *,
        frame: int | None = None,
        span: float = 0.06,
        n_points: int = 9,
        fmax: float = 1e-3,
        n_steps: int = 200,
        known: Known = None,
        volume: float = 0.02,
        bulk_modulus: float = 0.1,
    ):
        if n_points < 5 or not 0 < span < 0.5:
            raise UserError("an equation of state needs n_points of at least 5, and a span between 0 and 0.5")
        self.frame, self.span, self.n_points, self.fmax, self.n_steps = frame, span, n_points, fmax, n_steps
        self.known = known_values(known, NAMES)
        self.shares = {"volume": volume, "bulk_modulus": bulk_modulus}

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Without a crystal."""
        return why_no_lattice(reference, self.frame)

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Result:
        """Scan, fit and compare; raises UserError without a crystal."""
        start = lattice_start(reference, self.frame)
        found, by_method = both_sides(partial(self._measure, start), potential, method, progress)
        sides = {"potential": found} | ({} if by_method is None else {"reference": by_method})
        curves = {side: m.curves for side, m in sides.items() if m.curves}
        if len(curves) == 2:
            found.figures["delta"] = curves["potential"]["fit"].distance(curves["reference"]["fit"])
        expected = {k: v for k, v in ({} if by_method is None else by_method.figures).items()} | self.known
        tolerance = {n: share * abs(expected[n]) for n, share in self.shares.items() if n in expected}
        plots = {"equation_of_state": partial(_draw, curves=curves)} if curves else {}
        said = _said(found.figures) if found.figures else ""
        return judged("equation of state", said, found, expected, tolerance, units=UNITS, plots=plots)

    def _measure(self, start: Atoms, driver: Potential | Labeller, progress: Progress) -> Measured:
        calculator = calculator_for(driver, start)
        center = start.get_volume() / len(start)
        for attempt in range(ATTEMPTS):
            volumes = center * np.linspace(1 - self.span, 1 + self.span, self.n_points)
            energies = np.empty(self.n_points)
            for k, volume in enumerate(volumes):
                energies[k] = self._energy(start, volume, calculator)
                progress(1 - (1 - (k + 1) / self.n_points) / 2**attempt)
            lowest = int(energies.argmin())
            if 0 < lowest < self.n_points - 1:
                break
            center = volumes[lowest]
        fit = BirchMurnaghan.fit(volumes, energies)
        progress(1.0)
        figures = {name: getattr(fit, name) for name in (*NAMES, "energy", "residual")}
        return Measured(figures, curves={"volumes": volumes, "energies": energies, "fit": fit})

    def _energy(self, start: Atoms, volume: float, calculator) -> float:
        atoms = start.copy()
        atoms.set_cell(start.cell.array * np.cbrt(volume * len(start) / start.get_volume()), scale_atoms=True)
        atoms.calc = calculator
        return relaxed(atoms, fmax=self.fmax, n_steps=self.n_steps).get_potential_energy() / len(atoms)

    @classmethod
    def example(cls) -> "EquationOfState":
        """Five volumes, clamped atoms."""
        return cls(n_points=5, n_steps=0)


def _said(figures: dict) -> str:
    words = f"{figures['volume']:.4g} Å³/atom, bulk modulus {figures['bulk_modulus'] / GPA:.4g} GPa"
    words += f", B' {figures['bulk_modulus_derivative']:.3g}"
    return words + (f", Δ {1e3 * figures['delta']:.2g} meV/atom" if "delta" in figures else "")


def _draw(axes, curves: dict) -> None:
    for side, curve in curves.items():
        fit = curve["fit"]
        volumes = np.linspace(curve["volumes"].min(), curve["volumes"].max(), 200)
        color = "0.5" if side == "reference" else None
        (line,) = axes.plot(volumes, 1e3 * (fit(volumes) - fit.energy), color=color, label=side)
        axes.plot(curve["volumes"], 1e3 * (curve["energies"] - fit.energy), "o", color=line.get_color(), markersize=4)
    axes.set_xlabel("volume, Å³/atom")
    axes.set_ylabel("energy above the minimum, meV/atom")
    axes.legend()
