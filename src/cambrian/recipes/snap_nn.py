"""SNAP with a neural network: the bispectrum components of each atom's neighborhood, and a network per element on them.

    E = Σ_i E0(s_i) + ZBL + Σ_i MLP_{s_i}(B_i)

`deploy --to lammps-stock` writes it for stock LAMMPS, `pair_style mliap model nn ... descriptor sna ...`.
H. Yanxon, D. Zagaceta, B. C. Wood, Q. Zhu, J. Chem. Phys. 153, 054118 (2020); the components: A. P. Thompson et al.,
J. Comput. Phys. 285, 316 (2015).
"""

from copy import deepcopy
from typing import Literal

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.regressors.neural import NeuralRegressor


def snap_nn(
    *,
    cutoff: float = 5.2,
    two_j_max: int = 8,
    radii: dict[str, float] | None = None,
    weights: dict[str, float] | None = None,
    hidden: tuple[int, ...] = (16, 16),
    activation: Literal["tanh", "sigmoid"] = "tanh",
    whitening: float = 2e-3,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GradientDescent(learning_rate=5e-3, batch_size=4, epochs=250, energy_weight=5.0, clip=1.0),
    seed: int = 0,
) -> tuple[Potential, Solver]:
    """The bispectrum and a neural network per element.

    cutoff: Å; how far each atom sees, LAMMPS's rcutfac.
    two_j_max: angular resolution; 6 gives 30 components, 8 gives 55.
    radii, weights: size and weight of each element as a neighbor, by symbol (see SO4Bispectrum).
    hidden: nodes of the hidden layers of each element's network.
    activation: tanh or sigmoid, which LAMMPS knows.
    whitening: how fine differences of environments the networks resolve (see NeuralRegressor).
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the weights.
    seed: decides the initial weights.
    """
    descriptor = SO4Bispectrum(cutoff=cutoff, two_j_max=two_j_max, radii=radii, weights=weights)
    regressor = NeuralRegressor(hidden=hidden, activation=activation, whitening=whitening, seed=seed)
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, regressor)
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
