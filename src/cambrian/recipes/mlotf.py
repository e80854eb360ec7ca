"""MLOTF: forces alone, by kernels of internal vectors of each atom. Energy is not conserved: it is no potential.

    F·V̂_k = Σ_m K(X, X_m) a_mk          V̂_k: directions of weighted sums of the vectors to the neighbors

Z. Li, J. R. Kermode, A. De Vita, Phys. Rev. Lett. 114, 096405 (2015). It learns from forces only, energies and stress
are not looked at; for everything that needs an energy take snap, ace or gap.
"""

from cambrian.contracts.force_model import ForceModel
from cambrian.contracts.solver import Solver
from cambrian.fit.force_kernel_ridge import ForceKernelRidge
from cambrian.networks.mlotf import MLOTF


def mlotf(
    *,
    cutoff: float = 5.0,
    decays: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8),
    powers: tuple[float, ...] = (2.0, 6.0),
    n_points: int = 1000,
    stabilizer: float = 0.02,
    solver: Solver = ForceKernelRidge(),
) -> tuple[ForceModel, Solver]:
    """Forces by machine learning on the fly.

    cutoff: Å; how far each atom sees.
    decays: ranges of the internal vectors in units of the cutoff; each stands with each of the `powers`.
    powers: how steeply they end.
    n_points: sparse points of each element.
    stabilizer: how much a force is held back in directions in which no internal vector points.
    solver: what solves for the coefficients, and chooses length and regularization on a part held out.
    """
    model = MLOTF(cutoff=cutoff, decays=decays, powers=powers, n_points=n_points, stabilizer=stabilizer)
    return model, solver
