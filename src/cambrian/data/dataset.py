"""A dataset is a sequence of labelled structures; slices and splits are datasets again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import overload

import numpy as np

from cambrian.data.labels import Labels
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.graph import Graph, graph_of_all


class Dataset:
    """Labelled structures in order."""

    def __init__(self, structures: Iterable[Structure], *, notes: Iterable[str] = ()):
        self.structures: tuple[Structure, ...] = tuple(structures)
        self.notes: tuple[str, ...] = tuple(notes)  # what reading chose or left out, for the user

    def __len__(self) -> int:
        return len(self.structures)

    def __iter__(self) -> Iterator[Structure]:
        return iter(self.structures)

    @overload
    def __getitem__(self, index: int | np.integer) -> Structure: ...

    @overload
    def __getitem__(self, index: slice | Iterable[int]) -> "Dataset": ...

    def __getitem__(self, index) -> "Structure | Dataset":
        """One structure for an integer; a dataset for a slice or a sequence of indices."""
        if isinstance(index, (int, np.integer)):
            return self.structures[index]
        if isinstance(index, slice):
            return Dataset(self.structures[index])
        return Dataset(self.structures[k] for k in index)

    def __add__(self, other: "Dataset") -> "Dataset":
        return Dataset(self.structures + other.structures, notes=self.notes + other.notes)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} structures, {self.n_atoms} atoms)"

    @property
    def n_atoms(self) -> int:
        """Atoms in all structures together."""
        return sum(len(s) for s in self)

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements that occur, ascending."""
        return tuple(sorted({int(z) for s in self for z in np.unique(s.atoms.numbers)}))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that occur, in order of first appearance."""
        return tuple(dict.fromkeys(s.group for s in self))

    def map(self, change: Callable[[Structure], Structure]) -> "Dataset":
        """A dataset of the changed structures."""
        return Dataset(change(s) for s in self)

    def with_group_weights(self, weights: dict[str, dict[str, float]]) -> "Dataset":
        """Multiply weights by group: {group: {energy, force, stress}}.

        Raises UserError for a group that does not occur.
        """
        for name in weights:
            if name not in self.groups:
                raise UserError(f"no structure belongs to group '{name}'; the groups are {', '.join(self.groups)}")

        def weighted(s: Structure) -> Structure:
            factor = weights.get(s.group, {})
            return replace(
                s, weights={k: s.weights.get(k, 1.0) * factor.get(k, 1.0) for k in ("energy", "force", "stress")}
            )

        return self.map(weighted)

    def split(self, fraction: float, *, by: str = "structure", seed: int = 0) -> tuple["Dataset", "Dataset"]:
        """Split into two parts, the first holding about `fraction` of the structures.

        by: `structure` draws single structures at random; `group` keeps each group whole; `block` takes the tail of
        each group, in file order, as the second part, so that neighbors along a trajectory do not leak across.
        """
        if not 0 < fraction < 1:
            raise UserError(f"a split needs a fraction between 0 and 1, not {fraction}")
        splitters = {"structure": self._random_order, "group": self._group_order, "block": self._block_order}
        if by not in splitters:
            raise UserError(f"a split goes by {', '.join(splitters)}; not by '{by}'")
        order, sizes = splitters[by](np.random.default_rng(seed), fraction)
        first, second = sorted(order[:sizes]), sorted(order[sizes:])
        if by == "block" and not (first and second):
            raise UserError(
                f"the groups are too small to split {fraction} of each; split by group or structure instead"
            )
        return self[first], self[second]

    def _random_order(self, rng: np.random.Generator, fraction: float) -> tuple[list[int], int]:
        order = rng.permutation(len(self)).tolist()
        return order, min(max(round(fraction * len(self)), 1), len(self) - 1) if len(self) > 1 else len(self)

    def _group_order(self, rng: np.random.Generator, fraction: float) -> tuple[list[int], int]:
        names = list(self.groups)
        if len(names) < 2:
            raise UserError(
                "a split by group needs at least two groups (config_type); split by structure or block instead"
            )
        order, size = [], 0
        for rank in rng.permutation(len(names)):
            order += [k for k, s in enumerate(self) if s.group == names[rank]]
            # the boundary nearest to the wanted fraction, with both parts non-empty
            if abs(len(order) - fraction * len(self)) < abs(size - fraction * len(self)) and len(order) < len(self):
                size = len(order)
        return order, size

    def _block_order(self, rng: np.random.Generator, fraction: float) -> tuple[list[int], int]:
        heads, tails = [], []
        for name in self.groups:
            members = [k for k, s in enumerate(self) if s.group == name]
            size = round(fraction * len(members))
            heads += members[:size]
            tails += members[size:]
        return heads + tails, len(heads)

    def folds(self, k: int, *, by: str = "structure", seed: int = 0) -> list[tuple["Dataset", "Dataset"]]:
        """Pairs (train, held out) of a k-fold cross-validation, held out by `structure` or by whole `group`."""
        if by not in ("structure", "group"):
            raise UserError(f"folds go by structure or group; not by '{by}'")
        units = [[n] for n in range(len(self))] if by == "structure" else self._members_of_groups()
        if not 2 <= k <= len(units):
            raise UserError(f"folds need a number between 2 and {len(units)} (of {by}s), not {k}")
        parts: list[list[int]] = [[] for _ in range(k)]
        for unit in np.random.default_rng(seed).permutation(len(units)):
            min(parts, key=len).extend(units[unit])
        everything = set(range(len(self)))
        return [(self[sorted(everything - set(part))], self[sorted(part)]) for part in parts]

    def _members_of_groups(self) -> list[list[int]]:
        members: dict[str, list[int]] = {}
        for k, s in enumerate(self):
            members.setdefault(s.group, []).append(k)
        return list(members.values())

    def graphs(self, cutoff: float) -> Iterator[Graph]:
        """Graph of each structure; a geometry that cannot be used is reported with file and frame."""
        for s in self:
            yield joint_graph([s], cutoff)

    def batches(self, cutoff: float, *, n_atoms: int = 512) -> Iterator[tuple[Graph, Labels]]:
        """Batches in order, each of about `n_atoms` atoms and at least one structure."""
        members: list[Structure] = []
        for s in self:
            members.append(s)
            if sum(len(m) for m in members) >= n_atoms:
                yield joint_graph(members, cutoff), Labels.of(members)
                members = []
        if members:
            yield joint_graph(members, cutoff), Labels.of(members)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over geometries and labels: the same data give the same hash, whatever file they came from."""
        digest = hashlib.sha256()
        for s in self:
            for value in (s.atoms.numbers, s.atoms.positions, s.atoms.cell.array, s.atoms.pbc, s.forces, s.stress):
                digest.update(b"-" if value is None else np.ascontiguousarray(value).tobytes())
            digest.update(np.float64(s.energy).tobytes() + np.float64(s.total_charge).tobytes())
        return digest.hexdigest()


def joint_graph(structures: Sequence[Structure], cutoff: float) -> Graph:
    """One graph of some structures; a geometry that cannot be used is reported with file and frame."""
    charges, spins = [s.total_charge for s in structures], [s.spin for s in structures]
    try:
        return graph_of_all([s.atoms for s in structures], cutoff, total_charge=charges, spin=spins)
    except UserError as error:
        if len(structures) == 1:
            raise error.at(structures[0].where) from None
        for s in structures:
            joint_graph([s], cutoff)
        raise
