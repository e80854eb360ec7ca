"""What potentials between pairs of atoms share: E = ½ Σ_i Σ_j V_st(r_ij), one curve V_st per pair of elements s, t.

Parameters are positive and are kept as logarithms (`log_<name>`, one per pair of elements), so that a solver may move
them freely. Each is given in the constructor (one number for all pairs, or a mapping such as {"Si-O": 1.6, "O": 2.6}),
or guessed in `setup` from the distances in the data. A concrete class has the curve, the guess, and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import combinations_with_replacement

import numpy as np
import torch
from ase.data import covalent_radii
from jaxtyping import Float, Int
from torch import Tensor, nn

from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.elements import number_pair, symbol
from cambrian.errors import UserError
from cambrian.graph import Graph, sum_over_neighbors
from cambrian.math.truncation import Truncation

Given = float | dict[str, float] | None  # one number for all pairs, numbers by pair of elements, or to be guessed
Parameters = dict[str, Float[Tensor, "rows"]]
MOST_STRUCTURES = 100  # that `setup` measures distances in


class PairPotential(Potential, ABC):
    """A sum over pairs up to `cutoff` (Å), brought to its end by `truncation`.

    Concrete classes pass what the user gave for each parameter, and `elements` (atomic numbers) where something else
    names them. A strength may be zero: no solver changes it then, since its logarithm is infinite.
    """

    def __init__(self, *, cutoff: float, truncation: Truncation, elements: Iterable[int] = (), **given: Given):
        super().__init__()
        self.cutoff, self.truncation = cutoff, truncation
        self.given = {name: _checked(name, value) for name, value in given.items()}
        tables = [value for value in self.given.values() if isinstance(value, dict)]
        self.mentioned = {*elements, *(z for table in tables for pair in table for z in pair)}
        self.elements = torch.tensor(sorted(self.mentioned), dtype=torch.int64)
        for name in self.given:
            self.register_parameter(f"log_{name}", nn.Parameter(self._start(name).log()))

    @abstractmethod
    def pair_energy(self, distance: Float[Tensor, "points"], parameters: Parameters) -> Float[Tensor, "points"]:
        """V(r) in eV of an unordered pair; each parameter has one value per point."""

    @abstractmethod
    def guess(self, spacing: Float[Tensor, "rows"]) -> Parameters:
        """First values of all parameters from the usual distance of nearest neighbors (Å) of each row."""

    def rows(self) -> list[tuple[int, int]]:
        """The pairs of atomic numbers that have parameters of their own, in the order of the parameters."""
        return list(combinations_with_replacement(self.elements.tolist(), 2))

    def table(self) -> Parameters:
        """Present parameters, one value per pair of elements."""
        return {name: getattr(self, f"log_{name}").exp() for name in self.given}

    def setup(self, train: Dataset) -> None:
        """Take parameters from the constructor; guess the others from the distances in the data."""
        super().setup(train)
        self.elements = torch.tensor(sorted({*train.numbers, *self.mentioned}), dtype=torch.int64)
        guessed = self.guess(self._spacing(train))
        for name in self.given:
            start = self._start(name)
            start = torch.where(start.isnan(), guessed[name], start)
            setattr(self, f"log_{name}", nn.Parameter(start.log()))

    def forward(self, graph: Graph) -> Terms:
        """Half of each pair's energy to each of its atoms.

        Raises UserError while a parameter is neither given nor fitted.
        """
        table = self.table()
        self._refuse_unknown(table)
        distance = graph.r_ij.norm(dim=-1)
        n_rows = len(next(iter(table.values())))

        def curves(r: Tensor, row: Tensor) -> Tensor:
            return self.pair_energy(r, {name: values[row] for name, values in table.items()})

        energy = self.truncation(curves, distance, self.pair_of_edges(graph), n_rows, self.cutoff)
        return Terms.of_atoms(sum_over_neighbors(0.5 * energy, graph), graph)

    def pair_of_edges(self, graph: Graph) -> Int[Tensor, "edges"]:
        """Index of each edge's pair of elements in the table; 0 where no elements are known and one row serves all."""
        n = len(self.elements)
        if n == 0:
            return torch.zeros_like(graph.center)
        species = torch.searchsorted(self.elements, graph.numbers)
        i, j = species[graph.center], species[graph.neighbor]
        low, high = torch.minimum(i, j), torch.maximum(i, j)
        return low * n - low * (low - 1) // 2 + high - low

    def by_name(self) -> dict[tuple[str, str], dict[str, float]]:
        """Present parameters by pair of element symbols."""
        table = {name: values.tolist() for name, values in self.table().items()}
        pairs = combinations_with_replacement(self.elements.tolist(), 2)
        return {(symbol(a), symbol(b)): {name: v[k] for name, v in table.items()} for k, (a, b) in enumerate(pairs)}

    def _start(self, name: str) -> Float[Tensor, "rows"]:
        """What the user gave, NaN where nothing; a single row while no elements are known."""
        value, pairs = self.given[name], self.rows()
        if isinstance(value, dict):
            found = [value.get(pair, np.nan) for pair in pairs]
            strange = [pair for pair in value if pair not in pairs]
            if strange:
                names = "-".join(symbol(z) for z in strange[0])
                raise UserError(f"{name} of {names} follows from the mixing rule; leave it out, or mix nothing")
        else:
            found = [np.nan if value is None else value] * max(len(pairs), 1)
        return torch.tensor(found, dtype=torch.float64)

    def _refuse_unknown(self, table: Parameters) -> None:
        for name, values in table.items():
            if bool(values.isnan().any()):
                pairs = ["-".join(p) for p, v in self.by_name().items() if np.isnan(v[name])] or ["every pair"]
                raise UserError(f"{type(self).__name__}: {name} of {', '.join(pairs)} is not known; give it, or fit it")

    def _spacing(self, train: Dataset) -> Float[Tensor, "rows"]:
        """Median over atoms of the distance to the nearest neighbor of each pair; from covalent radii where none is."""
        found: dict[tuple[int, int], list[np.ndarray]] = {pair: [] for pair in self.rows()}
        for graph in train[:: max(1, len(train) // MOST_STRUCTURES)].graphs(self.cutoff):
            distance = graph.r_ij.norm(dim=-1)
            for (a, b), values in found.items():
                chosen = (graph.numbers[graph.center] == a) & (graph.numbers[graph.neighbor] == b)
                nearest = distance.new_full((graph.n_atoms,), torch.inf)
                nearest = nearest.scatter_reduce(0, graph.center[chosen], distance[chosen], "amin")
                values.append(nearest[nearest.isfinite()].numpy())
        joined = {pair: np.concatenate([*values, []]) for pair, values in found.items()}
        spacing = [np.median(v) if len(v) else covalent_radii[list(pair)].sum() for pair, v in joined.items()]
        return torch.tensor(spacing, dtype=torch.float64)


def _checked(name: str, value: Given) -> float | dict[tuple[int, int], float] | None:
    """The user's value with pairs as atomic numbers; raises UserError where it is negative or no pair of elements."""
    numbers = value.values() if isinstance(value, dict) else [] if value is None else [value]
    for v in numbers:
        if not (np.isfinite(v) and v >= 0):
            raise UserError(f"{name} must not be negative, and it is {v}")
    return {number_pair(pair): v for pair, v in value.items()} if isinstance(value, dict) else value
