"""Neighbor lists over all pairs, against a sum over images written out; what they refuse."""

import itertools

import numpy as np
import pytest

from cambrian.native.library import available
from cambrian.native.neighbors import Coincident, neighbors

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")


def several(seed=0):
    rng = np.random.default_rng(seed)
    first_atom = np.array([0, 3, 3, 8, 9])
    cells = 3 * np.eye(3) + rng.uniform(-1, 1, (4, 3, 3))
    pbc = np.array([[True, True, True], [True, False, True], [True, False, False], [False, False, False]])
    return first_atom, rng.uniform(-6, 6, (9, 3)), cells, pbc


def written_out(first_atom, positions, cells, pbc, cutoff, reach=9):
    rows = []
    for s, cell in enumerate(cells):
        atoms = range(first_atom[s], first_atom[s + 1])
        shifts = list(itertools.product(*(range(-reach, reach + 1) if p else (0,) for p in pbc[s])))
        for i, j in itertools.product(atoms, atoms):
            r = positions[j] - positions[i] + np.array(shifts) @ cell
            near = (np.linalg.norm(r, axis=1) < cutoff) & ((np.array(shifts) != 0).any(axis=1) | (i != j))
            rows += [(i, j, *shifts[k], *r[k]) for k in np.flatnonzero(near)]
    return np.array(rows)


@pytest.mark.parametrize("expected", [1, 10000])
@pytest.mark.parametrize("cutoff", [0.0, 2.0, 6.0])
def test_edges_are_all_pairs_of_images(cutoff, expected):
    center, neighbor, shift, r_ij = neighbors(*several(), cutoff=cutoff, closest=1e-3, expected=expected)
    rows = written_out(*several(), cutoff).reshape(-1, 8)
    assert len(center) == len(rows) >= (cutoff > 1)
    np.testing.assert_array_equal(np.column_stack([center, neighbor, shift]), rows[:, :5])
    np.testing.assert_allclose(r_ij, rows[:, 5:], rtol=0, atol=1e-13)


def test_atoms_at_one_place_are_told():
    first_atom, positions, cells, pbc = several()
    positions[7] = positions[4] + 2 * cells[2, 0]  # the direction in which the third is periodic
    with pytest.raises(Coincident) as found:
        neighbors(first_atom, positions, cells, pbc, cutoff=0.0, closest=1e-3, expected=1)
    assert (found.value.center, found.value.neighbor) == (4, 7)


def test_arrays_that_do_not_fit_are_refused():
    first_atom, positions, cells, pbc = several()
    for wrong in (
        (first_atom[:-1], positions, cells, pbc),
        (first_atom - 1, positions, cells, pbc),
        (first_atom, positions.astype(np.float32), cells, pbc),
        (first_atom, positions, cells[:, :2], pbc),
        (first_atom, positions, cells, pbc.astype(int)),
    ):
        with pytest.raises(ValueError, match="must"):
            neighbors(*wrong, cutoff=2.0, closest=1e-3, expected=1)
