"""sGDML: a molecule's forces by a Gaussian process on all inverse distances, its symmetry found in the data.

    F = Σ_π Σ_j cov(F, F_j) α_j          E: the integral of F, exactly

S. Chmiela, H. E. Sauceda, K.-R. Müller, A. Tkatchenko, Nat. Commun. 9, 3887 (2018). A few hundred geometries teach it a
molecule of up to some thirty atoms; it knows no other molecule.
"""

from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.fit.kernel_ridge import KernelRidge
from cambrian.networks.sgdml import SGDML


def sgdml(
    *,
    length: float = 20.0,
    orders: list[list[int]] | None = None,
    solver: Solver = KernelRidge(regularization=1e-10, lengths=(5, 7, 10, 14, 20, 28, 40, 56, 80)),
) -> tuple[Potential, Solver]:
    """The symmetric gradient-domain potential of one molecule.

    length: σ of the kernel in 1/Å, where the solver has no `lengths` to choose from.
    orders: orders of the atoms that mean the same, counted from 0; null finds them in the training geometries, and the
        identity alone, [[0, 1, 2 ...]], leaves symmetry out.
    solver: what solves for the coefficients, and chooses the length on a part held out.
    """
    return SGDML(length=length, orders=orders), solver
