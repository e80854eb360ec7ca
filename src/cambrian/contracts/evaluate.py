"""The only place where potentials are differentiated.

r_ij, positions and the strain ε are independent variables of the energy. With g_ij = dE/dr_ij and p_i = dE/dR_i at
fixed r_ij,

    F_i = -p_i - Σ_j g_(j i) + Σ_j g_(i j)          (g_ij pulls its center, and pushes its neighbor)
    dE/dε = Σ_edges r_ij ⊗ g_ij + (dE/dε at fixed r_ij)          stress = dE/dε / V

so a short-range potential costs one derivative in r_ij, reciprocal space adds the other two, and nothing counts twice.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.potential import Potential, Terms, added
from cambrian.elements import symbols
from cambrian.errors import UserError
from cambrian.graph import Graph

if TYPE_CHECKING:
    from cambrian.contracts.force_model import Model


@dataclass(frozen=True)
class Prediction:
    """What a potential says of a graph: eV, eV/Å, eV/Å³ (positive = tensile), e, e Å.

    `stress` is NaN for a structure that is not periodic in three directions. `virials` (eV) are per atom, assigned to
    the neighbor, W_j = -Σ_i r_ij ⊗ dE_i/dr_ij, the form that gives the right heat flux; only for local potentials.
    """

    energy: Float[Tensor, "structures"]
    forces: Float[Tensor, "atoms 3"] | None = None
    stress: Float[Tensor, "structures 3 3"] | None = None
    atomic_energies: Float[Tensor, "atoms"] | None = None
    virials: Float[Tensor, "atoms 3 3"] | None = None
    charges: Float[Tensor, "atoms"] | None = None
    dipole: Float[Tensor, "structures 3"] | None = None
    penalty: Float[Tensor, "structures"] | None = None

    @classmethod
    def sum(cls, parts: "list[Prediction]") -> "Prediction":
        """Prediction of a sum of potentials; per-atom values only where every part has them."""
        return cls(
            energy=sum((p.energy for p in parts[1:]), start=parts[0].energy),
            forces=added(p.forces for p in parts),
            stress=added(p.stress for p in parts),
            atomic_energies=added(p.atomic_energies for p in parts),
            virials=added(p.virials for p in parts),
            charges=next((p.charges for p in parts if p.charges is not None), None),
            dipole=added(p.dipole for p in parts if p.dipole is not None),
            penalty=added(p.penalty for p in parts if p.penalty is not None),
        )


def evaluate(potential: Potential, graph: Graph, *, training: bool = False, virials: bool = False) -> Prediction:
    """Energy, forces and stress of a graph by differentiation of the potential.

    training: keep the derivatives differentiable with respect to the parameters.
    virials: also the per-atom virials; raises UserError where the potential is not local.
    Raises UserError for an element that was not in `setup`.
    """
    refuse_unknown_elements(potential, graph)
    graph = graph.within(potential.cutoff)
    if virials and potential.scope != "local":
        raise UserError(f"per-atom virials need dE_i/dr_ij, which a {potential.scope} potential does not give")
    if not potential.differentiable:
        return _prediction_of(potential(graph), None, None, None)
    with torch.enable_grad():
        leaves = Leaves.of(graph)
        terms = potential(leaves.graph)
        slopes = leaves.slopes(terms.energy, training=training)
    forces, stress = slopes.forces_and_stress(graph)
    per_atom = None
    if virials:
        outer = -graph.r_ij[:, :, None] * slopes.r_ij[:, None, :]
        per_atom = outer.new_zeros(graph.n_atoms, 3, 3).index_add(0, graph.neighbor, outer)
    return _prediction_of(terms, forces, stress, per_atom, detach=not training)


@dataclass(frozen=True)
class Slopes:
    """Derivatives of an energy by the edges, and at fixed edges by the positions and the strain."""

    r_ij: Float[Tensor, "edges 3"]
    positions: Float[Tensor, "atoms 3"]
    strain: Float[Tensor, "structures 3 3"]

    def forces_and_stress(self, graph: Graph) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "structures 3 3"]]:
        """Forces in eV/Å and stress in eV/Å³, NaN where there is no volume."""
        forces, dE_dstrain = assemble(graph, self.r_ij)
        return forces - self.positions, stress_of(dE_dstrain + self.strain, graph)


@dataclass(frozen=True)
class Leaves:
    """A graph whose edges, positions and strain are independent variables, and those variables."""

    graph: Graph
    r_ij: Float[Tensor, "edges 3"]
    positions: Float[Tensor, "atoms 3"]
    strain: Float[Tensor, "structures 3 3"]

    @classmethod
    def of(cls, graph: Graph) -> "Leaves":
        """The same geometry, ready to be differentiated; the strain acts on positions and cell."""
        positions = graph.positions.detach().requires_grad_()
        r_ij = graph.r_ij.detach().requires_grad_()
        strain = torch.zeros_like(graph.cell, requires_grad=True)
        deformation = torch.eye(3, dtype=graph.cell.dtype, device=graph.cell.device) + strain
        strained = graph.with_leaves(
            positions=torch.einsum("ax,axy->ay", positions, deformation[graph.structure]),
            cell=graph.cell @ deformation,
            r_ij=r_ij,
        )
        return cls(strained, r_ij, positions, strain)

    def slopes(self, energy: Float[Tensor, "structures"], *, training: bool = False, retain: bool = False) -> Slopes:
        """Differentiate: `training` keeps the result differentiable, `retain` allows another call."""
        variables = (self.r_ij, self.positions, self.strain)
        if not energy.requires_grad:
            return Slopes(*(torch.zeros_like(v) for v in variables))
        found = torch.autograd.grad(
            energy.sum(), variables, create_graph=training, retain_graph=training or retain, allow_unused=True
        )
        return Slopes(*(torch.zeros_like(v) if s is None else s for s, v in zip(found, variables, strict=True)))


def stress_of(dE_dstrain: Float[Tensor, "structures 3 3 ..."], graph: Graph) -> Float[Tensor, "structures 3 3 ..."]:
    """Symmetric stress in eV/Å³, NaN without a volume; the NaN does not reach derivatives of the other structures."""
    volume = graph.volume.reshape(-1, *[1] * (dE_dstrain.dim() - 1))
    stress = dE_dstrain / torch.where(volume.isnan(), 1.0, volume)
    return torch.where(volume.isnan(), torch.nan, 0.5 * (stress + stress.transpose(1, 2)))


def assemble(graph: Graph, pull: Float[Tensor, "edges 3"]) -> tuple[Tensor, Tensor]:
    """Forces (atoms, 3) and dE/dε (structures, 3, 3) from dE/dr_ij of every edge."""
    forces = torch.zeros_like(graph.positions).index_add(0, graph.center, pull).index_add(0, graph.neighbor, -pull)
    r_ij = graph.r_ij.detach()
    if graph.n_structures == 1:  # dynamics: one matrix product
        return forces, (r_ij.mT @ pull)[None]
    outer = r_ij[:, :, None] * pull[:, None, :]
    return forces, torch.zeros_like(graph.cell).index_add(0, graph.structure[graph.center], outer)


def refuse_unknown_elements(potential: "Model", graph: Graph) -> None:
    """Raise UserError when the graph holds an element that a summand was not set up for."""
    for term in potential.terms():
        if len(term.elements) == 0:
            continue
        known = torch.isin(graph.numbers, term.elements)
        if not bool(known.all()):
            atom = int(torch.nonzero(~known)[0, 0])
            (strange,) = symbols([graph.numbers[atom]])
            raise UserError(
                f"atom {atom} is {strange}, which this potential was not trained for (it knows "
                f"{', '.join(symbols(term.elements))}); fit with data that hold {strange}"
            )


def _prediction_of(terms: Terms, forces, stress, virials, *, detach: bool = True) -> Prediction:
    values = {**vars(terms), "forces": forces, "stress": stress, "virials": virials}
    if detach:
        values = {name: None if v is None else v.detach() for name, v in values.items()}
    return Prediction(**values)
