"""Buckingham with fixed charges between every pair of elements: oxides, halides, molten salts.

    E = Σ_i (E0(s_i) + Δ(s_i)) + ½ Σ_ij [A e^(-Br) - C/r⁶ + k_e q_s q_t erfc(αr)/r]

R. A. Buckingham, Proc. R. Soc. A 168, 264 (1938).
"""

from cambrian.classical.buckingham_coulomb import BuckinghamCoulomb
from cambrian.classical.element_shifts import ElementShifts
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.pair_potential import Given
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.fit.nonlinear_least_squares import NonlinearLeastSquares
from cambrian.math.truncation import ForceShifted, Truncation


def buckingham(
    *,
    charges: dict[str, float] | None = None,
    strength: Given = None,
    rate: Given = None,
    dispersion: Given = None,
    damping: float = 0.2,
    cutoff: float = 8.0,
    truncation: Truncation = ForceShifted(),  # noqa: B008 - immutable
    solver: Solver = NonlinearLeastSquares(ridge=1e-3),  # noqa: B008 - immutable
) -> tuple[Potential, Solver]:
    """Buckingham with fixed charges.

    charges: e, by element; null is no charges.
    strength, rate, dispersion: where the fit starts, in eV, 1/Å and eV Å⁶: a number, or numbers by pair ("Si-O", "O");
        null guesses.
    damping: 1/Å; how fast charges are screened in the sum that ends at the cutoff.
    cutoff: Å.
    truncation: how the curve ends at the cutoff; with Plain and damping 0 the direct sum of a molecule.
    solver: what fits the parameters; the three of a pair are much alike, so a ridge holds them near the start.
    """
    pairs = BuckinghamCoulomb(
        strength=strength,
        rate=rate,
        dispersion=dispersion,
        charges=charges,
        damping=damping,
        cutoff=cutoff,
        truncation=truncation,
    )
    return IsolatedAtoms() + ElementShifts() + pairs, solver
