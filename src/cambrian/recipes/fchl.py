"""FCHL19: Gaussian process regression of energies and forces of molecules, a sum of kernels between like atoms.

    E = Σ_i E0(s_i) + Σ_y α_y cov(E, y)          cov(E, E') = Σ_a Σ_b δ(s_a, s_b) exp(-|x_a - x_b|²/2σ²)

over all energies and force components y of the training set; x: FCHL19.

A. S. Christensen, L. A. Bratholm, F. A. Faber, O. A. von Lilienfeld, J. Chem. Phys. 152, 044107 (2020). Molecules of
any composition, up to some hundred geometries of ten atoms: the matrix has (1 + 3 atoms)² elements per pair of them.
"""

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.fchl19 import FCHL19
from cambrian.fit.kernel_ridge import KernelRidge
from cambrian.math.kernels import GaussianKernel, Kernel
from cambrian.networks.kernel_potential import KernelPotential


def fchl(
    *,
    cutoff: float = 8.0,
    kernel: Kernel = GaussianKernel(),
    length: float = 10.0,
    labels: tuple[str, ...] = ("energy", "forces"),
    solver: Solver = KernelRidge(regularization=1e-7, lengths=(2, 5, 10, 20, 40), probe=60),
) -> tuple[Potential, Solver]:
    """Local kernels on FCHL19.

    cutoff: Å; how far each atom sees.
    kernel: how alike two atoms are; Gaussian, or Matérn.
    length: σ of the kernel in units of the descriptor, where the solver has no `lengths` to choose from.
    labels: energy, forces or both; energies alone make a far smaller matrix.
    solver: what solves for the coefficients, and chooses the length on a part held out.
    """
    kernels = KernelPotential(FCHL19(cutoff=cutoff), kernel, length=length, labels=labels)
    return IsolatedAtoms() + kernels, solver
