"""MTP: an energy linear in scalars made of moment tensors of each atom's neighborhood.

    E = Σ_i E0(s_i) + ZBL + Σ_i [ ξ_0(s_i) + ξ(s_i) · B_i ]

With fixed radial functions the fit is one linear solve; `solver=VariableProjection` fits the radial functions as well.
A. V. Shapeev, Multiscale Model. Simul. 14, 1153 (2016); I. S. Novikov, K. Gubaev, E. V. Podryabinkin, A. V. Shapeev,
Mach. Learn.: Sci. Technol. 2, 025002 (2021). The defaults were chosen by cross-validation on silicon's training data;
the repulsion acts only closer than any training data.
"""

from copy import deepcopy

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.moment_tensors import MomentTensors
from cambrian.fit.least_squares import LeastSquares
from cambrian.regressors.linear import LinearRegressor


def mtp(
    *,
    cutoff: float = 5.0,
    level: int = 20,
    radial_level: int = 2,
    n_radial: int = 10,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = LeastSquares(energy_weight=150.0, force_weight=1.0, stress_weight=10.0, ridge=1e-10),
) -> tuple[Potential, Solver]:
    """Moment tensor potential.

    cutoff: Å; how far each atom sees.
    level: how rich the products of moments are; by the default radial_level 16 has 290 scalars, 18 has 631, 20 has
        1403.
    radial_level: what each further radial function adds to the level; 4 is the published rule (460 scalars at level
        20), for which radial functions should be fitted too.
    n_radial: number of Chebyshev polynomials that each radial function is made of.
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the coefficients; weights are per eV/atom, eV/Å and eV/Å³.
    """
    descriptor = MomentTensors(cutoff=cutoff, level=level, radial_level=radial_level, n_radial=n_radial)
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, LinearRegressor())
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
