"""Two-body terms as tables: files of `pair_style table` in LAMMPS, which other programs read too.

    potential.table        one section for each pair of elements: distance in Å, energy in eV, force in eV/Å
    in.lammps              pair_style and pair_coeff, to be included after the atoms

A term is two-body when the energy of three atoms is the sum of those of its pairs; that is tried, not asked. Curves
are read off dimers, so that every such term has a table, whatever its class. What is no sum of pairs is left out, and
told: the tables of a GAP are its two-body part. LAMMPS splines energies and forces of a table each by itself.
Format: https://docs.lammps.org/pair_table.html
"""

from collections.abc import Callable
from itertools import combinations, combinations_with_replacement
from pathlib import Path

import numpy as np
from ase import Atoms
from jaxtyping import Float
from numpy.typing import NDArray

from cambrian.contracts.archive import write_in_place
from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.potential import Potential
from cambrian.elements import symbols
from cambrian.errors import UserError
from cambrian.graph import graph_of

NEAREST = 0.5  # Å, where tables begin
POINTS = 2000
AT_ONCE = 500  # dimers
TOLERANCE = 1e-9  # eV, of a sum of pairs, relative to the largest energy

Curve = tuple[Float[NDArray, "points"], Float[NDArray, "points"]]  # energies and forces


def deploy(
    potential: Potential,
    folder: str | Path,
    *,
    name: str = "potential",
    remark: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write the two-body terms of a fitted potential; `in.lammps` is the last file. `remark` hears what was left out.

    Raises UserError where there is no such term.
    """
    elements = symbols(potential.elements)
    if not elements:
        raise UserError("this potential is not fitted yet; fit it, or load a fitted one, before deploying it")
    terms = [term for term in potential.terms() if term.cutoff > 0 and is_two_body(term, elements)]
    left = [type(term).__name__ for term in potential.terms() if not any(term is chosen for chosen in terms)]
    if not terms:
        raise UserError(f"no term of this potential is a sum over pairs of atoms: {', '.join(left)}")
    if left:
        remark(f"the tables hold the two-body terms alone; left out: {', '.join(left)}")
    cutoff = max(term.cutoff for term in terms)
    if cutoff <= NEAREST:
        raise UserError(f"the pairs reach {cutoff:g} Å; tables begin at {NEAREST} Å")
    r = np.linspace(NEAREST, cutoff, POINTS)
    sections = []
    for a, b in combinations_with_replacement(elements, 2):
        curves = [pair_curve(term, a, b, r) for term in terms]
        energies, forces = (np.sum([curve[k] for curve in curves], axis=0) for k in range(2))
        sections.append(_section(f"{a}-{b}", r, energies, forces))
    folder, table = Path(folder), f"{name}.table"
    head = f"# UNITS: metal\n# pairs of {', '.join(elements)}, written by cambrian\n\n"
    write_in_place(folder / table, (head + "\n".join(sections)).encode())
    write_in_place(folder / "in.lammps", _input_text(elements, table, cutoff).encode())
    return [folder / table, folder / "in.lammps"]


def is_two_body(term: Potential, elements: list[str]) -> bool:
    """Whether some triangles of all elements have the energy of their pairs."""
    if term.scope != "local" or not term.differentiable:
        return False
    rng = np.random.default_rng(0)
    for kinds in combinations_with_replacement(elements, 3):
        corners = np.array([[0, 0, 0], [0.45, 0, 0], [0.2, 0.4, 0]]) * term.cutoff
        corners += rng.uniform(-0.05, 0.05, (3, 3)) * term.cutoff
        energies = {single: _energies(term, [single], corners[:1])[0][0] for single in set(kinds)}
        whole = _energies(term, list(kinds), corners)[0].sum() - sum(energies[k] for k in kinds)
        parts = 0.0
        for i, j in combinations(range(3), 2):
            pair = _energies(term, [kinds[i], kinds[j]], corners[[i, j]])[0].sum()
            parts += pair - energies[kinds[i]] - energies[kinds[j]]
        if abs(whole - parts) > TOLERANCE * max(1.0, abs(whole), abs(parts)):
            return False
    return True


def pair_curve(term: Potential, a: str, b: str, r: Float[NDArray, "points"]) -> Curve:
    """Energies (eV) and forces -dV/dr (eV/Å) of dimers, which stand side by side."""
    alone = _energies(term, [a], np.zeros((1, 3)))[0][0] + _energies(term, [b], np.zeros((1, 3)))[0][0]
    energies, pulls = [], []
    for some in np.array_split(r, max(1, len(r) // AT_ONCE)):
        places = np.zeros((2 * len(some), 3))
        places[:, 0] = np.repeat(np.arange(len(some)) * 2 * term.cutoff, 2)
        places[1::2, 2] = some
        found, forces = _energies(term, [a, b] * len(some), places)
        energies.append(found.reshape(-1, 2).sum(axis=1) - alone)
        pulls.append(forces[1::2, 2])
    return np.concatenate(energies), np.concatenate(pulls)


def _energies(term: Potential, kinds: list[str], places: NDArray) -> tuple[NDArray, NDArray]:
    found = evaluate(term, graph_of(Atoms(kinds, positions=places), term.cutoff))
    if found.atomic_energies is None or found.forces is None:
        raise UserError(f"{type(term).__name__} has no energies of atoms")
    return found.atomic_energies.numpy(), found.forces.numpy()


def _section(keyword: str, r: NDArray, energies: NDArray, forces: NDArray) -> str:
    step = r[1] - r[0]
    ends = [(forces[1] - forces[0]) / step, (forces[-1] - forces[-2]) / step]
    lines = [keyword, f"N {len(r)} R {r[0]:.15g} {r[-1]:.15g} FPRIME {ends[0]:.15g} {ends[1]:.15g}", ""]
    rows = zip(r, energies, forces, strict=True)
    return "\n".join([*lines, *(f"{k} {x:.15g} {e:.17g} {f:.17g}" for k, (x, e, f) in enumerate(rows, 1)), ""])


def _input_text(elements: list[str], table: str, cutoff: float) -> str:
    lines = [f"# atom types are {', '.join(f'{k} {e}' for k, e in enumerate(elements, 1))}; units metal"]
    lines.append(f"pair_style table spline {POINTS}")
    for (i, a), (j, b) in combinations_with_replacement(enumerate(elements, 1), 2):
        lines.append(f"pair_coeff {i} {j} {table} {a}-{b} {cutoff:.15g}")
    return "\n".join(lines) + "\n"
