"""What there is to choose from: structures that are known already stand before the candidates."""

from collections.abc import Iterable
from dataclasses import dataclass

from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure


@dataclass(frozen=True)
class Pool:
    """Known structures, then the candidates that are none of them; `places` are those candidates' own indices."""

    data: Dataset
    n_known: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, candidates: Dataset, known: Dataset | None) -> "Pool":
        """Leave out candidates whose atoms, positions and cell are those of a known structure to the last digit."""
        there = {_geometry(s) for s in known or ()}
        places = tuple(k for k, s in enumerate(candidates) if _geometry(s) not in there)
        return cls(Dataset([*(known or ()), *(candidates[k] for k in places)]), len(known or ()), places)

    @property
    def candidates(self) -> Dataset:
        """Those that may be chosen."""
        return self.data[self.n_known :]

    def indices(self, chosen: Iterable[int]) -> list[int]:
        """Indices among all candidates of those chosen here, counted after the known ones."""
        return [self.places[k] for k in chosen]


def _geometry(s: Structure) -> tuple[bytes, ...]:
    return tuple(a.tobytes() for a in (s.atoms.numbers, s.atoms.positions, s.atoms.cell.array, s.atoms.pbc))
