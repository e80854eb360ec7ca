"""First generation: the energy surface of one small molecule, linear in invariant polynomials of its distances.

    E = E0 + Σ_k c_k p_k(e^(-r/a))

Exact for what it is made for, and for nothing else: the page "First generation" of the documentation shows why.
B. J. Braams, J. M. Bowman, Int. Rev. Phys. Chem. 28, 577 (2009); generations: J. Behler, Chem. Rev. 121, 10037 (2021).
"""

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.permutation_invariant_polynomials import PermutationInvariantPolynomials
from cambrian.fit.least_squares import LeastSquares
from cambrian.regressors.linear import LinearRegressor


def first_generation(
    *,
    degree: int = 6,
    length: float = 1.3,
    solver: Solver = LeastSquares(energy_weight=100.0, force_weight=1.0, ridge=1e-12),
) -> tuple[Potential, Solver]:
    """Permutationally invariant polynomials of one molecule.

    degree: of the polynomials; three atoms take 8 and more, five atoms 4 or 5.
    length: Å; over which a distance fades in e^(-r/a).
    solver: what fits the coefficients; weights are per eV/atom and eV/Å.
    """
    descriptor = PermutationInvariantPolynomials(degree=degree, length=length)
    return IsolatedAtoms() + DescriptorPotential(descriptor, LinearRegressor()), solver
