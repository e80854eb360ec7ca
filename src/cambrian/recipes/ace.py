"""Atomic cluster expansion: an energy linear in invariant polynomials of each atom's neighborhood.

    E = Σ_i E0(s_i) + ZBL + Σ_i [ c_0(s_i) + Σ_v c_v(s_i) B_iv ]

R. Drautz, Phys. Rev. B 99, 014104 (2019); Y. Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021). One least-squares
problem; the ridge grows with the degree of a function, so that smooth ones are preferred. The defaults were chosen by
cross-validation on silicon's training data; the repulsion acts only closer than any training data.
"""

from copy import deepcopy

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.fit.least_squares import LeastSquares
from cambrian.math.radial_bases import RadialBasis, SBessel
from cambrian.regressors.linear import LinearRegressor


def ace(
    *,
    cutoff: float = 5.5,
    n_max: list[int] = [16, 9, 8, 7, 6, 5, 4, 3],  # noqa: B006 - read only
    l_max: list[int] = [0, 10, 9, 8, 6, 5, 3, 2],  # noqa: B006
    degree: list[float] | None = [16, 9.7, 9.3, 8.9, 9.0, 9.1, 9.2, 9.7],  # noqa: B006
    l_weight: float = 0.35,
    most_features: int | None = 1200,
    radial: RadialBasis = SBessel(),
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = LeastSquares(energy_weight=100.0, force_weight=1.0, stress_weight=10.0, ridge=1e-11),
) -> tuple[Potential, Solver]:
    """Linear atomic cluster expansion.

    cutoff: Å; how far each atom sees.
    n_max, l_max, degree, l_weight: how far the basis goes for 1, 2, 3 ... neighbors at once (see
        AtomicClusterExpansion).
    most_features: for each element; several elements have more products, so that degrees are lowered until these
        suffice. One element has 1160 by the defaults.
    radial: the radial functions (SBessel, ChebExpCos, ChebPow).
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the coefficients; weights are per eV/atom, eV/Å and eV/Å³.
    """
    descriptor = AtomicClusterExpansion(
        cutoff=cutoff,
        n_max=n_max,
        l_max=l_max,
        degree=degree,
        l_weight=l_weight,
        radial=radial,
        most_features=most_features,
    )
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, LinearRegressor())
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
