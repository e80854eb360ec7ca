"""How sure a linear potential is of the energy of each atom.

    σ_i² = φ_i Σ φ_iᵀ + v_i          φ_i: basis functions of atom i, Σ: posterior covariance of the coefficients,
                                     v_i: what the basis leaves open; for sparse kernels δ² (1 - k_M K_MM⁻¹ k_M)

For a sparse Gaussian process this is its predictive variance in the approximation named deterministic training
conditional, equal to that of the full process once the sparse points say all that its kernel can tell apart.

J. Quiñonero-Candela, C. E. Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.contracts.regressor import BasisRegressor
from cambrian.contracts.spread import along_directions
from cambrian.errors import UserError
from cambrian.graph import Graph


def local_deviations(potential: Potential, graph: Graph) -> Float[Tensor, "atoms"]:
    """Standard deviation of the energy of each atom (eV), by the terms that have a descriptor of atoms.

    Raises UserError for a potential without such a term that kept its posterior.
    """
    known = [t for t in potential.terms() if isinstance(t, DescriptorPotential) and t.posterior is not None]
    variance = torch.zeros(graph.n_atoms, dtype=torch.float64)
    spreads, factors = [], []
    for term in known:
        regressor = term.regressor
        if term.descriptor.per == "atom" and isinstance(regressor, BasisRegressor) and term.posterior is not None:
            near, species = graph.within(term.cutoff), term.species(graph)
            with torch.no_grad():
                features = term.fastest.features(near)
                spreads.append(regressor.basis(features, species) @ term.posterior)
                factors.append(term.posterior)
                variance += regressor.open_variance(features, species)
    if not spreads:
        raise UserError(
            "only a linear potential on a descriptor of atoms that kept its posterior (snap, gap ...) tells how sure "
            "it is of an atom's energy; raise the solver's posterior_up_to above its number of coefficients"
        )
    return (variance + along_directions(spreads, factors).square().sum(dim=1)).sqrt()
