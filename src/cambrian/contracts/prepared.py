"""What training computes once and reuses in every epoch.

A summand with nothing to train becomes a constant; a fixed descriptor becomes its features and their star-local
Jacobian, so that an epoch costs a few matrix products; everything else is evaluated live.

    dE/dr_ij = Σ_k (dE_i/dG_ik) (dG_ik/dr_ij)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from cambrian.contracts.evaluate import Prediction, evaluate
from cambrian.contracts.potential import Potential, everywhere
from cambrian.graph import Graph, batch


class Prepared(ABC):
    """A potential on a graph, with everything that training does not change already computed."""

    @property
    def n_bytes(self) -> int:
        """Memory that the stored features take, in bytes."""
        return 0

    @abstractmethod
    def predict(self) -> Prediction:
        """The prediction, differentiable with respect to the parameters."""

    @abstractmethod
    def join(self, others: "list[Prepared]") -> "Prepared":
        """This and others of its kind as one batch."""


@dataclass(frozen=True)
class Constant(Prepared):
    """A potential without trainable parameters: its prediction."""

    prediction: Prediction

    def predict(self) -> Prediction:
        """The stored prediction."""
        return self.prediction

    def join(self, others: list["Constant"]) -> "Constant":
        """Concatenate the predictions."""
        parts = [self.prediction, *(o.prediction for o in others)]
        optional = [f.name for f in fields(Prediction) if f.name != "energy"]
        joined = {name: concatenated(getattr(p, name) for p in parts) for name in optional}
        return Constant(Prediction(torch.cat([p.energy for p in parts]), **joined))


@dataclass(frozen=True)
class Live(Prepared):
    """A potential with nothing to prepare: evaluated anew each time."""

    potential: Potential
    graph: Graph

    def predict(self) -> Prediction:
        """Evaluate with differentiable derivatives."""
        return evaluate(self.potential, self.graph, training=True)

    def join(self, others: list["Live"]) -> "Live":
        """Batch the graphs."""
        return Live(self.potential, batch([self.graph, *(o.graph for o in others)]))


@dataclass(frozen=True)
class Summed(Prepared):
    """A sum: each part prepared in its own way."""

    parts: tuple[Prepared, ...]

    @property
    def n_bytes(self) -> int:
        """Memory of all parts together."""
        return sum(part.n_bytes for part in self.parts)

    def predict(self) -> Prediction:
        """Add the predictions of the parts."""
        return Prediction.sum([part.predict() for part in self.parts])

    def join(self, others: list["Summed"]) -> "Summed":
        """Join part by part."""
        return Summed(tuple(p.join([o.parts[k] for o in others]) for k, p in enumerate(self.parts)))


def prepare(potential: Potential, graph: Graph, *, forces: bool = True) -> Prepared:
    """Compute everything that training will not change; `forces` says whether derivatives will be asked for."""
    terms = list(potential.terms())
    if terms in ([], [potential]):
        near = graph.within(potential.cutoff)
        if not any(p.requires_grad for p in potential.parameters()):
            return Constant(evaluate(potential, near))
        return potential.prepare(near, forces=forces) or Live(potential, near)
    return Summed(tuple(prepare(term, graph, forces=forces) for term in terms))


def concatenated(values: Iterable[Tensor | None]) -> Tensor | None:
    """The values of all parts behind each other; None where a part has none."""
    known = everywhere(values)
    return None if known is None else torch.cat(known)
