"""Morse between every pair of elements: simple metals, adsorbates, and a yardstick for everything else.

    E = Σ_i (E0(s_i) + Δ(s_i)) + ½ Σ_ij D [e^(-2a(r - r0)) - 2 e^(-a(r - r0))]

P. M. Morse, Phys. Rev. 34, 57 (1929).
"""

from cambrian.classical.element_shifts import ElementShifts
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.morse import Morse
from cambrian.contracts.pair_potential import Given
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.fit.nonlinear_least_squares import NonlinearLeastSquares
from cambrian.math.truncation import ForceShifted, Truncation


def morse(
    *,
    depth: Given = None,
    width: Given = None,
    distance: Given = None,
    cutoff: float = 8.0,
    truncation: Truncation = ForceShifted(),  # noqa: B008 - immutable
    solver: Solver = NonlinearLeastSquares(ridge=1e-3),  # noqa: B008 - immutable
) -> tuple[Potential, Solver]:
    """Morse.

    depth, width, distance: where the fit starts, in eV, 1/Å and Å: a number, or numbers by pair ("Cu", "Cu-O"); null
        guesses.
    cutoff: Å.
    truncation: how the curve ends at the cutoff (Plain, EnergyShifted, ForceShifted, Enveloped).
    solver: what fits the parameters; weights are per eV/atom, eV/Å and eV/Å³. The ridge keeps them from
        running away where the data do not tell them.
    """
    pairs = Morse(depth=depth, width=width, distance=distance, cutoff=cutoff, truncation=truncation)
    return IsolatedAtoms() + ElementShifts() + pairs, solver
