"""Energies of low-index surfaces, relaxed.

    γ = (E_slab - n e) / 2A          e: energy per cell of the crystal, n: cells in the slab

A slab has two sides; where they differ (compounds) γ is their mean. Slabs are whole cells: they keep the composition.
"""

import warnings
from functools import partial

import numpy as np
from ase import Atoms
from ase.build import surface

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import MissingExtraError, UserError
from cambrian.units import GPA
from cambrian.validate.comparison import Known, Measured, Progress, both_sides, judged, known_values
from cambrian.validate.minimum import relaxed, relaxed_with_cell
from cambrian.validate.start import lattice_start, why_no_lattice

JOULE = (1 / (10 * GPA), "J/m²")
MARGIN = 2.0  # Å of vacuum beyond what the potential sees


class Surface(Check):
    """Slabs of the crystal's `surfaces` (Miller indices of the conventional cell), at least `thickness` Å thick.

    `frame` is the crystal (by default the one nearest to rest). Cell, then slabs are relaxed to forces below `fmax`
    eV/Å; `n_steps=0` leaves slabs as they were cut. `known` holds {"gamma_111_J_per_m2": 1.2} and the like; tolerated
    is `energy` in eV/Å² (0.01 is 0.16 J/m²). Needs the extra `phonons`, whose spglib finds the conventional cell.
    """

    def __init__(
        self,
        *,
        surfaces: list[list[int]] = [[1, 0, 0], [1, 1, 0], [1, 1, 1]],  # noqa: B006 - never changed
        frame: int | None = None,
        thickness: float = 12.0,
        fmax: float = 0.02,
        n_steps: int = 500,
        known: Known = None,
        energy: float = 0.01,
    ):
        if not surfaces or any(len(indices) != 3 or not any(indices) for indices in surfaces):
            raise UserError("a surface is named by three Miller indices that are not all zero, such as [1, 1, 0]")
        self.surfaces = {gamma(indices): tuple(indices) for indices in surfaces}
        self.frame, self.thickness, self.fmax, self.n_steps, self.energy = frame, thickness, fmax, n_steps, energy
        self.known = known_values(known, list(self.surfaces))

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
        """Cut, relax and compare; raises UserError without a crystal."""
        start = conventional(lattice_start(reference, self.frame))
        vacuum = potential.receptive_field + MARGIN
        found, by_method = both_sides(partial(self._measure, start, vacuum), potential, method, progress)
        expected = ({} if by_method is None else by_method.figures) | self.known
        tolerance = {name: self.energy for name in self.surfaces if name in expected}
        said = ", ".join(f"{n} {JOULE[0] * found.figures[n]:.3g}" for n in self.surfaces if n in found.figures)
        plots = {"surfaces": partial(_draw, found=found.figures, expected=expected)} if found.figures else {}
        units = dict.fromkeys(self.surfaces, JOULE)
        said = f"surface energies {said.replace('gamma_', 'γ')} J/m²"
        return judged("surface", said, found, expected, tolerance, units=units, plots=plots)

    def _measure(self, start: Atoms, vacuum: float, driver: Potential | Labeller, progress: Progress) -> Measured:
        crystal = start.copy()
        crystal.calc = calculator_for(driver, crystal)
        crystal = relaxed_with_cell(crystal, fmax=self.fmax, n_steps=self.n_steps)
        energy = crystal.get_potential_energy() / len(crystal)
        figures, faults = {}, []
        for k, (name, indices) in enumerate(self.surfaces.items()):
            slab = cut(crystal, indices, self.thickness, vacuum)
            slab.calc = calculator_for(driver, slab)
            slab = relaxed(slab, fmax=self.fmax, n_steps=self.n_steps)
            area = _area(slab)
            figures[name] = float((slab.get_potential_energy() - len(slab) * energy) / (2 * area))
            if figures[name] <= 0:
                faults.append(f"{name}: the crystal gains energy by being cut")
            progress((k + 1) / len(self.surfaces))
        return Measured(figures, faults)

    @classmethod
    def example(cls) -> "Surface":
        """One thin slab as it was cut."""
        return cls(surfaces=[[1, 0, 0]], thickness=6.0, n_steps=0)


def conventional(atoms: Atoms) -> Atoms:
    """The conventional cell of a crystal's lattice; raises UserError where the symmetry search fails."""
    try:
        import spglib
    except ModuleNotFoundError:
        raise MissingExtraError.of("spglib", "phonons") from None
    cell = (atoms.cell.array.tolist(), atoms.get_scaled_positions().tolist(), atoms.numbers.tolist())
    with warnings.catch_warnings():  # spglib announces that it will raise one day
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.standardize_cell(cell, to_primitive=False, no_idealize=False, symprec=0.01)
    if found is None:
        raise UserError("no symmetry was found in the crystal to cut surfaces from: name another with `frame`")
    lattice, places, numbers = found
    return Atoms(numbers, scaled_positions=places, cell=lattice, pbc=True, info=dict(atoms.info))


def cut(crystal: Atoms, indices: tuple[int, ...], thickness: float, vacuum: float) -> Atoms:
    """A slab of whole layers of cells, at least `thickness` Å, with `vacuum` Å between its images."""
    one = surface(crystal, indices, 1, periodic=True)
    spacing = one.get_volume() / _area(one)
    slab = surface(crystal, indices, int(np.ceil(thickness / spacing)), periodic=True)
    slab.center(vacuum=vacuum / 2, axis=2)
    return slab


def _area(slab: Atoms) -> float:
    a, b, _ = slab.cell.array
    return float(np.linalg.norm(np.cross(a, b)))


def gamma(indices: list[int]) -> str:
    """The name of a surface's energy, such as gamma_110."""
    return "gamma_" + "".join(str(i) for i in indices)


def _draw(axes, found: dict, expected: dict) -> None:
    places = np.arange(len(found))
    axes.bar(places - 0.2, [JOULE[0] * v for v in found.values()], 0.4, label="potential", color="#3b82c4")
    known = [JOULE[0] * expected.get(name, np.nan) for name in found]
    if np.isfinite(known).any():
        axes.bar(places + 0.2, known, 0.4, label="reference", color="0.6")
        axes.legend()
    axes.set_xticks(places, [name.removeprefix("gamma_") for name in found])
    axes.set_ylabel("surface energy, J/m²")
