"""Elastic constants from the stress of strained cells, with internal relaxation.

    C_kl = [σ_k(+δ e_l) - σ_k(-δ e_l)] / 2δ          e_l: Voigt strains xx yy zz yz xz xy, shear γ = 2 ε

Averages over orientations: Voigt (upper), Reuss (lower bound), Hill (their mean), R. Hill, Proc. Phys. Soc. A 65, 349
(1952). A crystal is stable (M. Born, K. Huang) where C is positive definite.
"""

from functools import partial

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.units import GPA
from cambrian.validate.comparison import STRESS, Known, Measured, Progress, both_sides, judged, known_values
from cambrian.validate.minimum import relaxed, relaxed_with_cell
from cambrian.validate.start import lattice_start, why_no_lattice

COMPONENTS = [(k, m) for k in range(6) for m in range(k, 6)]
NAMES = [f"C{k + 1}{m + 1}" for k, m in COMPONENTS]
MODULI = ["bulk_modulus", "shear_modulus", "youngs_modulus"]


class ElasticConstants(Check):
    """All 21 elastic constants of a crystal, from cells strained by ± `strain` about its own minimum.

    `frame` is the crystal to start from (by default the one nearest to rest), in whose axes the constants are; cell and
    atoms are relaxed first, then the atoms in each strained cell (`n_steps=0` clamps them), to forces below `fmax`
    eV/Å. `known` holds constants such as {"C11_GPa": 166}; tolerated is the share `relative` of the largest of them.
    """

    def __init__(
        self,
        *,
        frame: int | None = None,
        strain: float = 0.005,
        fmax: float = 1e-4,
        n_steps: int = 500,
        known: Known = None,
        relative: float = 0.1,
    ):
        self.frame, self.strain, self.fmax, self.n_steps, self.relative = frame, strain, fmax, n_steps, relative
        self.known = known_values(known, [*NAMES, *MODULI])

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
        """Strain and compare; raises UserError without a crystal."""
        start = lattice_start(reference, self.frame)
        found, by_method = both_sides(partial(self._measure, start), potential, method, progress)
        expected = ({} if by_method is None else by_method.figures) | self.known
        scale = max((abs(expected[n]) for n in [*NAMES, *MODULI] if n in expected), default=0.0)
        tolerance = {n: self.relative * scale for n in [*NAMES, *MODULI] if n in expected}
        plots = {"elastic_constants": partial(_draw, found=found.figures, expected=expected)} if found.figures else {}
        units = dict.fromkeys(found.figures, STRESS) | {"poisson_ratio": (1.0, "")}
        said = _said(found.figures) if found.figures else ""
        return judged("elastic constants", said, found, expected, tolerance, units=units, plots=plots)

    def _measure(self, start: Atoms, driver: Potential | Labeller, progress: Progress) -> Measured:
        atoms = start.copy()
        atoms.calc = calculator_for(driver, atoms)
        atoms = relaxed_with_cell(atoms, fmax=self.fmax, n_steps=max(self.n_steps, 200))
        raw = elastic_tensor(atoms, strain=self.strain, fmax=self.fmax, n_steps=self.n_steps, progress=progress)
        tensor = (raw + raw.T) / 2
        lowest = float(np.linalg.eigvalsh(tensor)[0])
        figures = {n: float(tensor[c]) for n, c in zip(NAMES, COMPONENTS, strict=True)}
        figures |= {"smallest_eigenvalue": lowest, "asymmetry": float(np.abs(raw - raw.T).max())}
        if lowest <= 0:
            return Measured(figures, [f"the crystal is unstable: an eigenvalue of C is {lowest / GPA:.3g} GPa (Born)"])
        return Measured(figures | averages(tensor))

    @classmethod
    def example(cls) -> "ElasticConstants":
        """Clamped atoms."""
        return cls(n_steps=0)


def elastic_tensor(
    atoms: Atoms, *, strain: float, fmax: float, n_steps: int, progress: Progress = lambda fraction: None
) -> NDArray:
    """dσ/dε (6, 6) in eV/Å³, Voigt order, of a crystal at rest that has a calculator; not made symmetric."""
    tensor = np.zeros((6, 6))
    for column in range(6):
        stresses = []
        for sign in (1, -1):
            deformed = strained(atoms, column, sign * strain)
            deformed.calc = atoms.calc
            stresses.append(relaxed(deformed, fmax=fmax, n_steps=n_steps).get_stress(voigt=True))
            progress((2 * column + (3 - sign) / 2) / 12)
        tensor[:, column] = (stresses[0] - stresses[1]) / (2 * strain)
    return tensor


def strained(atoms: Atoms, component: int, size: float) -> Atoms:
    """A copy under one symmetric Voigt strain, its atoms carried along."""
    k, m = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))[component]
    epsilon = np.zeros((3, 3))
    epsilon[k, m] += size / 2
    epsilon[m, k] += size / 2
    work = atoms.copy()
    work.set_cell(atoms.cell.array @ (np.eye(3) + epsilon), scale_atoms=True)
    return work


def averages(tensor: NDArray) -> dict[str, float]:
    """Moduli of a polycrystal (eV/Å³) and its Poisson ratio, from C (6, 6)."""
    compliance = np.linalg.inv(tensor)
    bulk_voigt, shear_voigt = _sums(tensor) @ [1, 2, 0] / 9, _sums(tensor) @ [1, -1, 3] / 15
    bulk_reuss, shear_reuss = 1 / (_sums(compliance) @ [1, 2, 0]), 15 / (_sums(compliance) @ [4, -4, 3])
    bulk, shear = (bulk_voigt + bulk_reuss) / 2, (shear_voigt + shear_reuss) / 2
    figures = {
        "bulk_modulus": bulk,
        "bulk_modulus_voigt": bulk_voigt,
        "bulk_modulus_reuss": bulk_reuss,
        "shear_modulus": shear,
        "shear_modulus_voigt": shear_voigt,
        "shear_modulus_reuss": shear_reuss,
        "youngs_modulus": 9 * bulk * shear / (3 * bulk + shear),
        "poisson_ratio": (3 * bulk - 2 * shear) / (6 * bulk + 2 * shear),
    }
    return {name: float(value) for name, value in figures.items()}


def _sums(t: NDArray) -> NDArray:
    """Sums of the three kinds of components: 11 22 33, 12 13 23, 44 55 66."""
    return np.array([np.trace(t[:3, :3]), t[0, 1] + t[0, 2] + t[1, 2], np.trace(t[3:, 3:])])


def _said(figures: dict) -> str:
    shown = ", ".join(f"{name} {figures[name] / GPA:.4g}" for name in ("C11", "C12", "C44"))
    bulk = f", bulk modulus {figures['bulk_modulus'] / GPA:.4g}" if "bulk_modulus" in figures else ""
    return f"{shown}{bulk} GPa"


def _draw(axes, found: dict, expected: dict) -> None:
    table = np.zeros((6, 6))
    for name, (k, m) in zip(NAMES, COMPONENTS, strict=True):
        table[k, m] = table[m, k] = found[name] / GPA
        words = f"{table[k, m]:.0f}" + (f"\n({expected[name] / GPA:.0f})" if name in expected else "")
        axes.text(m, k, words, ha="center", va="center", fontsize=8)
    limit = np.abs(table).max() or 1.0
    axes.imshow(np.triu(table), cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.5)
    axes.set_xticks(range(6), ["xx", "yy", "zz", "yz", "xz", "xy"])
    axes.set_yticks(range(6), ["xx", "yy", "zz", "yz", "xz", "xy"])
    axes.set_title("C, GPa" + (" (reference in brackets)" if expected else ""), fontsize="medium")
