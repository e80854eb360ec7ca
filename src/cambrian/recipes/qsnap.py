"""qSNAP: SNAP with the squares and products of its bispectrum components; more accurate, and more to fit.

    E = Σ_i E0(s_i) + ZBL + Σ_i [ β_0(s_i) + β(s_i) · B_i + ½ B_i^T α(s_i) B_i ]

M. A. Wood, A. P. Thompson, J. Chem. Phys. 148, 241721 (2018). The defaults were chosen by cross-validation on silicon,
lithium and copper; the repulsion acts only closer than any training data.
"""

from copy import deepcopy

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.fit.least_squares import LeastSquares
from cambrian.regressors.quadratic import QuadraticRegressor


def qsnap(
    *,
    cutoff: float = 5.2,
    two_j_max: int = 8,
    radii: dict[str, float] | None = None,
    weights: dict[str, float] | None = None,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = LeastSquares(energy_weight=200.0, force_weight=1.0, stress_weight=10.0, ridge=1e-8),
) -> tuple[Potential, Solver]:
    """Quadratic SNAP.

    cutoff: Å; how far each atom sees, LAMMPS's rcutfac.
    two_j_max: angular resolution; 6 gives 496 coefficients for each element, 8 gives 1596.
    radii, weights: size and weight of each element as a neighbor, by symbol (see SO4Bispectrum).
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the coefficients; weights are per eV/atom, eV/Å and eV/Å³. The ridge holds so many in check.
    """
    descriptor = SO4Bispectrum(cutoff=cutoff, two_j_max=two_j_max, radii=radii, weights=weights)
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, QuadraticRegressor())
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
