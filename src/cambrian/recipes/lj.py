"""Lennard-Jones between every pair of elements: noble gases, coarse models, and a yardstick for everything else.

    E = Σ_i (E0(s_i) + Δ(s_i)) + ½ Σ_ij 4ε [(σ/r)¹² - (σ/r)⁶]

J. E. Lennard-Jones, Proc. R. Soc. A 106, 463 (1924).
"""

from cambrian.classical.element_shifts import ElementShifts
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.lennard_jones import LennardJones, Mixing
from cambrian.contracts.pair_potential import Given
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.fit.nonlinear_least_squares import NonlinearLeastSquares
from cambrian.math.truncation import ForceShifted, Truncation


def lj(
    *,
    epsilon: Given = None,
    sigma: Given = None,
    cutoff: float = 8.0,
    truncation: Truncation = ForceShifted(),  # noqa: B008 - immutable
    mixing: Mixing | None = None,
    solver: Solver = NonlinearLeastSquares(ridge=1e-3),  # noqa: B008 - immutable
) -> tuple[Potential, Solver]:
    """Lennard-Jones.

    epsilon, sigma: where the fit starts, in eV and Å: a number, or numbers by pair ("Ar", "Ar-Kr"); null guesses.
    cutoff: Å.
    truncation: how the curve ends at the cutoff (Plain, EnergyShifted, ForceShifted, Enveloped).
    mixing: a rule for unlike pairs (LorentzBerthelot, Geometric); null fits each pair on its own.
    solver: what fits the parameters; weights are per eV/atom, eV/Å and eV/Å³. The ridge keeps them from
        running away where the data do not tell them.
    """
    pairs = LennardJones(epsilon=epsilon, sigma=sigma, cutoff=cutoff, truncation=truncation, mixing=mixing)
    return IsolatedAtoms() + ElementShifts() + pairs, solver
