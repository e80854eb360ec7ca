"""Energy that it takes to make a vacancy, with relaxation of the atoms around it.

    E_f = E(N - 1) + μ - E(N)

μ is the chemical potential of the atom taken out: of a crystal of one element its energy per atom, E(N)/N.
"""

from functools import partial

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.validate.comparison import EV, Known, Measured, Progress, both_sides, judged, known_values
from cambrian.validate.minimum import relaxed, relaxed_with_cell
from cambrian.validate.start import filling, is_bulk, lattice_start, nearest_to_rest, why_no_lattice

NAMES = ["formation_energy"]
UNITS = {"formation_energy": EV, "unrelaxed_energy": EV}


class Vacancy(Check):
    """A vacancy at atom `site` of a crystal, in a supercell whose faces are `length` Å apart.

    `frame` is the crystal (by default the one nearest to rest); its cell is relaxed first, then the atoms around the
    vacancy to forces below `fmax` eV/Å. A compound needs the `chemical_potential` (eV) of the atom taken out, which
    holds for the potential and the reference alike. `known` holds {"formation_energy": ...} in eV; tolerated is
    `energy`.
    """

    def __init__(
        self,
        *,
        frame: int | None = None,
        site: int = 0,
        length: float = 10.0,
        chemical_potential: float | None = None,
        fmax: float = 5e-3,
        n_steps: int = 500,
        known: Known = None,
        energy: float = 0.1,
    ):
        self.frame, self.site, self.length, self.chemical_potential = frame, site, length, chemical_potential
        self.fmax, self.n_steps, self.energy = fmax, n_steps, energy
        self.known = known_values(known, NAMES)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Without a crystal; of a compound, without a chemical potential."""
        reason = why_no_lattice(reference, self.frame)
        if reason or reference is None or self.chemical_potential is not None:
            return reason
        numbers = reference[nearest_to_rest(reference, is_bulk) if self.frame is None else self.frame].atoms.numbers
        several = len(set(numbers.tolist())) > 1
        return "a vacancy in a compound needs the `chemical_potential` of the atom taken out" if several else ""

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Result:
        """Take an atom out, relax and compare; raises UserError without a crystal."""
        start = lattice_start(reference, self.frame)
        if self.chemical_potential is None and len(set(start.numbers.tolist())) > 1:
            raise UserError("a vacancy in a compound needs the `chemical_potential` (eV) of the atom taken out")
        if not 0 <= self.site < len(start):
            raise UserError(f"there is no site {self.site} in a cell of {len(start)} atoms; they count from 0")
        found, by_method = both_sides(partial(self._measure, start), potential, method, progress)
        expected = ({} if by_method is None else by_method.figures) | self.known
        tolerance = {"formation_energy": self.energy} if expected else {}
        said = ""
        if found.figures:
            said = (
                f"a vacancy among {found.figures['n_atoms']} atoms takes {found.figures['formation_energy']:.3g} eV "
                f"({found.figures['unrelaxed_energy']:.3g} eV before relaxation)"
            )
        plots = {"vacancy": partial(_draw, **found.curves)} if found.curves else {}
        return judged("vacancy", said, found, expected, tolerance, units=UNITS, plots=plots)

    def _measure(self, start: Atoms, driver: Potential | Labeller, progress: Progress) -> Measured:
        cell = start.copy()
        cell.calc = calculator_for(driver, start)
        cell = relaxed_with_cell(cell, fmax=self.fmax, n_steps=self.n_steps)
        progress(0.1)
        whole = cell.repeat(filling(cell, self.length))
        whole.calc = calculator_for(driver, whole)
        energy = whole.get_potential_energy()
        potential = energy / len(whole) if self.chemical_potential is None else self.chemical_potential
        holed = whole.copy()
        del holed[self.site]
        holed.calc = whole.calc
        before = holed.get_potential_energy() + potential - energy
        progress(0.2)
        after = relaxed(holed, fmax=self.fmax, n_steps=self.n_steps)
        figures = {
            "formation_energy": float(after.get_potential_energy() + potential - energy),
            "unrelaxed_energy": float(before),
            "n_atoms": len(whole),
        }
        progress(1.0)
        faults = []
        if figures["formation_energy"] <= 0:
            faults.append("the crystal gains energy by losing an atom: it is no minimum")
        place = whole.positions[self.site]
        distance = get_distances([place], holed.positions, cell=whole.cell, pbc=True)[1][0]
        moved = np.linalg.norm(after.positions - holed.positions, axis=1)
        return Measured(figures, faults, {"distance": distance, "moved": moved})

    @classmethod
    def example(cls) -> "Vacancy":
        """A small supercell."""
        return cls(length=5.0, n_steps=50)


def _draw(axes, distance: NDArray, moved: NDArray) -> None:
    axes.plot(distance, moved, "o", markersize=4)
    axes.set_xlabel("distance from the vacancy, Å")
    axes.set_ylabel("moved on relaxation, Å")
