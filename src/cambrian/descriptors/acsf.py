"""ACSF: atom-centered symmetry functions, which say how many neighbors stand where, and at which angles.

    radial    G_i = Σ_j e^(-η (r_ij - r_s)²) f(r_ij)
    narrow    G_i = 2^(1-ζ) Σ_{j<k} (1 + λ cos θ_ijk)^ζ e^(-η Σ (r - r_s)²) f(r_ij) f(r_ik) f(r_jk), Σ over sides
    wide      G_i = the same without the factors of jk

one function for each element (radial) or unordered pair of elements (narrow, wide) among the neighbors.
J. Behler, M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007); J. Behler, J. Chem. Phys. 134, 074106 (2011).
The numbers are computed in math/symmetry_functions.py; here they are put together for the elements.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.contracts.descriptor import Descriptor
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.envelopes import CosineEnvelope, Envelope
from cambrian.math.symmetry_functions import (
    Block,
    Kind,
    NarrowBlock,
    RadialBlock,
    Stars,
    SymmetryFunction,
    WideBlock,
    WideTripletBlock,
)
from cambrian.math.symmetry_grids import Grid, ImbalzanoCentered, ImbalzanoShifted, Points

SLOTS_AT_ONCE = 4096  # neighbors worked on together: bounds memory, and stays in cache


class FunctionSet(Configurable, ABC):
    """Some symmetry functions, decided for every central element once the elements are known."""

    rooms = ("descriptors",)

    @abstractmethod
    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[SymmetryFunction]:
        """Functions of a central element (atomic number); their neighbors are indices into `elements`."""


class Radial(FunctionSet):
    """Radial functions on a grid, for every element of neighbor; `cutoff` is the descriptor's where not given."""

    def __init__(self, grid: Grid, cutoff: float | None = None):
        self.grid, self.cutoff = grid, cutoff

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[SymmetryFunction]:
        """By element, then by point of the grid."""
        reach = self.cutoff or cutoff
        for s, (eta, shift) in product(range(len(elements)), self.grid.points(reach)):
            yield SymmetryFunction("radial", (s,), eta, shift, reach)


class Angular(FunctionSet, ABC):
    """Angular functions on a grid, for every pair of elements, every ζ in `zetas` and every λ in `signs`."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Which of the angular forms it is: narrow or wide."""

    def __init__(
        self,
        grid: Grid,
        zetas: tuple[float, ...] = (1, 2, 4, 16),
        signs: tuple[float, ...] = (-1, 1),
        cutoff: float | None = None,
    ):
        if min(zetas) < 1:
            raise ValueError(
                f"zetas must be 1 or more, not {min(zetas)}: below, forces diverge where three atoms align"
            )
        self.grid, self.zetas, self.signs, self.cutoff = grid, zetas, signs, cutoff

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[SymmetryFunction]:
        """By pair of elements, point of the grid, ζ, then λ."""
        reach = self.cutoff or cutoff
        pairs = combinations_with_replacement(range(len(elements)), 2)
        for pair, (eta, shift), zeta, sign in product(pairs, self.grid.points(reach), self.zetas, self.signs):
            yield SymmetryFunction(self.kind, pair, eta, shift, reach, zeta, sign)


class Narrow(Angular):
    """Narrow angular functions: all three sides of a triangle fade with distance (n2p2 type 3)."""

    @property
    def kind(self) -> Kind:
        """With the window of the third side."""
        return "narrow"


class Wide(Angular):
    """Wide angular functions: only the two sides at the center fade (n2p2 type 9); whole ζ cost no triplets."""

    @property
    def kind(self) -> Kind:
        """Without the window of the third side."""
        return "wide"


class Listed(FunctionSet):
    """Functions one by one for each central element, as the files of other programs have them.

    table: {element: [{kind, neighbors, eta, shift, cutoff, zeta, lambda}, ...]}; `neighbors` is `O` or `O-H`, eta in
    1/Å², shift and cutoff in Å; zeta and lambda only where angular. Elements that are absent have none.
    """

    def __init__(self, table: dict[str, list[dict]]):
        self.table = table

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[SymmetryFunction]:
        """As listed; functions of elements that the data do not hold are left out."""
        for row in self.table.get(symbol(center), []):
            numbers = [number(s) for s in row["neighbors"].split("-")]
            if all(z in elements for z in numbers):
                yield SymmetryFunction(
                    kind=row["kind"],
                    neighbors=tuple(sorted(elements.index(z) for z in numbers)),
                    eta=float(row["eta"]),
                    shift=float(row.get("shift", 0.0)),
                    cutoff=float(row.get("cutoff", cutoff)),
                    zeta=float(row.get("zeta", 0.0)),
                    lam=float(row.get("lambda", 0.0)),
                )


STANDARD = (Radial(ImbalzanoCentered(6)), Radial(ImbalzanoShifted(6)), Wide(ImbalzanoCentered(3)))


class ACSF(Descriptor):
    """Symmetry functions up to `cutoff` (Å) with an `envelope`; the elements come from `setup`.

    Columns follow `functions`, set by set, each as its class says. An element with fewer functions than another has
    zeros in the last columns.
    """

    def __init__(
        self,
        *,
        cutoff: float = 6.0,
        functions: list[FunctionSet] | tuple[FunctionSet, ...] = STANDARD,
        envelope: Envelope = CosineEnvelope(),  # noqa: B008 - immutable
    ):
        super().__init__()
        self.cutoff, self.functions, self.envelope = cutoff, tuple(functions), envelope
        self.register_buffer("elements", torch.zeros(0, dtype=torch.int64))
        self._plans: dict[tuple[int, ...], list[_Plan]] = {}

    def setup(self, train: Dataset) -> None:
        """Take the elements of the training set."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    def functions_of(self, atomic_number: int) -> list[SymmetryFunction]:
        """The functions of a central element in the order of the columns."""
        elements = self.elements.tolist()
        functions = [f for s in self.functions for f in s.functions(int(atomic_number), elements, self.cutoff)]
        for f in functions:
            if f.cutoff > self.cutoff + 1e-12:
                raise UserError(f"a symmetry function has the cutoff {f.cutoff} Å, beyond the {self.cutoff} Å of ACSF")
        return functions

    def n_features_of(self, atomic_number: int) -> int:
        """Number of functions of a central element."""
        return len(self.functions_of(atomic_number))

    @property
    def n_features(self) -> int:
        """Number of columns: the most functions that any element has."""
        return max((plan.n_features for plan in self._all_plans()), default=0)

    def features(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        """Values of all functions of every atom; raises UserError for an element that was not in `setup`."""
        species = self._species(graph)
        found = graph.r_ij.new_zeros(graph.n_atoms, self.n_features)
        for plan in self._all_plans():
            members = torch.isin(species, plan.centers)
            for part in plan.parts:
                for chunk in _chunks(graph, species, members, part.block.cutoff, len(self.elements)):
                    values = part.block.features(chunk.stars)
                    rows = chunk.atoms[:, None].expand(-1, len(part.target))
                    found = found.index_put((rows, part.target.expand_as(rows)), values[:, part.source])
        return found

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and the analytic derivative of each edge's center features with respect to r_ij of that edge."""
        species = self._species(graph)
        derivative = graph.r_ij.new_zeros(graph.n_edges, 3, self.n_features)
        with torch.no_grad():
            for plan in self._all_plans():
                members = torch.isin(species, plan.centers)
                for part in plan.parts:
                    for chunk in _chunks(graph, species, members, part.block.cutoff, len(self.elements)):
                        values = part.block.jacobian(chunk.stars)[chunk.row, chunk.slot]
                        derivative[chunk.edges[:, None], :, part.target] = values[:, :, part.source].mT
            return self.features(graph), derivative

    def _species(self, graph: Graph) -> Int[Tensor, "atoms"]:
        known = torch.isin(graph.numbers, self.elements)
        if not bool(known.all()):
            strange = symbol(int(graph.numbers[~known][0]))
            raise UserError(
                f"these symmetry functions know {', '.join(symbols(self.elements)) or 'no element'}, not {strange}"
            )
        return torch.searchsorted(self.elements, graph.numbers)

    def _all_plans(self) -> "list[_Plan]":
        """One plan for each different list of functions; decided by the elements, which the archive restores."""
        elements = tuple(self.elements.tolist())
        if elements not in self._plans:
            centers: dict[tuple[SymmetryFunction, ...], list[int]] = {}
            for s, z in enumerate(elements):
                centers.setdefault(tuple(self.functions_of(z)), []).append(s)
            plans = [
                _Plan.of(functions, members, self.envelope, len(elements)) for functions, members in centers.items()
            ]
            self._plans = {elements: plans}
        return self._plans[elements]

    @classmethod
    def example(cls) -> "ACSF":
        """All three kinds for hydrogen, carbon and oxygen."""
        angular = Points([[0.05, 0.0], [0.4, 1.0]])
        sets = [Radial(ImbalzanoShifted(3)), Narrow(angular, zetas=(1, 4), cutoff=3.0), Wide(angular, zetas=(1, 3))]
        descriptor = cls(cutoff=4.0, functions=sets)
        descriptor.elements = torch.tensor([1, 6, 8])
        return descriptor


@dataclass(frozen=True)
class _Part:
    """A block, and which of its columns go where among the features."""

    block: Block
    source: Tensor
    target: Tensor


@dataclass(frozen=True)
class _Plan:
    """How the functions of some central elements (species indices), all with the same list, are computed."""

    centers: Tensor
    parts: list[_Part]
    n_features: int

    @classmethod
    def of(
        cls, functions: tuple[SymmetryFunction, ...], centers: list[int], envelope: Envelope, n_species: int
    ) -> "_Plan":
        """Group functions so that exponentials and moments are shared: by kind and cutoff, then by combinations."""
        combinations: dict[tuple, list] = {}
        for f in functions:
            combinations.setdefault((_block_class(f), f.cutoff, (f.eta, f.shift)), []).append((f.zeta, f.lam))
        channels: dict[tuple, list] = {}
        for (kind, cutoff, channel), pairs in combinations.items():
            channels.setdefault((kind, cutoff, tuple(sorted(set(pairs)))), []).append(channel)
        parts = []
        for (kind, cutoff, pairs), members in channels.items():
            block = kind(members, list(pairs), cutoff, envelope)
            columns = list(product(block.neighbors(n_species), members, pairs))
            place = {(kind, cutoff, *column): k for k, column in enumerate(columns)}
            keys = [(_block_class(f), f.cutoff, f.neighbors, (f.eta, f.shift), (f.zeta, f.lam)) for f in functions]
            found = [(place[key], target) for target, key in enumerate(keys) if key in place]
            source, target = torch.tensor(found, dtype=torch.int64).T
            parts.append(_Part(block, source, target))
        return cls(torch.tensor(centers), parts, len(functions))


@dataclass(frozen=True)
class _Chunk:
    """Some stars, and where they come from: their atoms, and for each edge its row and slot among the stars."""

    stars: Stars
    atoms: Tensor
    edges: Tensor
    row: Tensor
    slot: Tensor


def _block_class(f: SymmetryFunction) -> type[Block]:
    is_whole = f.zeta == int(f.zeta)
    return {"radial": RadialBlock, "narrow": NarrowBlock, "wide": WideBlock if is_whole else WideTripletBlock}[f.kind]


def _chunks(graph: Graph, species: Tensor, members: Tensor, cutoff: float, n_species: int) -> Iterator[_Chunk]:
    """The neighborhoods of the atoms in `members`, some at a time, each set padded to its own most neighbors."""
    near = (graph.r_ij.detach() ** 2).sum(dim=-1) < cutoff**2
    edges = torch.nonzero(near & members[graph.center])[:, 0]
    counts = torch.bincount(graph.center[edges], minlength=graph.n_atoms)
    atoms = torch.nonzero(counts)[:, 0]  # without neighbors every function is zero
    counts = counts[atoms]
    first = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    for start, stop in _spans(counts.tolist()):
        chosen = edges[first[start] : first[stop]]
        row = torch.repeat_interleave(torch.arange(stop - start, device=edges.device), counts[start:stop])
        slot = torch.arange(len(chosen), device=edges.device) - (first[start:stop] - first[start])[row]
        shape = (stop - start, int(counts[start:stop].max()))
        outside = graph.r_ij.new_tensor([2 * cutoff, 0.0, 0.0]).expand(*shape, 3)
        vectors = outside.index_put((row, slot), graph.r_ij[chosen])
        kinds = torch.nn.functional.one_hot(species[graph.neighbor[chosen]], n_species).to(vectors)
        one_hot = vectors.new_zeros(*shape, n_species).index_put((row, slot), kinds)
        yield _Chunk(Stars(vectors, one_hot), atoms[start:stop], chosen, row, slot)


def _spans(counts: list[int]) -> Iterator[tuple[int, int]]:
    """Ranges of stars that together have about SLOTS_AT_ONCE slots, padding included."""
    start, most = 0, 0
    for k, count in enumerate(counts):
        most = max(most, count)
        if k > start and most * (k + 1 - start) > SLOTS_AT_ONCE:
            yield start, k
            start, most = k, count
    if counts:
        yield start, len(counts)
