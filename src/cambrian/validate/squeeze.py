"""How far a potential still repels: a structure made smaller as a whole, and two of its atoms pushed together.

squeeze   E(v), v = s³, every distance times s: -dE/dv must grow with every step down
push      E(x), atom j moved along its bond to x times the distance: E must rise from its minimum on

A fit that has seen no short distances may fall into a hole there, in hot dynamics or under pressure.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import graph_of

VOLUMES = np.arange(1.0, 0.49, -0.025)
DISTANCES = np.arange(1.0, 0.59, -0.025)
BONDED = 1.3  # times the sum of covalent radii
SEARCHED = 6.0  # Å
AT_REST = 0.9  # times the distance: a thermal bond has its minimum above


@dataclass(frozen=True)
class Squeezed:
    """Energies (volumes,) in eV at `volumes`, shares of that of the start, and the smallest still repelling."""

    volumes: NDArray
    energies: NDArray
    repels_to: float


def squeeze(atoms: Atoms) -> Squeezed:
    """Make a structure smaller in steps, down to half its volume; `atoms` has a calculator."""
    energies = []
    for volume in VOLUMES:
        small, s = atoms.copy(), volume ** (1 / 3)
        middle = 0.0 if atoms.pbc.any() else atoms.positions.mean(axis=0)
        small.set_cell(atoms.cell.array * s)
        small.positions = middle + s * (atoms.positions - middle)
        energies.append(_energy(small, atoms.calc))
    found = np.array(energies)
    pushes = -np.diff(found) / np.diff(VOLUMES)
    grows = np.diff(pushes) > 0
    n_sound = len(grows) if grows.all() else int(np.argmin(grows))
    return Squeezed(VOLUMES, found, float(VOLUMES[n_sound + 1]) if n_sound else 1.0)


def push(atoms: Atoms) -> dict[str, float]:
    """Shortest share of its distance at which the nearest pair of every two bonded elements still repels."""
    return {name: _pushed(atoms, i, j, vector) for name, (i, j, vector) in _nearest(atoms).items()}


def _pushed(atoms: Atoms, i: int, j: int, vector: NDArray) -> float:
    energies = []
    for x in DISTANCES:
        near = atoms.copy()
        near.positions[j] -= (1 - x) * vector
        energies.append(_energy(near, atoms.calc))
    found = np.array(energies)
    rest = int(np.argmin(found[DISTANCES > AT_REST - 1e-6]))
    rises = np.diff(found[rest:]) > 0
    n_sound = len(rises) if rises.all() else int(np.argmin(rises))
    return round(float(DISTANCES[rest + n_sound]), 3)


def _nearest(atoms: Atoms) -> dict[str, tuple[int, int, NDArray]]:
    """Nearest pair of every two elements that are bonded; of all, where none are."""
    graph = graph_of(atoms, SEARCHED)
    first, second = graph.center.numpy(), graph.neighbor.numpy()
    vectors, a, b = graph.r_ij.numpy(), atoms.numbers[first], atoms.numbers[second]
    relative = np.linalg.norm(vectors, axis=1) / (covalent_radii[a] + covalent_radii[b])
    found: dict[str, tuple[int, int, NDArray]] = {}
    for k in np.argsort(relative, kind="stable"):
        is_far = relative[k] > BONDED and found
        name = f"{symbol(int(min(a[k], b[k])))}-{symbol(int(max(a[k], b[k])))}"
        if first[k] != second[k] and not is_far and name not in found:
            found[name] = (int(first[k]), int(second[k]), vectors[k])
    return found


def _energy(atoms: Atoms, calculator) -> float:
    """Energy in eV; -inf where there is none, which counts as attraction."""
    atoms.calc = calculator
    try:
        energy = atoms.get_potential_energy()
    except UserError:
        return -np.inf
    return energy if np.isfinite(energy) else -np.inf
