"""Coulomb matrices: DScribe, the matrix of water written out, padding, the order of atoms, and what is refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from cambrian.data import Dataset, Structure
from cambrian.descriptors.coulomb_matrix import CoulombMatrix, Eigenvalues, RandomlySortedRows, SortedRows
from cambrian.errors import UserError
from cambrian.graph import batch, graph_of

MOLECULES = ("H2O", "CH3CH2OH", "C6H6", "CO2", "SO2", "CH4")


def frames() -> list[Atoms]:
    found = [molecule(name) for name in MOLECULES]
    for k, atoms in enumerate(found):
        atoms.rattle(0.05, seed=k)
    return found


def features(arrangement, atoms: list[Atoms], n_atoms: int = 12) -> np.ndarray:
    descriptor = CoulombMatrix(arrangement=arrangement, n_atoms=n_atoms)
    return descriptor.features(batch([graph_of(a, 0.0) for a in atoms])).numpy()


@pytest.mark.parametrize(("arrangement", "theirs"), [(Eigenvalues(), "eigenspectrum"), (SortedRows(), "sorted_l2")])
def test_equals_dscribe(arrangement, theirs):
    descriptors = pytest.importorskip("dscribe.descriptors")
    expected = descriptors.CoulombMatrix(n_atoms_max=12, permutation=theirs).create(frames())
    np.testing.assert_allclose(features(arrangement, frames()), expected, rtol=0, atol=1e-9)


def test_water_written_out():
    water = Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    d = water.get_all_distances()
    M = np.array(
        [[0.5 * 8**2.4, 8 / d[0, 1], 8 / d[0, 2]], [8 / d[0, 1], 0.5, 1 / d[1, 2]], [8 / d[0, 2], 1 / d[1, 2], 0.5]]
    )
    values = np.linalg.eigvalsh(M)
    np.testing.assert_allclose(features(Eigenvalues(), [water], 3)[0], values[np.argsort(-abs(values))], atol=1e-12)
    order = np.argsort(-np.linalg.norm(M, axis=1))
    np.testing.assert_allclose(features(SortedRows(), [water], 3)[0], M[order][:, order].ravel(), atol=1e-12)


@pytest.mark.parametrize("arrangement", [Eigenvalues(), SortedRows(), RandomlySortedRows(copies=3)])
def test_order_of_atoms_does_not_matter(arrangement):
    atoms = frames()
    shuffled = [a[np.random.default_rng(k).permutation(len(a))] for k, a in enumerate(atoms)]
    np.testing.assert_allclose(features(arrangement, shuffled), features(arrangement, atoms), atol=1e-10)


def test_random_copies_are_the_sorted_matrix_in_other_orders():
    """Without noise the sorted matrix itself; with it, another order of its rows and columns, the same each time."""
    ethanol = frames()[1:2]
    sorted_rows = features(SortedRows(), ethanol)[0]
    np.testing.assert_allclose(features(RandomlySortedRows(noise=1e-9, copies=2), ethanol)[0][:144], sorted_rows)
    copies = features(RandomlySortedRows(noise=20.0, copies=4), ethanol)[0].reshape(4, 12, 12)
    spectrum = np.linalg.eigvalsh(sorted_rows.reshape(12, 12))
    for copy in copies:
        np.testing.assert_allclose(np.linalg.eigvalsh(copy), spectrum, atol=1e-9)
    assert len({tuple(np.diag(c)) for c in copies}) > 1
    assert np.array_equal(features(RandomlySortedRows(noise=20.0, copies=4), ethanol)[0].reshape(4, 12, 12), copies)


def test_the_largest_molecule_of_the_data_decides():
    descriptor = CoulombMatrix(arrangement=SortedRows())
    descriptor.setup(Dataset(Structure(a) for a in frames()[:2]))
    assert descriptor.n_features == 81
    with pytest.raises(UserError, match="at most 9 atoms"):
        descriptor.features(graph_of(molecule("C6H6"), 0.0))
    crystal = molecule("H2O", vacuum=3.0)
    crystal.pbc = True
    with pytest.raises(UserError, match="free molecules"):
        descriptor.features(graph_of(crystal, 0.0))
