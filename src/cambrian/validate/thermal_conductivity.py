"""Thermal conductivity by Green-Kubo, with the heat flux that is right for potentials of many bodies.

    λ = 1/(3 V k T²) ∫ <J(0) · J(t)> dt        J = d/dt Σ_i r_i e_i = Σ_i e_i v_i + Σ_j W_j v_j
    e_i = ½ m_i v_i² + E_i                      W_j = -Σ_i r_ij ⊗ dE_i/dr_ij

The virial W_j belongs to the neighbor j, whose velocity does the work. The usual atomic stress (LAMMPS's stress/atom)
gives half of each term to either atom, which is the same for pairs and wrong for many bodies. Z. Fan et al., Phys. Rev.
B 92, 094301 (2015); D. Surblys, H. Matsubara, G. Kikugawa, T. Ohara, Phys. Rev. E 99, 051301 (2019).

With several elements heat flows at zero mass flux (math/transport.py): no partial enthalpies are needed, and the zero
of the atomic energies, which a fit leaves open, does not matter. Cross-check: the slope of ½ <|∫ J dt|²>.
"""

from functools import partial

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from cambrian.contracts.check import Check, Result
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import NeighborList
from cambrian.math.transport import Coefficient, Estimate, einstein, heat_conduction, running_integral
from cambrian.units import BOLTZMANN, WATT_PER_METER_KELVIN
from cambrian.validate.fluctuations import (
    FS_PER_PS,
    Comparison,
    Runs,
    Tolerance,
    broken,
    draw,
    judged,
    n_lags,
    spelled,
    temperature,
    volume,
)
from cambrian.validate.trajectory import NOTHING_TO_COMPARE, Trajectory

QUANTITY = "thermal conductivity"
UNIT = "W/(m K)"


class HeatFlux:
    """Energy flux of atoms in motion (eV Å/fs), and the mass flux of every element but the last (amu Å/fs).

    Raises UserError for a potential without atomic energies, and for one whose atomic energies depend on more than
    their own neighbors: its dE_i/dr_jk, which the flux needs, are not known.
    """

    def __init__(self, potential: Potential, *, skin: float = 1.0):
        reason = why_no_flux(potential)
        if reason:
            raise UserError(reason)
        self.potential = potential
        self.neighbors = NeighborList(potential.cutoff, skin=skin)

    def __call__(self, atoms: Atoms) -> NDArray:
        """Fluxes (1 + elements - 1, 3): energy, then masses."""
        velocities, masses = atoms.get_velocities() * units.fs, atoms.get_masses()
        kinetic = (atoms.get_momenta() ** 2).sum(axis=1) / (2 * masses)
        graph = self.neighbors.graph(atoms).to(self.potential.elements.device)
        found = evaluate(self.potential, graph, virials=True)
        if found.atomic_energies is None or found.virials is None:
            raise UserError("this potential has no atomic energies, so there is no place that heat flows from")
        energies = kinetic + found.atomic_energies.cpu().numpy()
        flux = energies @ velocities + np.einsum("jxy,jy->x", found.virials.cpu().numpy(), velocities)
        numbers = sorted(set(atoms.numbers.tolist()))
        carried = [(masses * (atoms.numbers == z)) @ velocities for z in numbers[:-1]]
        return np.stack([flux, *carried])


def why_no_flux(potential: Potential) -> str:
    """Why this potential has no heat flux; empty where it has one."""
    if potential.scope != "local":
        return (
            f"the heat flux needs dE_i/dr_jk for every atom i, which a {potential.scope} potential does not give: "
            "compute its thermal conductivity out of equilibrium"
        )
    return "" if potential.differentiable else "the heat flux needs forces, and this potential is not differentiable"


class ThermalConductivity(Check):
    """Thermal conductivity (W/(m K)) of a local potential, beside a known value.

    `n_runs` runs of `n_steps` at constant energy, each after `equilibration_fs` at `temperature_K`; the heat flux is
    recorded `every` few steps. The running integral is averaged over 20-80 % of `window_fs`, which must lie beyond the
    correlation of the flux: some ps in liquids, far more in good crystals. `frame` is the structure to start from,
    repeated `repeat` times along each cell vector; values depend on the size of the cell in crystals.
    A reference method has no atomic energies, so only `known_W_per_mK` with its error is compared with. Tolerated:
    `n_errors` combined errors and a fraction `relative`.
    """

    def __init__(
        self,
        *,
        temperature_K: float = 300.0,
        n_runs: int = 4,
        n_steps: int = 50000,
        timestep_fs: float = 1.0,
        every: int = 5,
        equilibration_fs: float = 5000.0,
        window_fs: float = 5000.0,
        frame: int = 0,
        repeat: tuple[int, int, int] = (1, 1, 1),
        known_W_per_mK: float | None = None,
        known_error_W_per_mK: float = 0.0,
        n_errors: float = 3.0,
        relative: float = 0.1,
        seed: int = 0,
    ):
        self.runs = Runs(temperature_K, n_runs, n_steps, timestep_fs, every, equilibration_fs, frame, repeat, seed)
        self.window_fs = window_fs
        self.known = None if known_W_per_mK is None else Estimate(known_W_per_mK, known_error_W_per_mK)
        self.tolerance = Tolerance(n_errors, relative)

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress=lambda fraction: None,
    ) -> Result:
        """Run dynamics and integrate; raises UserError for a potential without a heat flux."""
        runs = self.runs.of(potential, reference, watch={"flux": HeatFlux(potential)}, progress=progress)
        if (result := broken(QUANTITY, runs)) is not None:
            return result
        return self._judged(runs, self.measured(runs))

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """No heat flux, nothing through which heat could flow, or nothing to compare with."""
        start = self.runs.start(reference)
        if start is not None and not start.pbc.all():
            return "its first structure is not periodic in three directions, so no heat flows through it"
        return why_no_flux(potential) or ("" if self.known else NOTHING_TO_COMPARE)

    def measured(self, runs: list[Trajectory]) -> dict[str, Coefficient]:
        """Both routes, W/(m K), from runs whose `extras` hold the flux."""
        lags, interval = n_lags(runs[0], self.window_fs), runs[0].interval_fs / FS_PER_PS
        kT = BOLTZMANN * temperature(runs, self.runs.temperature_K)
        unit = BOLTZMANN / (volume(runs) * kT**2 * WATT_PER_METER_KELVIN * FS_PER_PS)
        fluxes = [FS_PER_PS * t.extras["flux"] for t in runs]
        routes = {"green_kubo": heat_conduction(fluxes, interval, lags).times(unit)}
        if fluxes[0].shape[1] == 1:  # the moment of a mixture would hold the heat that its mass fluxes carry
            moments = [np.moveaxis(running_integral(np.moveaxis(f, 0, -1), interval), -1, 0) for f in fluxes]
            routes["einstein"] = einstein(moments, interval, lags).times(unit)
        return routes

    def _judged(self, runs: list[Trajectory], routes: dict[str, Coefficient]) -> Result:
        found, actual = routes["green_kubo"].estimate, temperature(runs, self.runs.temperature_K)
        figures: dict = {
            "thermal_conductivity_W_per_mK": found.value,
            "thermal_conductivity_error_W_per_mK": found.error,
            "temperature_K": actual,
            "duration_ps": sum(float(t.times[-1] - t.times[0]) for t in runs) / FS_PER_PS,
            "n_atoms": len(runs[0].atoms),
        }
        if "einstein" in routes:
            slope = routes["einstein"].estimate
            figures |= {"einstein_W_per_mK": slope.value, "einstein_error_W_per_mK": slope.error}
        comparisons = [] if self.known is None else [Comparison(QUANTITY, found, self.known, UNIT)]
        said = (
            f"at {actual:.0f} K {len(runs[0].atoms)} atoms conduct {spelled(found)} {UNIT} "
            f"({len(runs)} runs, {figures['duration_ps']:.3g} ps together)"
        )
        labels = {"green_kubo": f"running integral, {UNIT}", "einstein": f"<(∫ J dt)²>/2, ps {UNIT}"}
        plots = {name: partial(draw, curves={name: c}, label=labels[name]) for name, c in routes.items()}
        faults = self.tolerance.faults(QUANTITY, routes)
        return judged(QUANTITY, said, figures, comparisons, faults, self.tolerance, plots)

    @classmethod
    def example(cls) -> "ThermalConductivity":
        """Two runs of a fifth of a picosecond."""
        return cls(n_runs=2, n_steps=200, every=2, equilibration_fs=20.0, window_fs=100.0)
