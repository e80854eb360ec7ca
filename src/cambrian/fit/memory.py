"""How much memory prepared features will take, and how much there is.

    bytes = Σ over kinds of structure (a n_atoms + b n_edges)        a, b: of the one with most edges of its kind

A kind is a set of elements, since what an edge needs depends on them. Counting the edges of all structures takes
neighbor lists alone.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cambrian.data.structure import Structure
from cambrian.graph import Graph

PROBES = 8  # kinds of structure that are measured; the others count as the worst of these
SHARE = 0.6  # of the free memory that features may fill


@dataclass(frozen=True)
class Estimate:
    """Bytes that the features of a data set will take, and that are free."""

    needed: float
    free: float

    @property
    def fits(self) -> bool:
        """Whether features can be kept."""
        return self.needed <= SHARE * self.free

    def __str__(self) -> str:
        said = f"features take about {sized(self.needed)} of {sized(self.free)} free"
        if self.fits:
            return said
        return (
            f"{said}: computed again in every epoch, a block at a time; a smaller cutoff, fewer functions or fewer "
            "structures would let them stay"
        )


def sized(n_bytes: float) -> str:
    """Bytes in words."""
    return f"{n_bytes / 1e9:.3g} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.2g} MB"


@dataclass(frozen=True)
class Count:
    """A structure and the size of its graph."""

    structure: Structure
    n_atoms: int
    n_edges: int


def feature_bytes(sized_graphs: Iterable[tuple[Structure, Graph]], measured: Callable[[Structure, bool], int]) -> float:
    """Bytes of the features of all structures; `measured` gives those of one, without or with derivatives."""
    kinds: dict[tuple[int, ...], list[Count]] = {}
    for s, graph in sized_graphs:
        kinds.setdefault(tuple(sorted(set(s.atoms.numbers.tolist()))), []).append(
            Count(s, graph.n_atoms, graph.n_edges)
        )
    by_size = sorted(kinds.values(), key=lambda kind: -sum(c.n_edges for c in kind))
    total, of_atom, of_edge = 0.0, [], []
    for k, kind in enumerate(by_size):
        if k < PROBES:
            largest = max(kind, key=lambda c: c.n_edges)
            plain = measured(largest.structure, False)
            of_atom.append(plain / max(largest.n_atoms, 1))
            of_edge.append((measured(largest.structure, True) - plain) / max(largest.n_edges, 1))
        a, b = (of_atom[k], of_edge[k]) if k < PROBES else (max(of_atom), max(of_edge))
        total += a * sum(c.n_atoms for c in kind) + b * sum(c.n_edges for c in kind)
    return total


def linear_bytes(n_coefficients: int, n_rows: int) -> float:
    """Bytes that a linear problem takes at most, however many structures there are; the largest has `n_rows` rows.

    Rows that wait for their factorisation and the triangle, twice while they are factorised; the rows of one structure
    twice while they are made; the triangle over its ridge, its factors and the posterior.
    """
    waiting = max(4 * n_coefficients, 4096) + n_rows + n_coefficients
    return 8.0 * (n_coefficients + 1) * max(2 * waiting + 2 * n_rows, 8 * n_coefficients)


def available_memory() -> float:
    """Free memory of this machine in bytes; infinite where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return 1024.0 * float(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError):
        return float("inf")
