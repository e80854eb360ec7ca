"""SNAP: an energy linear in the bispectrum components of each atom's neighborhood, solved by one least-squares problem.

    E = Σ_i E0(s_i) + ZBL + Σ_i [ β_0(s_i) + β(s_i) · B_i ]

A. P. Thompson, L. P. Swiler, C. R. Trott, S. M. Foiles, G. J. Tucker, J. Comput. Phys. 285, 316 (2015). The defaults
were chosen by cross-validation on silicon, lithium and copper; the repulsion acts only closer than any training data.
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
from cambrian.regressors.linear import LinearRegressor


def snap(
    *,
    cutoff: float = 5.2,
    two_j_max: int = 8,
    radii: dict[str, float] | None = None,
    weights: dict[str, float] | None = None,
    chem: bool = False,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = LeastSquares(energy_weight=200.0, force_weight=1.0, stress_weight=10.0),
) -> tuple[Potential, Solver]:
    """Linear SNAP.

    cutoff: Å; how far each atom sees, LAMMPS's rcutfac.
    two_j_max: angular resolution; 6 gives 30 components, 8 gives 55.
    radii, weights: size and weight of each element as a neighbor, by symbol (see SO4Bispectrum).
    chem: a separate density for each element; slower, for alloys that weights do not tell apart well enough.
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the coefficients; weights are per eV/atom, eV/Å and eV/Å³.
    """
    descriptor = SO4Bispectrum(cutoff=cutoff, two_j_max=two_j_max, radii=radii, weights=weights, chem=chem)
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, LinearRegressor())
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
