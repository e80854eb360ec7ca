"""Well-tempered metadynamics: hills of energy dropped where the system has been drive it on to new places.

    V(s) = Σ_k w_k exp(-Σ_c (s_c - s_ck)² / 2 δ_c²)      w_k = w exp(-V(s_k) / (γ - 1) k T)
    F(s) -> -γ / (γ - 1) V(s) + const.                   free energy, γ the bias factor

Walls ½ κ (s - limit)² with κ = 20 k T / δ² keep s within limits. A. Barducci, G. Bussi, M. Parrinello, Phys. Rev.
Lett. 100, 020603 (2008).
"""

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators import calculator as ase_calculator
from ase.calculators.calculator import BaseCalculator
from ase.md.langevinbaoab import LangevinBAOAB
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from cambrian.errors import UserError
from cambrian.sample.collective_variables import CollectiveVariable, collective_variable
from cambrian.sample.ensembles import Ensemble, refuse_constraints, sound_temperature
from cambrian.units import BOLTZMANN

WALL = 20.0  # k T at one width beyond the limit, twice


class WellTempered(Ensemble):
    """Constant temperature with a bias that grows along collective variables; the bias is part of the checkpoint.

    `variables` such as `distance 0 1`, `angle 0 1 2`, `torsion 0 1 2 3` (degrees), `coordination O H 1.3`; a hill of
    `height` eV and `widths` (in the units of the variables) every `deposit_fs`; `limits` are pairs (low, high).
    """

    memory = ("hills", "n_done", "accel")

    def __init__(
        self,
        temperature_K: float = 300.0,
        *,
        variables: tuple[str, ...],
        widths: tuple[float, ...],
        height: float = 0.02,
        bias_factor: float = 10.0,
        deposit_fs: float = 50.0,
        limits: tuple[tuple[float, float], ...] | None = None,
        relaxation_fs: float = 100.0,
    ):
        self.temperature_K = sound_temperature(temperature_K)
        if not variables or len(widths) != len(variables) or min(widths) <= 0:
            raise UserError(f"metadynamics needs a width above 0 for each of its variables {list(variables)}")
        if limits is not None and (len(limits) != len(variables) or any(len(p) != 2 or p[0] >= p[1] for p in limits)):
            raise UserError("limits are pairs [low, high], one for each variable")
        if not height > 0 or not bias_factor > 1 or not deposit_fs > 0:
            raise UserError("metadynamics needs height above 0, bias_factor above 1 and deposit_fs above 0")
        self.variables, self.widths, self.limits = tuple(variables), tuple(widths), limits
        self.height, self.bias_factor, self.deposit_fs = height, bias_factor, deposit_fs
        self.relaxation_fs = relaxation_fs

    def bias(self, atoms: Atoms) -> "Bias":
        """The bias at its beginning, for these atoms; raises UserError for a variable they do not have."""
        return Bias(self, [collective_variable(text, atoms) for text in self.variables])

    def integrator(self, atoms: Atoms, timestep_fs: float, rng: np.random.Generator) -> "BiasedLangevin":
        """Langevin dynamics; the calculator of the atoms is put inside one that adds the bias."""
        refuse_constraints(atoms)
        calculator: Any = atoms.calc
        atoms.calc = Biased(calculator, self.bias(atoms))
        every = max(round(self.deposit_fs / timestep_fs), 1)
        return BiasedLangevin(
            atoms,
            timestep_fs * units.fs,
            every=every,
            temperature_K=self.temperature_K,
            T_tau=self.relaxation_fs * units.fs,
            hydrostatic=True,
            rng=rng,
        )

    def lammps(self, seed: int) -> list[str]:
        """Refused: LAMMPS knows no such bias."""
        raise UserError("metadynamics runs by ASE only; leave the engine at ase, or use nvt")

    @classmethod
    def example(cls) -> "WellTempered":
        """Along a distance."""
        return cls(variables=("distance 0 1",), widths=(0.1,))


class Bias:
    """The hills so far: `hills` (hills, variables + 1) holds their centers and heights."""

    def __init__(self, settings: WellTempered, variables: list[CollectiveVariable]):
        self.settings, self.variables = settings, variables
        self.widths = np.array(settings.widths)
        self.hills = np.empty((0, len(variables) + 1))

    def deposit(self, atoms: Atoms) -> None:
        """Drop a hill where the atoms are."""
        place = np.array([v.value(atoms) for v in self.variables])
        scale = (self.settings.bias_factor - 1) * BOLTZMANN * self.settings.temperature_K
        height = self.settings.height * np.exp(-self.hills_at(place)[0] / scale)
        self.hills = np.vstack([self.hills, [*place, height]])

    def hills_at(self, place: NDArray) -> tuple[float, NDArray]:
        """Energy of the hills in eV and its derivatives by the variables."""
        away = np.stack([v.difference(s, self.hills[:, c]) for c, (v, s) in enumerate(self._at(place))], axis=1)
        away = away / self.widths
        heights = self.hills[:, -1] * np.exp(-0.5 * (away**2).sum(axis=1))
        return float(heights.sum()), -(heights @ away) / self.widths

    def energy_and_slopes(self, place: NDArray) -> tuple[float, NDArray]:
        """Hills and walls together."""
        energy, slopes = self.hills_at(place)
        if self.settings.limits is not None:
            stiffness = WALL * BOLTZMANN * self.settings.temperature_K / self.widths**2
            low, high = np.array(self.settings.limits, dtype=float).T
            beyond = np.minimum(place - low, 0.0) + np.maximum(place - high, 0.0)
            energy, slopes = energy + float(0.5 * stiffness @ beyond**2), slopes + stiffness * beyond
        return energy, slopes

    def free_energy(self, places: NDArray) -> NDArray:
        """Estimate of the free energy in eV at places (places, variables), zero at the lowest of them."""
        factor = self.settings.bias_factor / (self.settings.bias_factor - 1)
        found = -factor * np.array([self.hills_at(np.atleast_1d(place))[0] for place in places])
        return found - found.min()

    def _at(self, place: NDArray):
        return zip(self.variables, place, strict=True)


class Biased(ase_calculator.Calculator):
    """Another calculator with a bias on top; `unbiased` holds the results of that one alone."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, inner: BaseCalculator, bias: Bias):
        super().__init__()
        self.inner, self.bias = inner, bias
        self.unbiased: dict[str, Any] = {}

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last calculation, to the last digit."""
        before: Any = self.atoms
        if before is None:
            return list(ase_calculator.all_changes)
        same = {
            "positions": np.array_equal(atoms.positions, before.positions),
            "numbers": np.array_equal(atoms.numbers, before.numbers),
            "cell": np.array_equal(atoms.cell.array, before.cell.array),
            "pbc": np.array_equal(atoms.pbc, before.pbc),
        }
        return [name for name, value in same.items() if not value]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = ase_calculator.all_changes,
    ) -> None:
        """Energy, forces, and stress where there is a cell and the inner calculator has one."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        structure: Any = self.atoms
        inner: Any = self.inner
        physical = {"forces": inner.get_property("forces", structure)}
        physical["energy"] = inner.results.get("free_energy", inner.results.get("energy"))
        parts = [v.value_and_slopes(structure) for v in self.bias.variables]
        energy, slopes = self.bias.energy_and_slopes(np.array([value for value, _, _ in parts]))
        forces = -sum(slope * by_positions for slope, (_, by_positions, _) in zip(slopes, parts, strict=True))
        results = {"energy": physical["energy"] + energy, "forces": physical["forces"] + forces}
        if "stress" in (properties or ()) and structure.pbc.all():
            strained = sum(slope * by_strain for slope, (_, _, by_strain) in zip(slopes, parts, strict=True))
            physical["stress"] = inner.get_property("stress", structure)
            results["stress"] = physical["stress"] + full_3x3_to_voigt_6_stress(strained) / structure.get_volume()
        self.unbiased = physical
        self.results = results | {"free_energy": results["energy"]}


class BiasedLangevin(LangevinBAOAB):
    """Langevin dynamics that drops a hill after every so many steps."""

    def __init__(self, atoms: Atoms, timestep: float, *, every: int, **settings):
        self.every, self.n_done = every, 0
        self.calculator: Biased = atoms.calc  # type: ignore[assignment]
        super().__init__(atoms, timestep, **settings)

    def step(self) -> None:
        """A step, and a hill where one is due."""
        super().step()
        self.n_done += 1
        if self.n_done % self.every == 0:
            self.calculator.bias.deposit(self.atoms)
            self.calculator.reset()

    @property
    def hills(self) -> NDArray:
        """Centers and heights of the hills; a resumed run puts them back."""
        return self.calculator.bias.hills

    @hills.setter
    def hills(self, hills: NDArray) -> None:
        self.calculator.bias.hills = hills
        self.calculator.reset()
