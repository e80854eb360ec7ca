"""HDNNP: a neural network potential of the second generation, one network per element on symmetry functions.

    E = Σ_i E0(s_i) + ZBL + Σ_i MLP_{s_i}(G_i)

J. Behler, M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007). One set of defaults for molecules, elements and alloys,
chosen on parts held out of training sets; the repulsion acts only closer than any training data.
"""

from copy import deepcopy

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.acsf import ACSF, Radial, Wide
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.math.envelopes import Envelope, PolynomialEnvelope
from cambrian.math.symmetry_grids import GasteggerShifted, ImbalzanoCentered
from cambrian.math.symmetry_sets import FunctionSet
from cambrian.regressors.neural import Activation, NeuralRegressor


def hdnnp(
    *,
    cutoff: float = 6.0,
    n_radial: int = 10,
    n_angular: int = 3,
    zetas: tuple[float, ...] = (1, 4),
    functions: FunctionSet | None = None,
    hidden: tuple[int, ...] = (30, 30),
    activation: Activation = "tanh",
    whitening: float = 2e-3,
    envelope: Envelope = PolynomialEnvelope(order=2),
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GradientDescent(learning_rate=5e-3, batch_size=4, epochs=250, energy_weight=5.0, clip=1.0),
    seed: int = 0,
) -> tuple[Potential, Solver]:
    """Symmetry functions and a neural network per element.

    cutoff: Å; how far each atom sees.
    n_radial: shells of radial functions for each element of neighbor.
    n_angular: widths of angular functions for each pair of elements; each comes with every exponent of `zetas`.
    zetas: how sharply angular functions select angles; whole numbers are fast.
    functions: a list of functions in place of those (choose-functions writes one); a file: functions=functions.yaml.
    hidden: nodes of the hidden layers of each element's network.
    activation: tanh, softplus, silu, sigmoid or gelu.
    whitening: how fine differences of environments the networks resolve (see NeuralRegressor).
    envelope: what brings every function to zero at the cutoff.
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the weights.
    seed: decides the initial weights.
    """
    usual = [Radial(GasteggerShifted(n_radial, first=0.8)), Wide(ImbalzanoCentered(n_angular), zetas=zetas)]
    descriptor = ACSF(cutoff=cutoff, functions=usual if functions is None else [functions], envelope=envelope)
    regressor = NeuralRegressor(hidden=hidden, activation=activation, whitening=whitening, seed=seed)
    potential = IsolatedAtoms() + DescriptorPotential(descriptor, regressor)
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
