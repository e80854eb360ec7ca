"""The barrier between two minima, by a nudged elastic band whose highest image climbs.

G. Henkelman, B. P. Uberuaga, H. Jónsson, J. Chem. Phys. 113, 9901 (2000), with the tangents of G. Henkelman,
H. Jónsson, ibid. 9978.
"""

from functools import partial

import numpy as np
from ase import Atoms
from ase.build import minimize_rotation_and_translation
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import FIRE
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.validate.comparison import EV, Known, Measured, Progress, both_sides, judged, known_values
from cambrian.validate.minimum import NoMinimum, relaxed
from cambrian.validate.start import starting_structure

NAMES = ["barrier", "reverse_barrier", "reaction_energy"]
SAME = 0.05  # Å: minima closer than this are one
COARSE = 5.0  # times fmax: from there on the highest image climbs


class Barrier(Check):
    """The lowest path from structure `start` to structure `end` of the data, over `n_images` between them.

    Both hold the same atoms in the same order, and are relaxed first; the band is relaxed until its forces are below
    `fmax` eV/Å, in at most `n_steps`. `known` holds {"barrier_kJ_per_mol": 24.2} and the like; tolerated is `energy`
    in eV.
    """

    def __init__(
        self,
        *,
        start: int | None = None,
        end: int | None = None,
        n_images: int = 7,
        fmax: float = 0.03,
        n_steps: int = 1000,
        known: Known = None,
        energy: float = 0.05,
    ):
        if n_images < 1:
            raise UserError("a band needs at least one image between its ends")
        self.start, self.end, self.n_images = start, end, n_images
        self.fmax, self.n_steps, self.energy = fmax, n_steps, energy
        self.known = known_values(known, NAMES)

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """Without two structures that were named."""
        if self.start is None or self.end is None or reference is None:
            return "a barrier lies between two minima: name their structures with `start` and `end`"
        return ""

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Result:
        """Find the path and compare; raises UserError where the two structures are not two states of one system."""
        ends = self._ends(reference)
        found, by_method = both_sides(partial(self._measure, ends), potential, method, progress)
        expected = ({} if by_method is None else by_method.figures) | self.known
        tolerance = {name: self.energy for name in NAMES if name in expected}
        said = ""
        if found.figures:
            said = "the barrier is {barrier:.3g} eV, {reverse_barrier:.3g} eV from the other side".format(
                **found.figures
            )
        curves = {"potential": found.curves} | ({} if by_method is None else {"reference": by_method.curves})
        plots = {"barrier": partial(_draw, curves=curves)} if found.curves else {}
        return judged("barrier", said, found, expected, tolerance, units=dict.fromkeys(NAMES, EV), plots=plots)

    def _ends(self, reference: Dataset | None) -> tuple[Atoms, Atoms]:
        if self.start is None or self.end is None:
            raise UserError("a barrier lies between two minima: name their structures with `start` and `end`")
        first, last = (starting_structure(reference, frame) for frame in (self.start, self.end))
        if not np.array_equal(first.numbers, last.numbers) or not np.array_equal(first.pbc, last.pbc):
            raise UserError(
                f"structures {self.start} and {self.end} do not hold the same atoms in the same order, so that no path "
                "leads from one to the other"
            )
        if not np.allclose(first.cell.array, last.cell.array):
            raise UserError(f"structures {self.start} and {self.end} differ in their cells; a band needs one cell")
        return first, last

    def _measure(self, ends: tuple[Atoms, Atoms], driver: Potential | Labeller, progress: Progress) -> Measured:
        calculator = calculator_for(driver, ends[0])
        minima = []
        for end in ends:
            atoms = end.copy()
            atoms.calc = calculator
            minima.append(relaxed(atoms, fmax=self.fmax, n_steps=self.n_steps))
        first, last = minima
        if not first.pbc.any() and len(first) > 2:
            minimize_rotation_and_translation(first, last)
        if _length(first, last) < SAME:
            raise NoMinimum("both ends relax to one minimum, so there is no barrier between them")
        band = self._relaxed_band(first, last, calculator, progress)
        energies = np.array([image.get_potential_energy() for image in band])
        steps = [0.0, *(_length(a, b) for a, b in zip(band, band[1:], strict=False))]
        figures = {
            "barrier": float(energies.max() - energies[0]),
            "reverse_barrier": float(energies.max() - energies[-1]),
            "reaction_energy": float(energies[-1] - energies[0]),
        }
        return Measured(figures, curves={"along": np.cumsum(steps), "energy": energies - energies[0]})

    def _relaxed_band(self, first: Atoms, last: Atoms, calculator, progress: Progress) -> list[Atoms]:
        band = [first, *(first.copy() for _ in range(self.n_images)), last]
        for image in band:
            image.calc = calculator
        periodic = bool(first.pbc.any())
        path = NEB(band, method="improvedtangent", allow_shared_calculator=True)
        path.interpolate(method="idpp" if len(first) > 1 else "linear", mic=periodic)
        n_done, deepest = 0, min(a.get_potential_energy() for a in (first, last))
        for climb, fmax in ((False, COARSE * self.fmax), (True, self.fmax)):
            path.climb = climb
            optimizer = FIRE(path, logfile=None)  # pyright: ignore[reportArgumentType]
            for arrived in optimizer.irun(fmax=fmax, steps=self.n_steps - n_done):
                progress(min((n_done + optimizer.nsteps) / self.n_steps, 1.0))
                lowest = np.min(np.asarray(path.energies)[1:-1])
                if not np.isfinite(lowest) or lowest < deepest - len(first):
                    raise NoMinimum(f"between the minima the energy falls by {deepest - lowest:.3g} eV: a hole")
                if arrived:
                    break
            else:
                raise NoMinimum(f"the path did not come to rest in {self.n_steps} steps")
            n_done += optimizer.nsteps
        progress(1.0)
        return band

    @classmethod
    def example(cls) -> "Barrier":
        """From the first structure to the last, over one image."""
        return cls(start=0, end=-1, n_images=1, fmax=0.1)


def _length(a: Atoms, b: Atoms) -> float:
    """Distance between two images, Å, by the shortest way of each atom."""
    moved = b.positions - a.positions
    if a.pbc.any():
        moved = find_mic(moved, a.cell, a.pbc)[0]  # pyright: ignore[reportArgumentType]
    return float(np.linalg.norm(moved))


def _draw(axes, curves: dict[str, dict[str, NDArray]]) -> None:
    for side, curve in curves.items():
        color = "0.6" if side == "reference" else "#3b82c4"
        axes.plot(curve["along"], curve["energy"], "o-", color=color, label=side, markersize=4)
    axes.set_xlabel("along the path, Å")
    axes.set_ylabel("energy, eV")
    axes.legend()
