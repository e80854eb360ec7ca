"""A census of labelled structures: how many there are of what, and in which range, as plain data and as a table."""

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np

from cambrian.data.composition import compositions_decide, fitted_atomic_energies, stated_atomic_energies
from cambrian.data.dataset import Dataset
from cambrian.data.structure import Structure
from cambrian.elements import symbol
from cambrian.graph import graph_of
from cambrian.units import GPA

REACH = 4.0  # Å: how far shortest distances are looked for


@dataclass(frozen=True)
class Range:
    """Least, typical and greatest value."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Census:
    """What a dataset holds; eV, Å and eV/Å³; None where no structure has the label.

    `labels` counts structures by label, `groups` structures, atoms and labels by group, `shortest` gives the shortest
    distance of each pair of elements that comes within 4 Å, `stated_e0` and `fitted_e0` the energies of isolated atoms
    (fitted: empty where the compositions do not decide them).
    """

    n_structures: int
    n_atoms: int
    atoms_per_structure: Range | None
    n_periodic: int
    elements: dict[str, int]
    labels: dict[str, int]
    groups: dict[str, dict[str, int]]
    levels: dict[str, int]
    total_charges: dict[str, int]
    energy_per_atom: Range | None
    force: Range | None
    stress: Range | None
    shortest: dict[str, float]
    stated_e0: dict[str, float]
    fitted_e0: dict[str, float]

    def plain(self) -> dict:
        """As dictionaries, numbers and text only: ready for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of each line of a table, units in the name; what is absent is left out."""
        gpa = (
            None
            if self.stress is None
            else Range(*(v / GPA for v in (self.stress.low, self.stress.mean, self.stress.high)))
        )
        lines = [
            ("structures", f"{self.n_structures} ({self.n_periodic} periodic in three directions)"),
            ("atoms", f"{self.n_atoms}"),
            ("atoms per structure", _spelled(self.atoms_per_structure, ".0f")),
            ("atoms of each element", _listed(self.elements)),
            ("labels (structures)", _listed(self.labels)),
            ("groups (structures)", _listed({name: n["structures"] for name, n in self.groups.items() if name})),
            ("levels of theory", _listed({name: n for name, n in self.levels.items() if name})),
            ("total charges (e)", _listed(self.total_charges) if set(self.total_charges) != {"0"} else ""),
            ("energy (eV/atom)", _spelled(self.energy_per_atom, ".4f")),
            ("force, largest of a structure (eV/Å)", _spelled(self.force, ".3f")),
            ("pressure of the stress (-trace/3, GPa)", _spelled(gpa, ".2f")),
            ("shortest distance (Å)", ", ".join(f"{pair} {d:.3f}" for pair, d in self.shortest.items())),
            ("isolated atoms, given (eV)", ", ".join(f"{s} {e:.4f}" for s, e in self.stated_e0.items())),
            ("isolated atoms, fitted (eV)", ", ".join(f"{s} {e:.4f}" for s, e in self.fitted_e0.items())),
        ]
        return [(name, value) for name, value in lines if value]


def census(data: Dataset) -> Census:
    """Count what a dataset holds."""
    elements: Counter[str] = Counter()
    groups: dict[str, Counter[str]] = {}
    for s in data:
        elements.update(s.atoms.get_chemical_symbols())
        groups.setdefault(s.group, Counter()).update({"structures": 1, "atoms": len(s), **dict.fromkeys(_labels(s), 1)})
    stated = stated_atomic_energies(data)
    fitted = fitted_atomic_energies(data) if len(data) and compositions_decide(data) else {}
    return Census(
        n_structures=len(data),
        n_atoms=data.n_atoms,
        atoms_per_structure=_range([len(s) for s in data]),
        n_periodic=sum(bool(s.atoms.pbc.all()) for s in data),
        elements={symbol(z): elements[symbol(z)] for z in data.numbers},
        labels=dict(Counter(label for s in data for label in _labels(s))),
        groups={name: dict(counts) for name, counts in groups.items()},
        levels=dict(Counter(s.level for s in data)),
        total_charges=dict(Counter(f"{s.total_charge:g}" for s in data)),
        energy_per_atom=_range([s.energy_per_atom for s in data if s.has_energy]),
        force=_range([np.linalg.norm(s.forces, axis=1).max(initial=0.0) for s in data if s.forces is not None]),
        stress=_range([-np.trace(s.stress) / 3 for s in data if s.stress is not None]),
        shortest=shortest_distances(data),
        stated_e0={symbol(z): min(e) for z, e in sorted(stated.items())},
        fitted_e0={symbol(z): e for z, e in fitted.items()},
    )


def shortest_distances(data: Dataset, reach: float = REACH) -> dict[str, float]:
    """Shortest distance (Å) of each pair of elements that comes within `reach`, by names such as `O-H`."""
    found: dict[tuple[int, int], float] = {}
    for s in data:
        graph = graph_of(s.atoms, reach)
        first, second = graph.numbers[graph.center].numpy(), graph.numbers[graph.neighbor].numpy()
        pair, distance = 1000 * np.minimum(first, second) + np.maximum(first, second), graph.r_ij.norm(dim=1).numpy()
        for code in np.unique(pair):
            key = divmod(int(code), 1000)
            found[key] = min(found.get(key, np.inf), float(distance[pair == code].min()))
    return {f"{symbol(a)}-{symbol(b)}": d for (a, b), d in sorted(found.items())}


def _labels(s: Structure) -> list[str]:
    arrays = [name for name in ("forces", "stress", "charges", "dipole") if getattr(s, name) is not None]
    return (["energy"] if s.has_energy else []) + arrays


def _range(values: list[float]) -> Range | None:
    return Range(float(np.min(values)), float(np.mean(values)), float(np.max(values))) if len(values) else None


def _spelled(found: Range | None, form: str) -> str:
    return "" if found is None else f"{found.low:{form}} to {found.high:{form}}, mean {found.mean:{form}}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())
