"""Self-diffusion of every element, from displacements and from velocities, with errors from independent runs.

    Einstein     D = lim d/dt <|R(t) - R(0)|²> / 6         Green-Kubo     D = ⅓ ∫ <v(0) · v(t)> dt
    Arrhenius    D = D0 exp(-E / kT)                       finite size    D∞ = D + 2.837297 kT / (6π η L)

relative to the center of mass, over all time origins. The two routes must agree. I.-C. Yeh, G. Hummer, J. Phys. Chem. B
108, 15873 (2004); the correction is that of a liquid in a cube, and L is the cube root of the volume.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from cambrian.contracts.catalogue import nearest
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.math.transport import Coefficient, Estimate, arrhenius, einstein, green_kubo, yeh_hummer
from cambrian.units import BOLTZMANN, GPA
from cambrian.validate.fluctuations import (
    FS_PER_PS,
    Comparison,
    Runs,
    Tolerance,
    at_rest,
    broken,
    draw,
    judged,
    n_lags,
    spelled,
    temperature,
    volume,
)
from cambrian.validate.trajectory import NOTHING_TO_COMPARE, Trajectory, has_times

MILLIPASCAL_SECOND = GPA  # eV ps/Å³
UNIT = "Å²/ps"
ENERGY = "_activation_energy"
Routes = dict[str, Coefficient]


@dataclass(frozen=True)
class Measured:
    """Diffusion at one temperature: routes by element in Å²/ps, and what the finite cell took from each."""

    temperature_K: float
    routes: dict[str, Routes]
    finite_size: float = 0.0

    def best(self, element: str) -> Estimate:
        """The Einstein value, corrected for the size of the cell where the viscosity is known."""
        estimate = self.routes[element]["einstein"].estimate
        return Estimate(estimate.value + self.finite_size, estimate.error)


class Diffusion(Check):
    """Self-diffusion coefficients (Å²/ps = 10⁻⁸ m²/s) of every element, beside a reference.

    `n_runs` runs of `n_steps` at constant energy, each after `equilibration_fs` at `temperature_K`; several
    temperatures give an Arrhenius line. A frame is recorded `every` few steps, often enough to follow velocities.
    Lines are fitted to 20-80 % of `window_fs`, half of a run where none is given. `frame` is the structure to start
    from, repeated `repeat` times along each cell vector. With `viscosity_mPa_s` values are those of an infinite cell.

    Reference: `known` values, such as {"Ar": 0.24, "Ar_activation_energy": 0.03} (Å²/ps at the first temperature, eV)
    with their `known_errors`; or a reference method; or a trajectory in the data, at the first temperature, whose
    frames have a time or are `interval_fs` apart. Tolerated: `n_errors` combined errors and a fraction `relative`.
    """

    def __init__(
        self,
        *,
        temperature_K: float | list[float] = 300.0,
        n_runs: int = 4,
        n_steps: int = 10000,
        timestep_fs: float = 1.0,
        every: int = 10,
        equilibration_fs: float = 2000.0,
        window_fs: float | None = None,
        frame: int = 0,
        repeat: tuple[int, int, int] = (1, 1, 1),
        interval_fs: float | None = None,
        viscosity_mPa_s: float | None = None,
        known: dict[str, float] | None = None,
        known_errors: dict[str, float] | None = None,
        n_errors: float = 3.0,
        relative: float = 0.1,
        seed: int = 0,
    ):
        self.temperatures = list(temperature_K) if isinstance(temperature_K, (list, tuple)) else [temperature_K]
        if n_runs < 1 or not self.temperatures:
            raise UserError("diffusion needs at least one run at one temperature")
        self.runs = [
            Runs(t, n_runs, n_steps, timestep_fs, every, equilibration_fs, frame, repeat, seed + 100 * k)
            for k, t in enumerate(self.temperatures)
        ]
        self.window_fs, self.interval_fs, self.viscosity_mPa_s = window_fs, interval_fs, viscosity_mPa_s
        self.known, self.known_errors = known or {}, known_errors or {}
        self.tolerance = Tolerance(n_errors, relative)

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and compare; raises UserError without a structure to start from."""
        drivers = [potential] if method is None or self.known else [potential, method]
        n_parts = len(drivers) * len(self.runs)
        sides: list[list[Measured]] = []
        for d, driver in enumerate(drivers):
            side = []
            for k, settings in enumerate(self.runs):
                part = d * len(self.runs) + k
                runs = settings.of(driver, reference, progress=lambda f, part=part: progress((part + f) / n_parts))
                if d == 0 and (result := broken("diffusion", runs)) is not None:
                    return result
                if runs[-1].stopped:
                    raise UserError(f"dynamics with the reference method {runs[-1].stopped}")
                side.append(self.measured(runs, settings.temperature_K))
            sides.append(side)
        trajectory = [] if self.known or method is not None else self.runs[0].from_data(reference, self.interval_fs)
        if trajectory:
            sides.append([self.measured(trajectory, self.temperatures[0])])
        return self._judged(sides[0], sides[1] if len(sides) > 1 else [])

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Nothing diffuses in a molecule; a long run without a reference is for those who ask for it."""
        start = self.runs[0].start(reference)
        if start is not None and not start.pbc.any():
            return "its first structure is a molecule, in which nothing diffuses"
        return "" if self.known or has_times(reference, self.interval_fs) else NOTHING_TO_COMPARE

    def measured(self, runs: list[Trajectory], nominal_K: float) -> Measured:
        """Coefficients of every element from runs at one temperature."""
        lags, interval = n_lags(runs[0], self.window_fs), runs[0].interval_fs / FS_PER_PS
        moved = [at_rest(t) for t in runs]
        numbers = runs[0].atoms.numbers
        found: dict[str, Routes] = {}
        for z in sorted(set(numbers.tolist())):
            mine = numbers == z
            routes = {"einstein": einstein([p[:, mine] for p, _ in moved], interval, lags)}
            velocities = [FS_PER_PS * v[:, mine] for _, v in moved if v is not None]
            if len(velocities) == len(moved):
                routes["green_kubo"] = green_kubo(velocities, interval, lags)
            found[symbol(z)] = routes
        actual = temperature(runs, nominal_K)
        if self.viscosity_mPa_s is None:
            return Measured(actual, found)
        viscosity = self.viscosity_mPa_s * MILLIPASCAL_SECOND
        taken = yeh_hummer(BOLTZMANN * actual, viscosity, volume(runs) ** (1 / 3))
        return Measured(actual, found, taken)

    def _judged(self, found: list[Measured], expected: list[Measured]) -> Result:
        first = found[0]
        figures: dict = {"temperature_K": first.temperature_K}
        faults, said, plots, values = [], [], {}, self._values(found)
        for element, routes in first.routes.items():
            figures |= {element: values[element].value, f"{element}_error": values[element].error}
            for route, c in routes.items():
                figures |= {f"{element}_{route}": c.estimate.value, f"{element}_{route}_error": c.estimate.error}
            said.append(f"D of {element} is {spelled(values[element])} {UNIT}")
            if element + ENERGY in values:
                energy = values[element + ENERGY]
                figures |= {f"{element}{ENERGY}": energy.value, f"{element}{ENERGY}_error": energy.error}
                said.append(f"its activation energy {spelled(energy)} eV")
            plots |= self._plots(element, found, expected)
        for m in found:
            for element, routes in m.routes.items():
                faults += self.tolerance.faults(f"D of {element} at {m.temperature_K:.0f} K", routes)
        if first.finite_size:
            figures["finite_size"] = first.finite_size
        if len(found) > 1:
            figures["by_temperature"] = [_plain(m) for m in found]
        said[0] = f"at {first.temperature_K:.0f} K {said[0]}"
        comparisons = self._compared(values, self._values(expected) if expected else {})
        units = {k: (1.0, "eV" if ENERGY in k else UNIT) for k in figures if not k.endswith("_K")}
        return judged("diffusion", ", ".join(said), figures, comparisons, faults, self.tolerance, plots, units)

    def _values(self, side: list[Measured]) -> dict[str, Estimate]:
        """What is compared, by name: D at the first temperature, activation energies where there are several."""
        found = {element: side[0].best(element) for element in side[0].routes}
        if len(side) > 1:
            kT = BOLTZMANN * np.array([m.temperature_K for m in side])
            for element in side[0].routes:
                each = [m.best(element) for m in side]
                values, errors = np.array([e.value for e in each]), np.array([e.error for e in each])
                found[element + ENERGY] = arrhenius(kT, values, errors)[0]
        return found

    def _compared(self, values: dict[str, Estimate], expected: dict[str, Estimate]) -> list[Comparison]:
        for name in [*self.known, *self.known_errors]:
            if name not in values:
                raise UserError(f"known: there is no '{name}'{nearest(name, values)}; there are {', '.join(values)}")
        expected = expected | {k: Estimate(v, self.known_errors.get(k, 0.0)) for k, v in self.known.items()}
        return [
            Comparison(name, values[name], expected[name], "eV" if name.endswith(ENERGY) else UNIT)
            for name in values
            if name in expected
        ]

    def _plots(self, element: str, found: list[Measured], expected: list[Measured]) -> dict:
        titles = {"einstein": f"<ΔR²>/6 of {element}, Å²", "green_kubo": f"∫ VACF/3 of {element}, {UNIT}"}
        drawn = {}
        for route in found[0].routes[element]:
            curves = {f"{m.temperature_K:.0f} K": m.routes[element][route] for m in found}
            if expected and route in expected[0].routes.get(element, {}):
                curves["reference"] = expected[0].routes[element][route]
            drawn[f"{element}_{route}"] = partial(draw, curves=curves, label=titles[route])
        return drawn

    @classmethod
    def example(cls) -> "Diffusion":
        """Two runs of a fifth of a picosecond."""
        return cls(n_runs=2, n_steps=200, every=2, equilibration_fs=20.0)


def _plain(m: Measured) -> dict:
    values = {name: m.best(name) for name in m.routes}
    return {"temperature_K": m.temperature_K} | {k: [e.value, e.error] for k, e in values.items()}
