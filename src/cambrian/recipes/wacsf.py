"""wacsf: a neural network on symmetry functions weighted by atomic numbers, as many for ten elements as for one.

    E = Σ_i E0(s_i) + ZBL + Σ_i MLP_{s_i}(G_i)        G_i = Σ_j Z_j w(r_ij),  Σ_{j<k} Z_j Z_k A(θ_ijk) w(r_ij) w(r_ik)

The functions of `hdnnp` are split by the elements of the neighbors: with n elements n radial and n (n + 1)/2 angular
ones for each point of a grid. Here one of each remains, at some loss of accuracy. Widths in geometric series did better
than even shells on a held out part of ethanol's training set.
M. Gastegger, L. Schwiedrzik, M. Bittermann, F. Berzsenyi, P. Marquetand, J. Chem. Phys. 148, 241709 (2018).
"""

from copy import deepcopy

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.acsf import ACSF
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.math.envelopes import Envelope, PolynomialEnvelope
from cambrian.math.layers import Activation
from cambrian.math.symmetry_grids import ImbalzanoCentered, ImbalzanoShifted
from cambrian.math.symmetry_sets import Radial, Weighted, Wide
from cambrian.regressors.neural import NeuralRegressor


def wacsf(
    *,
    cutoff: float = 6.0,
    n_radial: int = 8,
    n_angular: int = 6,
    zetas: tuple[float, ...] = (1, 2, 4),
    hidden: tuple[int, ...] = (30, 30),
    activation: Activation = "tanh",
    whitening: float = 2e-3,
    envelope: Envelope = PolynomialEnvelope(order=2),
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GradientDescent(learning_rate=5e-3, batch_size=4, epochs=250, energy_weight=5.0, clip=1.0),
    seed: int = 0,
) -> tuple[Potential, Solver]:
    """Symmetry functions weighted by atomic numbers and a neural network per element.

    cutoff: Å; how far each atom sees.
    n_radial: radial functions around the center, and as many on shells.
    n_angular: widths of angular functions; each comes with every exponent of `zetas`.
    zetas: how sharply angular functions select angles; whole numbers are fast.
    hidden: nodes of the hidden layers of each element's network.
    activation: tanh, softplus, silu, sigmoid, gelu or another one of math/layers.py.
    whitening: how fine differences of environments the networks resolve (see NeuralRegressor).
    envelope: what brings every function to zero at the cutoff.
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the weights.
    seed: decides the initial weights.
    """
    sets = [
        Radial(ImbalzanoCentered(n_radial)),
        Radial(ImbalzanoShifted(n_radial)),
        Wide(ImbalzanoCentered(n_angular), zetas=zetas),
    ]
    descriptor = ACSF(cutoff=cutoff, functions=[Weighted(s) for s in sets], envelope=envelope)
    regressor = NeuralRegressor(hidden=hidden, activation=activation, whitening=whitening, seed=seed)
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, regressor)
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
