"""ACSF: atom-centered symmetry functions, which say how many neighbors stand where, and at which angles.

    radial    G_i = Σ_j e^(-η (r_ij - r_s)²) f(r_ij)
    narrow    G_i = 2^(1-ζ) Σ_{j<k} (1 + λ cos θ_ijk)^ζ e^(-η Σ (r - r_s)²) f(r_ij) f(r_ik) f(r_jk), Σ over sides
    wide      G_i = the same without the factors of jk

one function for each element (radial) or unordered pair of elements (narrow, wide) among the neighbors; or of compact
support, or weighted by atomic numbers: math/symmetry_functions.py. What sets of them there are: math/symmetry_sets.py.
J. Behler, M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007); J. Behler, J. Chem. Phys. 134, 074106 (2011).
The numbers are computed in math/symmetry_blocks.py; here they are put together for the elements.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.atomic_network import SymmetryFunctions
from cambrian.contracts.catalogue import nearest
from cambrian.contracts.compiled import CompiledPart
from cambrian.contracts.descriptor import Descriptor
from cambrian.contracts.symmetry_route import SymmetryRoute, compiled_functions
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.graph.stars import Chunk, chunks
from cambrian.math.envelopes import CosineEnvelope, Envelope
from cambrian.math.symmetry_functions import AnyFunction, CompactFunction, Kind, SymmetryFunction
from cambrian.math.symmetry_grids import ImbalzanoCentered, ImbalzanoShifted, Points, ShiftedIntervals
from cambrian.math.symmetry_plan import Part, parts_of
from cambrian.math.symmetry_sets import CompactNarrow, FunctionSet, Narrow, Radial, Weighted, Wide
from cambrian.math.symmetry_words import words

ANGULAR_OF_GAUSSIAN = ("zeta", "lambda")
ANGULAR_OF_COMPACT = ("angle_low", "angle_high")


class Listed(FunctionSet):
    """Functions one by one for each central element, as the files of other programs have them.

    table: {element: [row, ...]}, each row a dictionary with `kind` (radial, narrow, wide) and `neighbors`: `O` or
    `O-H`, or absent for all neighbors weighted by their atomic numbers. Gaussian rows go on with eta (1/Å²), shift (Å),
    cutoff (Å; the descriptor's where absent), and zeta and lambda where angular; compact rows, known by their `core`
    (p1 to p4, or e), with lower and cutoff (Å), angle_low and angle_high (degrees) where angular, and asymmetric.
    Elements that are absent have none. Raises UserError, with element and row, for a row that is none of these.
    """

    def __init__(self, table: dict[str, list[dict]]):
        for element, rows in table.items():
            number(element)
            for k, row in enumerate(rows, start=1):
                try:
                    _refuse_bad_row(row)
                except UserError as error:
                    raise error.at(f"function {k} of {element}") from None
        self.table = table

    def functions(self, center: int, elements: list[int], cutoff: float) -> Iterator[AnyFunction]:
        """As listed; functions of elements that the data do not hold are left out."""
        for row in self.table.get(symbol(center), []):
            numbers = [number(s) for s in row["neighbors"].split("-")] if row.get("neighbors") else []
            if all(z in elements for z in numbers):
                yield _listed(row, tuple(sorted(elements.index(z) for z in numbers)), cutoff)


def _refuse_bad_row(row: dict) -> None:
    """Raise UserError for a kind, neighbors, names or numbers that make no function."""
    kind = row.get("kind")
    if kind not in (kinds := get_args(Kind)):
        raise UserError(f"kind is one of {', '.join(kinds)}, not {kind!r}{nearest(str(kind).lower(), kinds)}")
    neighbors = str(row.get("neighbors") or "")
    wanted = 1 if kind == "radial" else 2
    if neighbors and len([number(s) for s in neighbors.split("-")]) != wanted:
        like = "one neighbor, such as O" if wanted == 1 else "two neighbors, such as O-H"
        raise UserError(f"a {kind} function has {like}, not {neighbors}; without neighbors it is weighted")
    compact, angular = "core" in row, kind != "radial"
    needed = ["lower"] if compact else ["eta", *(ANGULAR_OF_GAUSSIAN if angular else ())]
    more = (ANGULAR_OF_COMPACT if angular else ()) if compact else ("shift",)
    known = [*needed, *more, "cutoff"]
    every = ["kind", "neighbors", *known, *(("core", "asymmetric") if compact else ())]
    form = f"{'compact' if compact else 'Gaussian'} {kind} function"
    for name in row:
        if name not in every:
            raise UserError(f"a {form} has no '{name}'{nearest(name, every)}; it has {', '.join(every)}")
    for name in needed:
        if name not in row:
            raise UserError(f"'{name}' is missing; a {form} needs {', '.join(needed)}")
    for name in known:
        try:
            float(row.get(name, 0.0))
        except (TypeError, ValueError):
            raise UserError(f"'{name}' must be a number, not {row[name]!r}") from None


def _listed(row: dict, neighbors: tuple[int, ...], cutoff: float) -> AnyFunction:
    if "core" in row:
        return CompactFunction(
            kind=row["kind"],
            neighbors=neighbors,
            core=row["core"],
            lower=float(row["lower"]),
            cutoff=float(row.get("cutoff", cutoff)),
            angle_low=float(row.get("angle_low", 0.0)),
            angle_high=float(row.get("angle_high", 180.0)),
            asymmetric=bool(row.get("asymmetric", False)),
        )
    return SymmetryFunction(
        kind=row["kind"],
        neighbors=neighbors,
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
        self._kernels: dict[tuple, SymmetryRoute | None] = {}

    def setup(self, train: Dataset) -> None:
        """Take the elements of the training set."""
        self.elements = torch.tensor(train.numbers, dtype=torch.int64)

    def functions_of(self, atomic_number: int) -> list[AnyFunction]:
        """The functions of a central element in the order of the columns."""
        elements = self.elements.tolist()
        functions = [f for s in self.functions for f in s.functions(int(atomic_number), elements, self.cutoff)]
        for f in functions:
            if f.cutoff > self.cutoff + 1e-12:
                raise UserError(f"a symmetry function has the cutoff {f.cutoff} Å, beyond the {self.cutoff} Å of ACSF")
        return functions

    def name_of(self, atomic_number: int, feature: int) -> str:
        """Kind, neighbors and parameters of a function: `wide Si-Si, η 0.05 1/Å², ζ 4, λ -1`."""
        function = self.functions_of(atomic_number)[feature]
        reach = "" if function.cutoff == self.cutoff else f", cutoff {function.cutoff:g} Å"
        return words(function, symbols(self.elements.tolist())) + reach

    def symmetry_functions(self) -> SymmetryFunctions:
        """The functions of every element with the envelope, for other programs."""
        return SymmetryFunctions({z: self.functions_of(z) for z in self.elements.tolist()}, self.envelope)

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
        for part, chunk in self._work(graph, species):
            values = part.block.features(chunk.stars)
            rows = chunk.atoms[:, None].expand(-1, len(part.target))
            found = found.index_put((rows, part.target.expand_as(rows)), values[:, part.source])
        return found

    def jacobian(self, graph: Graph) -> tuple[Float[Tensor, "atoms features"], Float[Tensor, "edges 3 features"]]:
        """Features, and the analytic derivative of each edge's center features with respect to r_ij of that edge."""
        species = self._species(graph)
        derivative = graph.r_ij.new_zeros(graph.n_edges, 3, self.n_features)
        with torch.no_grad():
            for part, chunk in self._work(graph, species):
                values = part.block.jacobian(chunk.stars)[chunk.row, chunk.slot]
                derivative[chunk.edges[:, None], :, part.target] = values[:, :, part.source].mT
            return self.features(graph), derivative

    def kernel(self) -> SymmetryRoute | None:
        """The fused loops, where they are compiled and know all of these functions and the envelope."""
        known = (self.elements.device.type, *self.elements.tolist())
        if known not in self._kernels:
            functions = [self.functions_of(z) for z in self.elements.tolist()]
            self._kernels = {known: SymmetryRoute.of(functions, self.elements, self.envelope)}
        return self._kernels[known]

    def compiled(self, numbers: list[int]) -> CompiledPart | None:
        """The functions of each element; None where the loops do not know one of them, or the envelope."""
        return compiled_functions([self.functions_of(z) for z in numbers], numbers, self.envelope)

    def _work(self, graph: Graph, species: Int[Tensor, "atoms"]) -> Iterator[tuple[Part, Chunk]]:
        """Every block with the neighborhoods it is for, some at a time."""
        by_element = torch.nn.functional.one_hot(species, len(self.elements)).to(graph.r_ij)
        weights = graph.numbers[:, None].to(graph.r_ij)
        for plan in self._all_plans():
            centers = torch.isin(species, plan.centers)
            for part in plan.parts:
                membership = weights if part.family.weighted else by_element
                for chunk in chunks(graph, membership, centers, part.family.cutoff):
                    yield part, chunk

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
            centers: dict[tuple[AnyFunction, ...], list[int]] = {}
            for s, z in enumerate(elements):
                centers.setdefault(tuple(self.functions_of(z)), []).append(s)
            plans = [
                _Plan(torch.tensor(members), parts_of(list(fs), self.envelope, len(elements)), len(fs))
                for fs, members in centers.items()
            ]
            self._plans = {elements: plans}
        return self._plans[elements]

    @classmethod
    def example(cls) -> "ACSF":
        """All three kinds, weighted ones and compact ones, for hydrogen, carbon and oxygen."""
        angular = Points([[0.05, 0.0], [0.4, 1.0]])
        sets = [
            Radial(ImbalzanoShifted(3)),
            Narrow(angular, zetas=(1, 4), cutoff=3.0),
            Wide(angular, zetas=(1, 3)),
            Weighted(Wide(Points([[0.1, 0.0]]), zetas=(2,))),
            CompactNarrow(ShiftedIntervals(2), n_angles=3),
        ]
        descriptor = cls(cutoff=4.0, functions=sets)
        descriptor.elements = torch.tensor([1, 6, 8])
        return descriptor


@dataclass(frozen=True)
class _Plan:
    """How the functions of some central elements (species indices), all with the same list, are computed."""

    centers: Tensor
    parts: list[Part]
    n_features: int
