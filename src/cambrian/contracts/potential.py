"""The contract of every potential, and the sum of potentials.

A potential maps a graph to `Terms`; forces, stress and all else follow from `evaluate`. Constructors take
hyperparameters only. What depends on data (elements, reference energies, scales, sparse points) is made once by
`setup(train)` and kept in parameters and buffers, so that the archive needs the constructor and the tensors alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from ase import Atoms
from jaxtyping import Float
from torch import Tensor, nn

from cambrian.configurable import Configurable
from cambrian.data.dataset import Dataset
from cambrian.graph import Graph, sum_over_structures

if TYPE_CHECKING:
    from cambrian.contracts.compiled import CompiledPart
    from cambrian.contracts.evaluate import Prediction
    from cambrian.contracts.lammps import LammpsForm
    from cambrian.contracts.linear import Linear
    from cambrian.contracts.prepared import Prepared


@dataclass(frozen=True)
class Terms:
    """What a potential computes in one forward pass; eV, e, e Å. The mean `penalty` is added to the training loss."""

    energy: Float[Tensor, "structures"]
    atomic_energies: Float[Tensor, "atoms"] | None = None
    charges: Float[Tensor, "atoms"] | None = None
    dipole: Float[Tensor, "structures 3"] | None = None
    penalty: Float[Tensor, "structures"] | None = None

    @classmethod
    def of_atoms(cls, atomic_energies: Float[Tensor, "atoms"], graph: Graph, **others) -> "Terms":
        """Terms of a potential that is a sum over atoms; the energies of ghosts do not count."""
        return cls(sum_over_structures(atomic_energies, graph), atomic_energies, **others)


def everywhere(values: Iterable[Tensor | None]) -> list[Tensor] | None:
    """The values of all parts of a whole; None where a part has none."""
    known = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return known


def added(values: Iterable[Tensor | None]) -> Tensor | None:
    """The sum of the values of all parts; None where a part has none, or there are no parts."""
    known = everywhere(values)
    return sum(known[1:], start=known[0]) if known else None


class Potential(Configurable, nn.Module, ABC):
    """Energy of structures. Concrete classes are final: compose them, do not subclass them.

    `cutoff` (Å) is the length of the edges it reads; `receptive_field` is longer where messages travel further.
    Traits: `scope` is "local" (E_i depends on the edges of i alone), "message passing" or "global"; `extensive` and
    `differentiable` say what a test or a user may expect. `posterior` of a term that was fitted linearly holds its rows
    of L, where L Lᵀ is the covariance of the coefficients of all linear terms of that fit.
    """

    cutoff: float
    scope: str = "local"
    extensive: bool = True
    differentiable: bool = True
    elements: Tensor
    posterior: Float[Tensor, "coefficients directions"] | None
    rooms = ("classical", "networks", "electrostatics", "contracts")

    def __init__(self):
        super().__init__()
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("posterior", None)  # absent from files of potentials that do not have it

    @property
    def receptive_field(self) -> float:
        """Distance in Å beyond which no atom changes an atomic energy; the halo of a ghost decomposition."""
        return self.cutoff

    @abstractmethod
    def forward(self, graph: Graph) -> Terms:
        """Energies of a graph whose edges reach at least `cutoff`."""

    def setup(self, train: Dataset) -> None:
        """Fix everything that depends on data; called once, by `fit`. Extend it, and call this one first."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)
        self.posterior = None

    def widen(self, train: Dataset) -> None:
        """Let what is known of the reach of the training set cover `train` too, which `setup` had not seen.

        Called where a fit goes on from a fitted potential; parameters stay as they are.
        """

    def terms(self) -> Iterator["Potential"]:
        """The summands: this potential itself, unless it is a sum."""
        yield self

    def linear(self) -> "Linear | None":
        """The linear view of this potential, where energy, forces and stress are linear in some coefficients."""
        return None

    def prepare(self, graph: Graph, *, forces: bool = True) -> "Prepared | None":
        """What can be computed once before training on this graph; None when nothing can.

        `forces` says whether forces or stress of this graph will be asked for.
        """
        return None

    def native(self) -> "Callable[[Graph], Prediction] | None":
        """A compiled route to the same prediction, or None; built by the calculator and by `deploy`."""
        return None

    def lammps(self) -> "LammpsForm | None":
        """The same potential in the words of stock LAMMPS, or None where it has none; `deploy` writes it."""
        return None

    def compiled(self, numbers: list[int]) -> "list[CompiledPart] | None":
        """The same potential as arrays for the compiled library, or None where that has no such kind.

        Species count as the atomic numbers do that are given; they are those of `elements`, where it has any.
        """
        return None

    def __add__(self, other: "Potential") -> "Sum":
        return Sum([*self.terms(), *other.terms()])

    @classmethod
    @abstractmethod
    def example(cls) -> "Potential":
        """A small instance, set up and ready: contract tests, docs and benchmarks build this one."""

    @classmethod
    def example_atoms(cls) -> list[Atoms]:
        """Structures that suit the example, where not any of its elements will do (one molecule, charged ions ...)."""
        return []


def widest_scope(parts: "list[Potential]") -> str:
    """The scope of potentials taken together: that of the one that sees furthest."""
    scopes = ("local", "message passing", "global")
    return max((p.scope for p in parts), key=scopes.index, default="local")


class Sum(Potential):
    """The sum of several potentials: E = Σ_t E_t, each term seeing only its own edges."""

    def __init__(self, parts: list[Potential]):
        super().__init__()
        self.parts = cast(Sequence[Potential], nn.ModuleList(parts))
        self.cutoff = max((p.cutoff for p in parts), default=0.0)
        self.scope = widest_scope(parts)
        self.extensive = all(p.extensive for p in parts)
        self.differentiable = all(p.differentiable for p in parts)

    @property
    def receptive_field(self) -> float:
        """The longest receptive field of the parts, Å."""
        return max((p.receptive_field for p in self.parts), default=0.0)

    def terms(self) -> Iterator[Potential]:
        """The parts, sums among them taken apart."""
        for part in self.parts:
            yield from part.terms()

    def setup(self, train: Dataset) -> None:
        """Set up every part in order."""
        super().setup(train)
        for part in self.parts:
            part.setup(train)

    def widen(self, train: Dataset) -> None:
        """Widen every part."""
        for part in self.parts:
            part.widen(train)

    def forward(self, graph: Graph) -> Terms:
        """Add the terms of the parts; atomic energies only where every part has them."""
        terms = [part(graph.within(part.cutoff)) for part in self.parts]
        atomic = everywhere(t.atomic_energies for t in terms)
        return Terms(
            energy=sum((t.energy for t in terms), start=graph.positions.new_zeros(graph.n_structures)),
            atomic_energies=None if atomic is None else sum(atomic, start=graph.positions.new_zeros(graph.n_atoms)),
            charges=next((t.charges for t in terms if t.charges is not None), None),
            dipole=added(t.dipole for t in terms if t.dipole is not None),
            penalty=added(t.penalty for t in terms if t.penalty is not None),
        )

    @classmethod
    def example(cls) -> "Sum":
        """An empty sum: energy zero."""
        return cls([])
