"""FLARE: a sparse Gaussian process made to grow during dynamics, on the power spectrum of points with the exponent 2.

    E = Σ_i E0(s_i) + Σ_i Σ_s c_s (d_i · d_s / |d_i||d_s|)²          d: B2 power spectrum, Chebyshev radial functions

The exponent 2 folds into E_i = d̂_iᵀ B d̂_i: dynamics cost the same however many sparse points there are.

J. Vandermause, Y. Xie, J. S. Lim, C. J. Owen, B. Kozinsky, Nat. Commun. 13, 5183 (2022).
"""

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.soap import SOAP
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.math.envelopes import HardEnvelope
from cambrian.math.point_kernels import PowerKernel
from cambrian.math.soap_radial import ChebyshevPoints
from cambrian.math.sparse_points import FarthestPoints, PointChoice
from cambrian.regressors.sparse_kernel import SparseKernel


def flare(
    *,
    cutoff: float = 5.0,
    n_max: int = 8,
    l_max: int = 3,
    n_points: int | dict[str, int] = 500,
    delta: float = 2.0,
    grow_beyond: float = 0.01,
    choice: PointChoice = FarthestPoints(),
    solver: Solver = GaussianProcess(energy_sigma=0.002, force_sigma=0.05, virial_sigma=0.02),
) -> tuple[Potential, Solver]:
    """FLARE's kernel; with the trigger `Unlikeness` of `cambrian learn` it learns during dynamics.

    cutoff: Å; how far each atom sees.
    n_max, l_max: radial functions and highest degree.
    n_points: sparse points for each element; they cost time in the fit, and none in dynamics.
    delta: how much the energy of an atom varies, eV (FLARE's σ).
    grow_beyond: where a fit goes on with new structures, their environments that are more unlike all points than this
        become points too (FLARE's threshold of the update).
    choice: how the sparse points are chosen from the training set.
    solver: what solves for the coefficients, with the noise of the labels; optimize=[energy_sigma, force_sigma, delta]
        looks for the most probable.
    """
    descriptor = SOAP(cutoff=cutoff, n_max=n_max, l_max=l_max, basis=ChebyshevPoints(), envelope=HardEnvelope())
    kernel = PowerKernel(exponent=2)
    regressor = SparseKernel(n_points=n_points, delta=delta, kernel=kernel, choice=choice, grow_beyond=grow_beyond)
    return IsolatedAtoms() + DescriptorPotential(descriptor, regressor), solver
