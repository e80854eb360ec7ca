"""Adversarial attack: uphill in the product of likelihood and disagreement of an ensemble of models.

    log L = -(Ē - E_min) / k T + log σ_F²        σ_F² = <|F - F̄|²>, mean over members, atoms and components

Structures that the ensemble believes in and yet disagrees about: of low energy (Ē is its mean) and large spread of the
forces. Any differentiable ensemble will do: of potentials of atoms, or of functions of a plane.
D. Schwalbe-Koda, A. R. Tan, R. Gómez-Bombarelli, Nat. Commun. 12, 5104 (2021), arXiv:2101.11588.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.committee import Committee
from cambrian.contracts.evaluate import Leaves, refuse_unknown_elements
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential, Sum
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.units import BOLTZMANN

TINY = 1e-12  # eV²/Å²: keeps the logarithm where all agree


@dataclass(frozen=True)
class Opinions:
    """What each member says: `energies` (members, structures) eV; `forces` (members, atoms, components) eV/Å.

    `structure` (atoms,) tells which structure an atom belongs to.
    """

    energies: Float[Tensor, "members structures"]
    forces: Float[Tensor, "members atoms components"]
    structure: Int[Tensor, "atoms"]

    @property
    def energy(self) -> Float[Tensor, "structures"]:
        """The mean energy."""
        return self.energies.mean(dim=0)

    @property
    def force_variance(self) -> Float[Tensor, "structures"]:
        """σ_F² of each structure."""
        per_atom = ((self.forces - self.forces.mean(dim=0)) ** 2).mean(dim=(0, 2))
        zero = self.energies.new_zeros(self.energies.shape[1])
        n_atoms = zero.index_add(0, self.structure, torch.ones_like(per_atom))
        return zero.index_add(0, self.structure, per_atom) / n_atoms.clamp(min=1)


def log_likelihood(
    said: Opinions, temperature_K: float, lowest: Float[Tensor, "structures"] | float = 0.0
) -> Float[Tensor, "structures"]:
    """The logarithm of L for each structure; `lowest` is E_min."""
    return -(said.energy - lowest) / (BOLTZMANN * temperature_K) + torch.log(said.force_variance + TINY)


def members_of(driver: Potential | Labeller | None) -> list[Potential]:
    """The members of a committee, each with the terms that stand beside it in a sum.

    Raises UserError for anything that is no committee, or has no forces.
    """
    if not isinstance(driver, Potential):
        raise UserError("an adversarial attack needs a committee of potentials, whose members may disagree")
    terms = list(driver.terms())
    committees = [term for term in terms if isinstance(term, Committee)]
    if len(committees) != 1 or len(committees[0].members) < 2:
        raise UserError(
            "an adversarial attack needs a committee of at least two members: fit with several seeds and give them all"
        )
    if not driver.differentiable:
        raise UserError("an adversarial attack follows gradients, and this potential has none")
    others = [term for term in terms if not isinstance(term, Committee)]
    return [Sum([*others, member]) if others else member for member in committees[0].members]


def opinions(members: Sequence[Potential], leaves: Leaves) -> Opinions:
    """Opinions of potentials on a graph, differentiable by its leaves."""
    energies, forces = [], []
    for member in members:
        refuse_unknown_elements(member, leaves.graph)
        energy = member(leaves.graph.within(member.cutoff)).energy
        energies.append(energy)
        forces.append(leaves.slopes(energy, training=True).forces_and_stress(leaves.graph)[0])
    return Opinions(torch.stack(energies), torch.stack(forces), leaves.graph.structure)


def attack_on(
    members: Sequence[Potential], graph: Graph, temperature_K: float, lowest: Float[Tensor, "structures"]
) -> tuple[Opinions, Float[Tensor, "structures"], Float[Tensor, "atoms 3"]]:
    """Opinions, log L and its gradient by the positions."""
    with torch.enable_grad():
        leaves = Leaves.of(graph)
        said = opinions(members, leaves)
        values = log_likelihood(said, temperature_K, lowest)
        downhill, _ = leaves.slopes(values).forces_and_stress(graph)
    detached = Opinions(said.energies.detach(), said.forces.detach(), said.structure)
    return detached, values.detach(), -downhill


def climb(
    start: Tensor,
    uphill: Callable[[Tensor], Tensor],
    *,
    n_steps: int,
    learning_rate: float,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Tensor:
    """Where Adam gets from `start` in `n_steps` along the gradient that `uphill` gives at a place."""
    place = start.detach().clone().requires_grad_()
    adam = torch.optim.Adam([place], lr=learning_rate)
    for step in range(n_steps):
        place.grad = -uphill(place.detach())
        adam.step()
        progress((step + 1) / n_steps)
    return place.detach()
