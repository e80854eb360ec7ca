"""How sure a potential is: members of a committee disagree, or the data leave coefficients of a linear fit open.

    committee      σ² = <|x - <x>|²> over its members
    linear fit     σ² = φ Σ φᵀ = |φ L|²        φ: the row of an energy, force or stress, Σ = L Lᵀ: posterior covariance

The noise of the labels is not in it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.committee import Committee
from cambrian.contracts.evaluate import Prediction, evaluate, refuse_unknown_elements
from cambrian.contracts.linear import Rows
from cambrian.contracts.potential import Potential, everywhere
from cambrian.errors import UserError
from cambrian.graph import Graph


@dataclass(frozen=True)
class Spread:
    """Standard deviations: energy (structures,) eV; forces (atoms,) eV/Å, root of the summed variances x, y and z.

    stress (structures, 3, 3) eV/Å³, component by component; NaN where a structure is not periodic, None where
    members give none.
    """

    energy: Float[Tensor, "structures"]
    forces: Float[Tensor, "atoms"]
    stress: Float[Tensor, "structures 3 3"] | None = None

    @classmethod
    def of(cls, predictions: list[Prediction]) -> "Spread":
        """How far the predictions of several members lie from their mean."""
        energies = torch.stack([p.energy for p in predictions])
        known, stresses = everywhere(p.forces for p in predictions), everywhere(p.stress for p in predictions)
        if known is None:
            raise UserError("the spread of forces needs members that give forces")
        forces = torch.stack(known)
        variance = ((forces - forces.mean(dim=0)) ** 2).sum(dim=-1).mean(dim=0)
        stress = None if stresses is None else torch.stack(stresses).std(dim=0, correction=0)
        return cls(energies.std(dim=0, correction=0), variance.sqrt(), stress)

    @classmethod
    def of_posterior(cls, terms: list[Potential], graph: Graph) -> "Spread":
        """|φ L| by the rows of terms with a posterior; terms of one fit share the columns of L, others are alone."""
        factors = [term.posterior for term in terms if term.posterior is not None]
        spreads: dict[str, list[Tensor]] = {"energy": [], "forces": [], "stress": []}
        for term, factor in zip(terms, factors, strict=True):
            view = term.linear()
            rows = Rows(graph.positions) if view is None else view.rows(graph)
            if rows.forces is None or rows.stress is None:
                raise UserError(f"{type(term).__name__} has a posterior but no rows of forces to apply it to")
            for name, row in (("energy", rows.energy), ("forces", rows.forces), ("stress", rows.stress)):
                spreads[name].append(row @ factor)
        joined = {name: along_directions(parts, factors) for name, parts in spreads.items()}
        forces = joined["forces"].flatten(1).norm(dim=-1)
        return cls(joined["energy"].norm(dim=-1), forces, joined["stress"].norm(dim=-1))


def along_directions(parts: list[Float[Tensor, "..."]], factors: list[Float[Tensor, "..."]]) -> Float[Tensor, "..."]:
    """φ L of several terms: added up where the factors L are of one fit, square together, else side by side."""
    width = factors[0].shape[1]
    if all(f.shape[1] == width for f in factors) and sum(len(f) for f in factors) <= width:
        return torch.stack(parts).sum(dim=0)
    return torch.cat(parts, dim=-1)


def uncertainty(potential: Potential, graph: Graph) -> Spread:
    """σ of energy, forces and stress: of a committee, or of a linear potential that kept its posterior.

    In a sum the other terms are certain. Raises UserError for a potential that has neither, or several committees.
    """
    refuse_certain(potential)
    committees = _committees(potential)
    if committees:
        return Spread.of([evaluate(m, graph) for m in committees[0].members])
    refuse_unknown_elements(potential, graph)
    return Spread.of_posterior([term for term in potential.terms() if term.posterior is not None], graph)


def tells_uncertainty(potential: Potential) -> bool:
    """Whether `uncertainty` has something to go by."""
    committees = _committees(potential)
    return len(committees) == 1 or (not committees and any(t.posterior is not None for t in potential.terms()))


def refuse_certain(potential: Potential) -> None:
    """Raise UserError for a potential that tells no uncertainty."""
    if not tells_uncertainty(potential):
        raise UserError(
            "only a committee, or a linear potential that kept its posterior, can tell its uncertainty; fit several "
            "seeds (--committee 4), or fit by LeastSquares, BayesianRidge or AutomaticRelevance with "
            "posterior_up_to no less than the number of coefficients"
        )


def _committees(potential: Potential) -> list[Committee]:
    return [term for term in potential.terms() if isinstance(term, Committee)]
