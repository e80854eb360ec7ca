"""Normal modes: the harmonic vibrations about a minimum, and structures drawn from their thermal motion.

    H_ab = -ΔF_a / Δx_b        D = M^-½ H M^-½ = Σ_k ω_k² e_k e_kᵀ
    Δx = M^-½ Σ_k Q_k e_k      Q_k ~ N(0, k_B T / ω_k²)

Classical statistics: every mode holds ½ k_B T of potential energy. Translations, and rotations of a molecule, are
projected out; modes with ω² < 0 (not a minimum along them) are left out. Method: J. S. Smith, O. Isayev, A. E.
Roitberg, Chem. Sci. 8, 3192 (2017), with the Boltzmann weights of the harmonic oscillator.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.optimize import BFGS
from numpy.typing import NDArray

from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.sampler import Progress, Sampler
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.sample.remembered import Remembered
from cambrian.sample.starting import calculator_of, seed_of, starting
from cambrian.units import BOLTZMANN, HBAR, TIME

CALM = 0.05  # eV/Å: a force above this means that the structure is not at a minimum
RELAXED = 0.01  # eV/Å


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


class HarmonicMotion(Sampler):
    """Normal modes: `n` structures from the thermal motion about the minimum next to each start, at each temperature.

    Each start is relaxed with the driver first, in at most `relaxation_steps`; `step` (Å) is that of the finite
    differences. Results of a reference method are kept, so that an interrupted call computes none twice.
    """

    def __init__(
        self,
        *,
        n: int = 100,
        temperatures_K: tuple[float, ...] = (300.0,),
        step: float = 0.01,
        relaxation_steps: int = 500,
    ):
        if n < 1 or not step > 0 or not temperatures_K or min(temperatures_K) <= 0:
            raise UserError("normal modes need n >= 1, a step above 0 and temperatures above 0")
        self.n, self.temperatures_K = n, temperatures_K
        self.step, self.relaxation_steps = step, relaxation_steps

    def propose(
        self,
        start: Dataset,
        driver: Potential | Labeller | None = None,
        *,
        seed: int = 0,
        folder: Path | None = None,
        progress: Progress = lambda stage, fraction, words: None,
    ) -> list[Atoms]:
        """Relax, compute the Hessian, draw; raises UserError where a start finds no minimum or has no vibration."""
        starts, drawn = starting(start), []
        for k, atoms in enumerate(starts):

            def said(stage: str, fraction: float, words: str, k: int = k) -> None:
                progress(stage, (k + fraction) / len(starts), words)

            if isinstance(driver, Labeller) and folder is not None:
                calculator = Remembered(driver, atoms, folder / "forces")
            else:
                calculator = calculator_of(driver, atoms)
            modes = normal_modes(self._relaxed(atoms, calculator, k), calculator, step=self.step, progress=said)
            if not (modes.curvatures > 0).any():
                raise UserError(f"structure {k} has no vibration to draw from; take one of at least two bound atoms")
            for place, temperature_K in enumerate(self.temperatures_K):
                group = f"normal modes {temperature_K:g} K"
                seeded = seed_of(seed, k, place)
                drawn += modes.sample(self.n, temperature_K=temperature_K, seed=seeded, group=group)
        return drawn

    def _relaxed(self, atoms: Atoms, calculator: BaseCalculator, index: int) -> Atoms:
        work = atoms.copy()
        work.calc = calculator
        if not BFGS(work, logfile=None).run(fmax=RELAXED, steps=self.relaxation_steps):
            raise UserError(
                f"structure {index} is not relaxed after {self.relaxation_steps} steps: start nearer to a minimum, or "
                "raise relaxation_steps"
            )
        relaxed = atoms.copy()
        relaxed.positions = work.positions
        return relaxed

    @classmethod
    def example(cls) -> "HarmonicMotion":
        """Two structures."""
        return cls(n=2)


def normal_modes(
    atoms: Atoms,
    calculator: BaseCalculator,
    *,
    step: float = 0.01,
    progress: Progress = lambda stage, fraction, words: None,
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
