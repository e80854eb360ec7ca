"""Phonons of a crystal by finite displacements: bands, density of states, and modes that have no restoring force.

    Φ_ab(i, j) = -ΔF_b(j) / Δx_a(i)          acoustic sum rule: Σ_j Φ_ab(i, j) = 0

By phonopy (A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023)). Frequencies are in THz; an imaginary one is negative.
"""

from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import MissingExtraError, UserError
from cambrian.validate.comparison import Measured, Progress, both_sides, judged
from cambrian.validate.minimum import relaxed_with_cell
from cambrian.validate.start import filling, lattice_start, why_no_lattice

SYMMETRY = 1e-4  # Å, for phonopy
GRID = 4  # points along each reciprocal vector, on which two calculators are compared
BAND_POINTS = 120


class Phonons(Check):
    """Phonons of a crystal at its own minimum, in a supercell whose faces are `length` Å apart.

    `frame` is the crystal (by default the one nearest to rest); cell and atoms are relaxed to forces below `fmax` eV/Å
    first, then displaced by `displacement` Å. Frequencies below -`imaginary_THz` fail, and so does a sum rule broken by
    more than `acoustic_sum` eV/Å². `known_THz` holds frequencies at special points, all in ascending order, such as
    {"X": [4.5, 4.5, 12.3, 12.3, 13.9, 13.9]} (Γ is G); tolerated is `frequency_THz` (root mean square).
    """

    def __init__(
        self,
        *,
        frame: int | None = None,
        length: float = 10.0,
        displacement: float = 0.01,
        fmax: float = 1e-4,
        n_steps: int = 500,
        imaginary_THz: float = 0.1,
        acoustic_sum: float = 0.01,
        known_THz: dict[str, list[float]] | None = None,
        frequency_THz: float = 0.5,
    ):
        if not displacement > 0:
            raise UserError("phonons need a displacement above 0")
        self.frame, self.length, self.displacement, self.fmax, self.n_steps = frame, length, displacement, fmax, n_steps
        self.imaginary_THz, self.acoustic_sum, self.frequency_THz = imaginary_THz, acoustic_sum, frequency_THz
        self.known_THz = known_THz or {}

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
        """Displace, diagonalize and compare; raises UserError without a crystal, MissingExtraError without phonopy."""
        start = lattice_start(reference, self.frame)
        found, by_method = both_sides(partial(self._measure, start), potential, method, progress)
        if not found.figures:
            return judged("phonons", "", found, {}, {}, units={})
        self._compare(found, by_method)
        figures = found.figures
        expected = {name: 0.0 for name in figures if name.endswith("difference_THz")}
        said = f"frequencies from {round(figures['lowest_THz'], 3) + 0.0:.3g} to {figures['highest_THz']:.3g} THz"
        found.faults += self._faults(figures, by_method)
        curves = {"potential": found.curves} | ({} if by_method is None else {"reference": by_method.curves})
        plots = {"phonon_bands": partial(_draw_bands, curves=curves), "phonon_dos": partial(_draw_dos, curves=curves)}
        tolerance = dict.fromkeys(expected, self.frequency_THz)
        units = dict.fromkeys(expected, (1.0, "THz")) | {"acoustic_sum": (1.0, "eV/Å²")}
        result = judged("phonons", said, found, expected, tolerance, units=units, plots=plots)
        result.reference |= self.known_THz if by_method is None else by_method.figures["frequencies_THz"]
        return result

    def _compare(self, found: Measured, by_method: Measured | None) -> None:
        """Add root mean square differences to the figures."""
        if by_method is not None:
            found.figures["difference_THz"] = _rms(found.curves["grid"] - by_method.curves["grid"])
        for point, values in self.known_THz.items():
            here = found.figures["frequencies_THz"].get(point)
            if here is None or len(here) != len(values):
                points = ", ".join(found.figures["frequencies_THz"])
                n = len(next(iter(found.figures["frequencies_THz"].values())))
                raise UserError(f"known_THz takes {n} frequencies at each of the points {points}, not at '{point}'")
            found.figures[f"{point}_difference_THz"] = _rms(np.array(here) - np.sort(values))

    def _faults(self, figures: dict[str, Any], by_method: Measured | None) -> list[str]:
        faults = []
        as_unstable = 0.0 if by_method is None else min(by_method.figures["lowest_THz"], 0.0)
        if figures["lowest_THz"] < as_unstable - self.imaginary_THz:
            faults.append(f"imaginary modes down to {-figures['lowest_THz']:.3g}i THz: the crystal is no minimum")
        if figures["acoustic_sum"] > self.acoustic_sum:
            faults.append(f"the acoustic sum rule is broken by {figures['acoustic_sum']:.2g} eV/Å²")
        return faults

    def _measure(self, start: Atoms, driver: Potential | Labeller, progress: Progress) -> Measured:
        atoms = start.copy()
        atoms.calc = calculator_for(driver, start)
        atoms = relaxed_with_cell(atoms, fmax=self.fmax, n_steps=self.n_steps)
        phonons = _displaced(atoms, filling(atoms, self.length), self.displacement)
        equilibrium = _atoms(phonons.supercell, start)
        equilibrium.calc = calculator_for(driver, equilibrium)
        at_rest = equilibrium.get_forces()
        forces, cells = [], phonons.supercells_with_displacements or []
        for k, cell in enumerate(cells):
            displaced = _atoms(cell, start)
            displaced.calc = equilibrium.calc
            forces.append(displaced.get_forces() - at_rest)
            progress((k + 1) / (len(cells) + 1))
        phonons.forces = np.array(forces)
        phonons.produce_force_constants()
        broken = float(np.abs(np.asarray(phonons.force_constants).sum(axis=1)).max())
        phonons.symmetrize_force_constants()
        curves = _bands(phonons) | _density(phonons) | {"grid": _grid(phonons)}
        progress(1.0)
        every = np.concatenate([curves["bands"].ravel(), curves["mesh"].ravel()])
        figures = {
            "lowest_THz": float(every.min()),
            "highest_THz": float(every.max()),
            "acoustic_sum": broken,
            "n_displacements": len(forces),
            "frequencies_THz": curves["special"],
        }
        return Measured(figures, curves=curves)

    @classmethod
    def example(cls) -> "Phonons":
        """A small supercell."""
        return cls(length=5.0)


def _displaced(atoms: Atoms, repeat: tuple[int, int, int], displacement: float):
    """Phonopy of a crystal with its displacements; raises MissingExtraError where it is not installed."""
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
        from phonopy.structure.cells import guess_primitive_matrix
    except ModuleNotFoundError:
        raise MissingExtraError.of("phonopy", "phonons") from None
    cell = PhonopyAtoms(
        numbers=atoms.numbers,
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )
    primitive = guess_primitive_matrix(cell, symprec=SYMMETRY)
    phonons = Phonopy(cell, np.diag(repeat).tolist(), primitive_matrix=primitive, symprec=SYMMETRY)
    phonons.generate_displacements(distance=displacement)
    return phonons


def _atoms(cell, start: Atoms) -> Atoms:
    """A supercell of phonopy, with the charge and the spin per atom of the start."""
    atoms = Atoms(cell.numbers, scaled_positions=cell.scaled_positions, cell=cell.cell, pbc=True)
    for name in ("total_charge", "spin"):
        atoms.info[name] = start.info.get(name, 0.0) * len(atoms) / len(start)
    return atoms


def _bands(phonons) -> dict[str, Any]:
    """Frequencies along the path through the special points of the Bravais lattice, and at these points."""
    path = Cell(phonons.primitive.cell).bandpath(npoints=BAND_POINTS)
    along, places, names = path.get_linear_kpoint_axis()
    special = {
        name: _frequencies(phonons, [point])[0].tolist()
        for name, point in path.special_points.items()
        if name in path.path
    }
    axis = {"along": along, "places": places, "names": names}
    return axis | {"bands": _frequencies(phonons, path.kpts), "special": special, "kpts": path.kpts}


def _density(phonons) -> dict[str, Any]:
    phonons.run_mesh(40.0)
    mesh = np.sort(phonons.mesh.frequencies, axis=1)
    phonons.run_total_dos()
    dos = phonons.total_dos
    return {"mesh": mesh, "frequency": dos.frequency_points, "density": dos.dos}


def _grid(phonons):
    steps = np.arange(GRID) / GRID
    return _frequencies(phonons, np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3))


def _frequencies(phonons, points):
    """Ascending frequencies (points, modes) in THz at points in reciprocal coordinates."""
    phonons.run_qpoints(np.asarray(points))
    return np.sort(phonons.qpoints.frequencies, axis=1)


def _rms(difference) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


def _draw_bands(axes, curves: dict) -> None:
    for side, curve in reversed(curves.items()):
        color = "0.6" if side == "reference" else "#3b82c4"
        lines = axes.plot(curve["along"], curve["bands"], color=color, linewidth=1.0)
        lines[0].set_label(side)
    ours = curves["potential"]
    axes.set_xticks(ours["places"], [name.replace("G", "Γ") for name in ours["names"]])
    for place in ours["places"]:
        axes.axvline(place, color="0.85", linewidth=0.8, zorder=0)
    axes.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    axes.set_xlim(ours["along"][0], ours["along"][-1])
    axes.set_ylabel("frequency, THz")
    axes.legend()


def _draw_dos(axes, curves: dict) -> None:
    for side, curve in reversed(curves.items()):
        color = "0.6" if side == "reference" else "#3b82c4"
        axes.plot(curve["frequency"], curve["density"], color=color, label=side)
    axes.set_xlabel("frequency, THz")
    axes.set_ylabel("density of states, 1/THz")
    axes.legend()
