"""ANI: shells of angles and distances (AEV) and a network of its own shape for each element.

    E = Σ_i E0(s_i) + ZBL + Σ_i MLP_{s_i}(AEV_i)

J. S. Smith, O. Isayev, A. E. Roitberg, Chem. Sci. 8, 3192 (2017); ANI-2x: C. Devereux et al., J. Chem. Theory Comput.
16, 4192 (2020). Smaller networks than published by default, since a user has hundreds of structures where ANI had
millions; the published shapes are there by name. The published potentials are means of eight
members: `--committee 8`. The repulsion acts only closer than any training data.
"""

from copy import deepcopy
from typing import Literal

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.aev import AEV
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.math.layers import Activation
from cambrian.regressors.element_networks import ElementNetworks


def ani(
    *,
    descriptor: AEV | Literal["1x", "2x"] = "1x",
    hidden: tuple[int, ...] | Literal["1x", "2x"] = (64, 48, 32),
    activation: Activation = "celu",
    whitening: float | None = None,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GradientDescent(learning_rate=5e-3, batch_size=8, epochs=300, energy_weight=5.0, clip=1.0),
    seed: int = 0,
) -> tuple[Potential, Solver]:
    """Atomic environment vectors and a network per element.

    descriptor: 1x or 2x for the shells of these published potentials, or an AEV with numbers of your own.
    hidden: nodes of the hidden layers of every element, or 1x or 2x for the published shapes, which differ by element.
    activation: celu as published, tanh, softplus, silu, sigmoid or gelu.
    whitening: null takes the features as they are, as published; a number such as 0.1 whitens them (ElementNetworks).
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the weights.
    seed: decides the initial weights.
    """
    named = {"1x": AEV.like_1x, "2x": AEV.like_2x}
    features = named[descriptor]() if isinstance(descriptor, str) else deepcopy(descriptor)
    how = {"activation": activation, "whitening": whitening, "seed": seed}
    shaped = {"1x": ElementNetworks.like_1x, "2x": ElementNetworks.like_2x}
    networks = shaped[hidden](**how) if isinstance(hidden, str) else ElementNetworks(hidden=hidden, **how)
    potential = IsolatedAtoms() + DescriptorPotential(features, networks)
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
