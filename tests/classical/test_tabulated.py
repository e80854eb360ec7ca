"""Curves given point by point."""

import numpy as np
import pytest
from ase import Atoms

from cambrian.classical.tabulated import Tabulated
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.graph import graph_of


def morse(r):
    decay = np.exp(-1.3 * (r - 1.8))
    fade, slope = (5 - r) ** 3 / 27, -((5 - r) ** 2) / 9
    energy = decay**2 - 2 * decay
    return np.stack([r, energy * fade, -(2.6 * (decay - decay**2) * fade + energy * slope)], axis=-1)


def silicon(n: int = 400) -> Tabulated:
    potential = Tabulated(cutoff=5.0)
    potential.take([14], {(14, 14): morse(np.linspace(1.0, 5.0, n))})
    return potential


def dimer(r: float) -> Atoms:
    return Atoms("Si2", positions=[[0, 0, 0], [r, 0, 0]])


@pytest.mark.parametrize("r", [1.0, 1.613, 2.5, 4.99, 5.5])
def test_values_and_forces_between_points(r):
    found = evaluate(silicon(), graph_of(dimer(r), 5.0))
    _, energy, force = morse(np.array([r]))[0] if r < 5 else (r, 0.0, 0.0)
    assert float(found.energy[0]) == pytest.approx(energy, abs=1e-8)
    assert float(found.forces[1, 0]) == pytest.approx(force, abs=1e-5)


def test_error_falls_with_the_fourth_power_of_the_spacing():
    errors = []
    for n in (51, 101):
        potential = silicon(n)
        r = np.linspace(1.1, 4.9, 77)
        errors.append(max(abs(float(evaluate(potential, graph_of(dimer(x), 5.0)).energy[0]) - morse(x)[1]) for x in r))
    assert 10 < errors[0] / errors[1] < 20


def test_a_straight_line_where_the_table_has_not_begun():
    potential = silicon()
    near, nearer = (float(evaluate(potential, graph_of(dimer(r), 5.0)).energy[0]) for r in (0.9, 0.6))
    start = morse(np.array([1.0]))[0]
    assert near == pytest.approx(start[1] + 0.1 * start[2])
    assert nearer - near == pytest.approx(0.3 * start[2])


def test_what_is_no_table_is_refused():
    potential, table = Tabulated(cutoff=4.0), morse(np.linspace(1.0, 4.0, 9))
    with pytest.raises(UserError, match="rise"):
        potential.take([14], {(14, 14): table[::-1]})
    with pytest.raises(UserError, match="beyond the cutoff"):
        potential.take([14], {(14, 14): table * [1.1, 1, 1]})
    with pytest.raises(UserError, match="above 0"):
        Tabulated(cutoff=0.0)
    with pytest.raises(UserError, match="not fitted"):
        silicon().setup(Dataset([Structure(Atoms("C"))]))
