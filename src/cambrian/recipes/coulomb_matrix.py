"""Coulomb matrix: energies of a set of small molecules by kernel ridge regression on whole molecules.

    E = Σ_i E0(s_i) + c + Σ_j α_j k(x, x_j)          x: Coulomb matrix, rows sorted by norm; k: Laplacian

M. Rupp, A. Tkatchenko, K.-R. Müller, O. A. von Lilienfeld, Phys. Rev. Lett. 108, 058301 (2012); K. Hansen et al., J.
Chem. Theory Comput. 9, 3404 (2013), whose sorted rows and Laplacian kernel are the defaults. A classic to compare with:
for energies of many molecules, not for dynamics.
"""

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.coulomb_matrix import Arrangement, CoulombMatrix, SortedRows
from cambrian.fit.kernel_ridge import KernelRidge
from cambrian.math.kernels import Kernel, LaplacianKernel
from cambrian.networks.kernel_potential import KernelPotential


def coulomb_matrix(
    *,
    arrangement: Arrangement = SortedRows(),
    kernel: Kernel = LaplacianKernel(),
    length: float = 300.0,
    labels: tuple[str, ...] = ("energy",),
    solver: Solver = KernelRidge(regularization=1e-8, lengths=(3, 10, 30, 100, 300, 1000, 3000), probe=1000),
) -> tuple[Potential, Solver]:
    """Kernel ridge regression of energies of molecules.

    arrangement: SortedRows, RandomlySortedRows or Eigenvalues, which alone gives forces.
    kernel: LaplacianKernel, or GaussianKernel for forces.
    length: σ of the kernel in units of the matrix, where the solver has no `lengths` to choose from.
    labels: energy, or with Eigenvalues and GaussianKernel [energy, forces].
    solver: what solves for the coefficients, and chooses the length on a part held out.
    """
    kernels = KernelPotential(CoulombMatrix(arrangement=arrangement), kernel, length=length, labels=labels)
    return IsolatedAtoms() + kernels, solver
