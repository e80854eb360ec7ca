"""NeuralIL: spherical Bessel descriptors, and one normalized network for all elements with an embedding of each.

    E = Σ_i [ E0(s_i) + Δ(s_i) ] + ZBL + Σ_i NET([p_i, v_{s_i}])

H. Montes-Campos, J. Carrete, S. Bichelmaier, L. M. Varela, G. K. H. Madsen, J. Chem. Inf. Model. 62, 88 (2022);
residual networks and ensembles: J. Carrete et al., J. Chem. Phys. 158, 204801 (2023). Uncertainty comes from a
committee (`fit --committee`).
"""

from copy import deepcopy

from cambrian.classical.element_shifts import ElementShifts
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.spherical_bessel import SphericalBessel
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.losses import LogCosh
from cambrian.fit.schedules import OneCycle
from cambrian.regressors.embedded import Connection, EmbeddedNetwork, Residual


def neuralil(
    *,
    cutoff: float = 5.0,
    n_max: int = 6,
    hidden: tuple[int, ...] = (64, 32, 16, 16, 16),
    n_embedding: int = 2,
    connection: Connection = Residual(),
    whitening: float = 2e-3,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GradientDescent(
        learning_rate=1e-2,
        schedule=OneCycle(),
        batch_size=8,
        epochs=500,
        energy_weight=5.0,
        loss=LogCosh(steepness=10.0),
        clip=1.0,
    ),
    seed: int = 0,
) -> tuple[Potential, Solver]:
    """Bessel descriptors and one network for all elements.

    cutoff: Å; how far each atom sees.
    n_max: resolution of distances and angles; (n_max + 1)(n_max + 2)/2 features for each pair of elements.
    hidden: nodes of the hidden layers.
    n_embedding: how many numbers tell the elements apart.
    connection: Residual, or Straight as published first.
    whitening: how fine differences of environments the network resolves (see EmbeddedNetwork).
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the weights.
    seed: decides the initial weights.
    """
    network = EmbeddedNetwork(
        hidden=hidden, n_embedding=n_embedding, connection=connection, whitening=whitening, seed=seed
    )
    descriptor = SphericalBessel(cutoff=cutoff, n_max=n_max)
    potential = IsolatedAtoms() + ElementShifts() + DescriptorPotential(descriptor, network)
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
