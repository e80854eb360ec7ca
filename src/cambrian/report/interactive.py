"""Figures that answer to the pointer: parity plots that name each point, structures that can be turned.

The data stand in the page as JSON beside a canvas; `page.js` draws them. Where no script runs, a still drawing stands.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from numpy.typing import NDArray

from cambrian.data.structure import Structure
from cambrian.elements import symbol
from cambrian.fit.fit import Part
from cambrian.graph import graph_of
from cambrian.report.html import Html, escaped
from cambrian.report.quantities import rounded
from cambrian.units import GPA

MOST = 4000  # points in a plot; where there are more, the worst and a random draw
WORST = 400
SHOWN = 6  # structures
LARGE = 250  # atoms; of a larger structure only the surroundings of its worst atom are shown
NEAR = 7.0  # Å
LONGEST_ARROW = 2.0  # Å in the drawing, for the largest error of a structure
BOND = 1.25  # times the sum of covalent radii
COMPONENTS = {"forces": ("x", "y", "z"), "stress": ("xx", "yy", "zz", "yz", "xz", "xy")}


def view(kind: str, content: Any, caption: str, still: Html) -> Html:
    """A canvas that `page.js` draws from `content` (plain data), with what is shown where no script runs."""
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Html(
        f'<figure data-view="{kind}"><div class="legend"></div><div class="stage">'
        f'<canvas tabindex="0" role="img" aria-label="{escaped(caption)}"></canvas><p class="tip"></p></div>'
        f'<script type="application/json">{data}</script><noscript>{still}</noscript>'
        f"<figcaption>{escaped(caption)}</figcaption></figure>"
    )


def parity_view(part: Part, kind: str, caption: str, still: Html, *, seed: int = 0) -> Html:
    """Prediction over reference for `energy`, `forces` or `stress`, colored by group."""
    errors = part.errors
    pairs, owner, unit, factor = {
        "energy": (errors.energy, np.arange(len(errors.energy)), "meV/atom", 1e3),
        "forces": (errors.forces, errors.force_structure, "meV/Å", 1e3),
        "stress": (errors.stress, errors.stress_structure, "GPa", 1 / GPA),
    }[kind]
    kept = _kept(pairs, seed)
    values = factor * (pairs[kept] - (np.nanmin(pairs[:, 0]) if kind == "energy" else 0.0))
    groups = list(dict.fromkeys(errors.groups))
    content = {
        "unit": unit,
        "x": _short(values[:, 0]),
        "y": _short(values[:, 1]),
        "s": owner[kept].tolist(),
        "g": [groups.index(errors.groups[k]) for k in owner[kept]],
        "groups": groups,
        "places": [s.where for s in part.data],
    }
    if kind in COMPONENTS:
        content["a"] = _names_of_components(part, kind, owner, kept)
    if len(kept) < len(pairs):
        caption += f" {len(kept)} of {len(pairs)} shown: the worst and a random draw."
    return view("parity", content, caption, still)


def structures_view(part: Part, caption: str, still: Html) -> Html:
    """The structures with the largest errors, with arrows along the errors of forces."""
    return view("structures", [_drawn(part, k) for k in worst_structures(part)[:SHOWN]], caption, still)


def worst_structures(part: Part) -> list[int]:
    """Structures by their largest force error; by their energy error where there are no forces."""
    return sorted(range(len(part.data)), key=lambda k: -worst_of(part, k))


def worst_of(part: Part, k: int) -> float:
    """The largest |ΔF| of an atom, eV/Å; without forces |ΔE| in eV/atom, without labels 0."""
    difference = _force_errors(part, k)
    if difference is not None:
        return float(np.linalg.norm(difference, axis=1).max(initial=0.0))
    error = abs(part.predicted[k].energy - part.data[k].energy) / len(part.data[k])
    return float(error) if np.isfinite(error) else 0.0


def words_of(part: Part, k: int) -> str:
    """The errors of one structure in words."""
    s, p, found = part.data[k], part.predicted[k], []
    difference = _force_errors(part, k)
    if difference is not None:
        sizes = np.linalg.norm(difference, axis=1)
        atom = int(sizes.argmax())
        found.append(
            f"force off by {rounded(1e3 * sizes[atom])} meV/Å at atom {atom} ({symbol(s.atoms.numbers[atom])})"
        )
    if np.isfinite(s.energy):
        found.append(f"energy off by {rounded(1e3 * (p.energy - s.energy) / len(s))} meV/atom")
    return ", ".join(found)


def _force_errors(part: Part, k: int) -> NDArray | None:
    s, p = part.data[k], part.predicted[k]
    return None if s.forces is None or p.forces is None else np.nan_to_num(p.forces - s.forces)


def _kept(pairs: NDArray, seed: int) -> NDArray:
    present = np.flatnonzero(np.isfinite(pairs).all(axis=1))
    if len(present) <= MOST:
        return present
    order = present[np.argsort(-np.abs(np.diff(pairs[present], axis=1)[:, 0]), kind="stable")]
    drawn = np.random.default_rng(seed).choice(order[WORST:], MOST - WORST, replace=False)
    return np.sort(np.concatenate([order[:WORST], drawn]))


def _names_of_components(part: Part, kind: str, owner: NDArray, kept: NDArray) -> list[str]:
    """`atom 3 (O) y` or `xy` for each point that is kept."""
    names = COMPONENTS[kind]
    first = np.searchsorted(owner, owner[kept])
    said = []
    for k, place in zip(owner[kept], kept - first, strict=True):
        atom, component = divmod(int(place), len(names))
        of = f"atom {atom} ({symbol(part.data[int(k)].atoms.numbers[atom])}) " if kind == "forces" else ""
        said.append(of + names[component])
    return said


def _drawn(part: Part, k: int) -> dict[str, Any]:
    """One structure for `page.js`: positions about the center, radii, colors, bonds, cell edges, force errors."""
    s, difference = part.data[k], _force_errors(part, k)
    atoms = s.atoms
    errors = np.zeros((len(atoms), 3)) if difference is None else difference
    kept = _surroundings(atoms, int(np.linalg.norm(errors, axis=1).argmax()))
    shown = atoms[kept]
    center = shown.positions.mean(axis=0)
    longest = np.linalg.norm(errors, axis=1).max(initial=0.0)
    return {
        "title": s.where,
        "words": words_of(part, k),
        "x": [_short(v) for v in shown.positions - center],
        "r": _short(0.5 * covalent_radii[shown.numbers]),
        "c": ["#" + "".join(f"{round(255 * c):02x}" for c in jmol_colors[z]) for z in shown.numbers],
        "bonds": _bonds(shown),
        "box": _box(atoms, center) if len(kept) == len(atoms) else None,
        "error": [_short(v) for v in LONGEST_ARROW * errors[kept] / max(longest, 1e-12)],
    }


def _surroundings(atoms: Atoms, atom: int) -> NDArray:
    if len(atoms) <= LARGE:
        return np.arange(len(atoms))
    return np.flatnonzero(atoms.get_distances(atom, range(len(atoms)), mic=bool(atoms.pbc.any())) < NEAR)


def _bonds(atoms: Atoms) -> list[list[int]]:
    """Pairs of atoms that touch, each once; those through the cell's faces are left out."""
    radii = covalent_radii[atoms.numbers]
    graph = graph_of(Atoms(atoms.numbers, positions=atoms.positions), BOND * 2 * float(radii.max(initial=0.5)))
    i, j = graph.center.numpy(), graph.neighbor.numpy()
    near = (graph.r_ij.norm(dim=-1).numpy() < BOND * (radii[i] + radii[j])) & (i < j)
    return np.column_stack([i[near], j[near]]).tolist()


def _box(atoms: Atoms, center: NDArray) -> list[list[list[float]]] | None:
    """The twelve edges of the cell, where it is periodic."""
    if not atoms.pbc.any() or atoms.cell.rank < 3:
        return None
    corners = [np.array([i, j, k]) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    edges = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b - a).min() == 0]
    return [[_short(end @ atoms.cell.array - center) for end in edge] for edge in edges]


def _short(values: Sequence[float] | NDArray) -> list[float]:
    return [float(f"{v:.5g}") for v in values]


def worst_rows(part: Part) -> list[list[str]]:
    """A row for each of the worst structures: number, where it is, group, errors."""
    rows = []
    for number, k in enumerate(worst_structures(part)[:SHOWN], start=1):
        s: Structure = part.data[k]
        rows.append([str(number), s.where, s.group or "–", words_of(part, k)])
    return rows
