"""GAP: Gaussian process regression of energies, forces and virials on pairs, few-body terms and SOAP environments.

    E = Σ_i E0(s_i) + ZBL + ½ Σ_ij V_2(r_ij) + Σ_i Σ_v c_v B_iv + Σ_i Σ_s c_s (x_i · x_s / |x_i||x_s|)^ζ         x: SOAP

Few bodies (pairs, triangles, tetrahedra) are a linear expansion B with a weak ridge, as the mean of the process: a SOAP
kernel of power ζ is of 2ζ + 1 bodies at once, and would have to learn from data that the few matter most.

A. P. Bartók, M. C. Payne, R. Kondor, G. Csányi, Phys. Rev. Lett. 104, 136403 (2010). The defaults were chosen on
silicon's training data; the repulsion acts only closer than any training data.
"""

from copy import deepcopy

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.frozen import Frozen
from cambrian.contracts.potential import Potential
from cambrian.contracts.solver import Solver
from cambrian.descriptors.ace import AtomicClusterExpansion
from cambrian.descriptors.soap import SOAP
from cambrian.fit.gaussian_process import GaussianProcess
from cambrian.math.envelopes import Envelope, PolynomialEnvelope
from cambrian.math.point_kernels import PowerKernel
from cambrian.math.radial_bases import SBessel
from cambrian.math.sparse_points import FarthestPoints, PointChoice
from cambrian.networks.two_body_kernel import TwoBodyKernel
from cambrian.regressors.linear import LinearRegressor
from cambrian.regressors.sparse_kernel import SparseKernel

FEW_BODIES = DescriptorPotential(
    AtomicClusterExpansion(
        cutoff=5.5,
        n_max=[16, 9, 8],
        l_max=[0, 10, 9],
        degree=[16, 9.7, 9.3],
        l_weight=0.35,
        radial=SBessel(),
        most_features=500,
    ),
    LinearRegressor(),
)


def gap(
    *,
    cutoff: float = 5.0,
    n_max: int = 8,
    l_max: int = 6,
    width: float = 0.5,
    envelope: Envelope = PolynomialEnvelope(inner_fraction=0.5),
    n_points: int | dict[str, int] = 1000,
    zeta: float = 4.0,
    delta: float = 1.0,
    choice: PointChoice = FarthestPoints(),
    two_body: Potential | None = TwoBodyKernel(),
    few_body: Potential | None = FEW_BODIES,
    three_body: Potential | None = None,
    repulsion: Potential | None = Frozen(ZBL()),
    solver: Solver = GaussianProcess(energy_sigma=0.001, force_sigma=0.05, virial_sigma=0.05, posterior_up_to=2000),
) -> tuple[Potential, Solver]:
    """Pairs, few bodies and SOAP.

    cutoff: Å; how far each atom sees.
    n_max, l_max, width: radial functions, highest degree, and width of the Gaussians (Å) of SOAP.
    envelope: how neighbors fade out towards the cutoff.
    n_points: sparse points of SOAP for each element; accuracy, time and memory grow with it.
    zeta: power of the kernel; the larger, the more sharply environments are told apart.
    delta: how much the energy of an atom varies by its surroundings, eV.
    choice: how the sparse points are chosen from the training set.
    two_body: curves of the pairs; None leaves them out.
    few_body: a linear term that takes what few neighbors at once say, before the kernel; None leaves it out.
    three_body: ThreeBodyKernel adds triangles; SOAP alone sees them too.
    repulsion: what keeps atoms apart where no data reach; subtracted from the data. None leaves it out.
    solver: what solves for the coefficients, with the noise of the labels.
    """
    descriptor = SOAP(cutoff=cutoff, n_max=n_max, l_max=l_max, width=width, envelope=envelope)
    kernel = PowerKernel(exponent=zeta)
    regressor = SparseKernel(n_points=n_points, delta=delta, kernel=kernel, choice=choice)
    potential: Potential = IsolatedAtoms() + DescriptorPotential(descriptor, regressor)
    for term in (two_body, few_body, three_body, repulsion):
        potential = potential if term is None else potential + deepcopy(term)
    return potential, solver
