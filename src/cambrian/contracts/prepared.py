"""What training computes once and reuses in every epoch.

A summand with nothing to train becomes a constant; a fixed descriptor becomes its features and their star-local
Jacobian, so that an epoch costs a few matrix products; everything else is evaluated live.

    dE/dr_ij = Σ_k (dE_i/dG_ik) (dG_ik/dr_ij)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from cambrian.contracts.evaluate import Prediction, evaluate
from cambrian.contracts.potential import Potential, everywhere
from cambrian.errors import UserError
from cambrian.graph import Graph, batch

Component = tuple[int, int]  # atom, direction: one component of its force


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

    def observe(self, component: Component | None = None) -> "Observed":
        """The total energy, or one component of a force, of one prepared structure, at the least cost that it has."""
        return Whole((self,), (component,))


class Observed(ABC):
    """Some energies or some force components, of one or several structures: what a filter learns from one by one."""

    @abstractmethod
    def values(self) -> Float[Tensor, "observations"]:
        """Energies (eV) or force components (eV/Å), differentiable with respect to the parameters."""

    @abstractmethod
    def join(self, others: "list[Observed]") -> "Observed":
        """This and others of its kind, all of them energies or all of them forces, behind each other."""


@dataclass(frozen=True)
class Whole(Observed):
    """Observations of potentials that must be evaluated on the whole structure for each."""

    items: "tuple[Prepared, ...]"
    components: tuple[Component | None, ...]

    def values(self) -> Float[Tensor, "observations"]:
        """Evaluate each structure."""
        return torch.stack([_observation(i.predict(), c) for i, c in zip(self.items, self.components, strict=True)])

    def join(self, others: "list[Whole]") -> "Whole":
        """All structures."""
        parts = [self, *others]
        return Whole(tuple(i for p in parts for i in p.items), tuple(c for p in parts for c in p.components))


@dataclass(frozen=True)
class Known(Observed):
    """Observations that no parameter changes."""

    known: Float[Tensor, "observations"]

    def values(self) -> Float[Tensor, "observations"]:
        """The stored values."""
        return self.known

    def join(self, others: "list[Known]") -> "Known":
        """Concatenate."""
        return Known(torch.cat([self.known, *(o.known for o in others)]))


@dataclass(frozen=True)
class Added(Observed):
    """Observations of a sum."""

    parts: tuple[Observed, ...]

    def values(self) -> Float[Tensor, "observations"]:
        """Add the values of the parts."""
        return torch.stack([p.values() for p in self.parts]).sum(dim=0)

    def join(self, others: "list[Added]") -> "Added":
        """Join part by part."""
        return Added(tuple(p.join([o.parts[k] for o in others]) for k, p in enumerate(self.parts)))


def _observation(prediction: Prediction, component: Component | None) -> Tensor:
    if component is None:
        return prediction.energy[0]
    if prediction.forces is None:
        raise UserError("this potential gives no forces to learn from; fit it to energies alone")
    return prediction.forces[component]


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

    def observe(self, component: Component | None = None) -> Known:
        """The stored value."""
        return Known(_observation(self.prediction, component)[None])


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
class Anew(Prepared):
    """A potential that could be prepared, but for want of memory is prepared again each time."""

    potential: Potential
    graph: Graph
    forces: bool

    def now(self) -> Prepared:
        """What stands in memory for as long as it is used."""
        return self.potential.prepare(self.graph, forces=self.forces) or Live(self.potential, self.graph)

    def predict(self) -> Prediction:
        """Prepare, then predict."""
        return self.now().predict()

    def join(self, others: list["Anew"]) -> "Anew":
        """Batch the graphs."""
        return Anew(self.potential, batch([self.graph, *(o.graph for o in others)]), self.forces)

    def observe(self, component: Component | None = None) -> Observed:
        """Prepare, then observe."""
        return self.now().observe(component)


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

    def observe(self, component: Component | None = None) -> Added:
        """Observe every part."""
        return Added(tuple(p.observe(component) for p in self.parts))


def prepare(potential: Potential, graph: Graph, *, forces: bool = True, keep: bool = True) -> Prepared:
    """Compute everything that training will not change.

    forces: whether derivatives will be asked for.
    keep: whether features may stay in memory; otherwise they are computed again, a block at a time, when they are used.
    """
    terms = list(potential.terms())
    if terms in ([], [potential]):
        near = graph.within(potential.cutoff)
        if not any(p.requires_grad for p in potential.parameters()):
            return Constant(evaluate(potential, near))
        if not keep:
            return Anew(potential, near, forces)
        return potential.prepare(near, forces=forces) or Live(potential, near)
    return Summed(tuple(prepare(term, graph, forces=forces, keep=keep) for term in terms))


def concatenated(values: Iterable[Tensor | None]) -> Tensor | None:
    """The values of all parts behind each other; None where a part has none."""
    known = everywhere(values)
    return None if known is None else torch.cat(known)
