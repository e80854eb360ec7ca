"""deepmd: Deep Potential of the smooth edition (DeepPot-SE, se_e2_a), a descriptor that is learned with the energies.

    E = Σ_i E0(s_i) + ZBL + Σ_i fitting(D_i)

L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003. Networks of a quarter of the published widths by default, for
training on a few cores; the published ones are embedding=[25, 50, 100], axis=16, fitting=[240, 240, 240]. The repulsion
acts only closer than any training data.
"""

from copy import deepcopy
from typing import Literal

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.fit.schedules import Exponential
from cambrian.math.layers import Activation
from cambrian.networks.deep_potential import DeepPotential


def deepmd(
    *,
    cutoff: float = 6.0,
    smooth_from: float = 0.5,
    embedding: tuple[int, ...] = (8, 16, 32),
    axis: int = 6,
    fitting: tuple[int, ...] = (60, 60, 60),
    embedding_of: Literal["neighbor", "pair"] = "neighbor",
    activation: Activation = "tanh",
    sel: dict[str, int] | None = None,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GradientDescent(
        learning_rate=5e-3, batch_size=4, epochs=250, energy_weight=5.0, clip=1.0, schedule=Exponential()
    ),
    seed: int = 0,
) -> tuple[Potential, Solver]:
    """A Deep Potential: an embedding network, a fitting network per element.

    cutoff: Å; how far each atom sees.
    smooth_from: Å; neighbors nearer than this count fully, those farther fade towards the cutoff.
    embedding: widths of the network that weighs neighbors.
    axis: how many of its outputs stand on the short side of the descriptor.
    fitting: widths of the network that makes the energy.
    embedding_of: one embedding per element of the neighbor, or per pair of elements.
    activation: tanh, softplus, silu, sigmoid or gelu.
    sel: places for neighbors by element, for example {O: 46, H: 92}; null lets the training set decide.
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what fits the weights.
    seed: decides the initial weights.
    """
    network = DeepPotential(
        cutoff=cutoff,
        smooth_from=smooth_from,
        embedding=embedding,
        axis=axis,
        fitting=fitting,
        embedding_of=embedding_of,
        activation=activation,
        sel=sel,
        seed=seed,
    )
    potential = IsolatedAtoms() + network
    return potential if repulsion is None else potential + deepcopy(repulsion), solver
