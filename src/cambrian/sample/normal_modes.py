"""Normal modes: the harmonic vibrations about a minimum, and structures drawn from their thermal motion.

    H_ab = -ΔF_a / Δx_b        D = M^-½ H M^-½ = Σ_k ω_k² e_k e_kᵀ        Δx = M^-½ Σ_k Q_k e_k,  Q_k ~ N(0, k_B T /
    ω_k²)

Classical statistics: every mode holds ½ k_B T of potential energy. Translations, and rotations of a molecule, are
projected out; modes with ω² < 0 (not a minimum along them) are left out. Method: J. S. Smith, O. Isayev, A. E.
Roitberg, Chem.
Sci. 8, 3192 (2017), with the Boltzmann weights of the harmonic oscillator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from cambrian.errors import UserError
from cambrian.units import BOLTZMANN, HBAR, TIME

CALM = 0.05  # eV/Å: a force above this means that the structure is not at a minimum


@dataclass(frozen=True)
class NormalModes:
    """Vibrations about `atoms`: `curvatures` ω² (modes,) in eV/Å²/amu, `vectors` (modes, atoms, 3), mass-weighted."""

    atoms: Atoms
    curvatures: NDArray
    vectors: NDArray

    @property
    def energies(self) -> NDArray:
        """Quanta ħω in eV, ascending; negative for ω² < 0."""
        return np.sign(self.curvatures) * np.sqrt(np.abs(self.curvatures)) * HBAR / TIME

    def sample(self, n: int, *, temperature_K: float, seed: int = 0, group: str = "normal modes") -> list[Atoms]:
        """Draw `n` structures from the classical thermal motion at a temperature in K."""
        rng = np.random.default_rng(seed)
        kept = self.curvatures > 0
        widths = np.sqrt(BOLTZMANN * temperature_K / self.curvatures[kept])
        shapes = self.vectors[kept] / np.sqrt(self.atoms.get_masses())[None, :, None]
        drawn = []
        for _ in range(n):
            displaced = self.atoms.copy()
            displaced.positions += np.einsum("k,kax->ax", rng.normal(size=len(widths)) * widths, shapes)
            displaced.info["config_type"] = group
            drawn.append(displaced)
        return drawn


def normal_modes(
    atoms: Atoms,
    calculator: Calculator,
    *,
    step: float = 0.01,
    progress: Callable[[str, float, str], None] = lambda stage, fraction, words: None,
) -> NormalModes:
    """Normal modes by central differences of forces with displacements of `step` Å.

    Raises UserError where the structure is not at a minimum of `calculator`.
    """
    work = atoms.copy()
    work.calc = calculator
    largest = np.abs(work.get_forces()).max()
    if largest > CALM:
        raise UserError(
            f"the largest force is {largest:.2f} eV/Å, so this is no minimum of the reference method: relax it first"
        )
    n = 3 * len(atoms)
    hessian = np.zeros((n, n))
    for k in range(n):
        slopes = []
        for sign in (1, -1):
            work.positions = atoms.positions
            work.positions[k // 3, k % 3] += sign * step
            slopes.append(work.get_forces().ravel())
        hessian[k] = (slopes[1] - slopes[0]) / (2 * step)
        progress("normal modes", (k + 1) / n, f"{k + 1} of {n} displacements")
    return _modes(atoms, 0.5 * (hessian + hessian.T))


def _modes(atoms: Atoms, hessian: NDArray) -> NormalModes:
    weight = np.repeat(1 / np.sqrt(atoms.get_masses()), 3)
    free = _vibrational_space(atoms)  # (3N, modes), orthonormal
    curvatures, vectors = np.linalg.eigh(free.T @ (weight[:, None] * hessian * weight) @ free)
    return NormalModes(atoms.copy(), curvatures, (free @ vectors).T.reshape(-1, len(atoms), 3))


def _vibrational_space(atoms: Atoms) -> NDArray:
    """Orthonormal basis of mass-weighted displacements without translations and (of a molecule) rotations."""
    root = np.sqrt(atoms.get_masses())[:, None]
    rigid = [(root * axis).ravel() for axis in np.eye(3)]
    if not atoms.pbc.any():
        arms = atoms.positions - atoms.get_center_of_mass()
        rigid += [(root * np.cross(axis, arms)).ravel() for axis in np.eye(3)]
    left, singular, _ = np.linalg.svd(np.array(rigid).T, full_matrices=True)
    rank = int((singular > 1e-6 * singular[0]).sum())  # 5 for a linear molecule, 3 for an atom
    return left[:, rank:]
